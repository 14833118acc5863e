"""Tables of the lake in the Glue Data Catalog, where Athena and Spark look them up.

What a table is and where is all that these need: columns, partitions and files they read off its own log. The columns
are there for people, for Lake Formation and for views, which go by what the catalog says; so they are those of the log,
the partition column among them, in the form that `CREATE EXTERNAL TABLE … TBLPROPERTIES ('table_type' = 'DELTA')` in
Athena leaves behind. No table is ever removed: one that left the catalog of events still holds its rows.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from deltalake.schema import ArrayType, Field, PrimitiveType, StructType

from event_platform.events.errors import EventPlatformError, StorageError, TableError
from event_platform.lake.schemas import DeltaType, to_delta
from event_platform.lake.tables import Table
from event_platform.storage.aws import IMPATIENT, code_of, region_of, told
from event_platform.storage.threads import imap_threads

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

#: Glue answers a few of these calls a second, and refuses more.
_AT_ONCE = 4

#: Bytes that Glue takes for a comment of a column, and for the description of a table.
_COMMENT_BYTES, _DESCRIPTION_BYTES = 255, 2_048

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Delta's types in Hive's words, where they differ.
_HIVE = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint", "timestamp_ntz": "timestamp"}

_PARAMETERS = {
    "EXTERNAL": "TRUE",
    "classification": "delta",  # jobs of Glue read no table without one
    "spark.sql.sources.provider": "delta",
    "table_type": "delta",
}

#: As Athena leaves them; no reader of Delta looks at them.
_FORMATS = {
    "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
}
_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"


class GlueError(StorageError):
    """The database in the Glue Data Catalog does not answer, is not there or may not be read."""


class Outcome(StrEnum):
    """What became of a table that was to be registered."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NO_TABLE_YET = "no table yet"
    FAILED = "failed"


@dataclass(frozen=True)
class Registration:
    """What became of one table, and, where it failed, why."""

    table: str  # of the lake, such as events/lesson_started
    name: str  # in the database, such as events_lesson_started
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class GlueDatabase:
    """A database of the Glue Data Catalog."""

    name: str
    client: "GlueClient" = field(repr=False)

    def register(self, tables: Sequence[Table], *, from_the_logs: bool = False) -> list[Registration]:
        """Create and update what is missing or differs, and return what became of each table, in their order.

        A table whose columns are all there is taken for unchanged without a look at its log, unless told otherwise.
        Raises GlueError where the database cannot be read; what goes wrong with one table is in its registration.
        """
        known = self._tables()
        first = {glue_name(table): table.name for table in reversed(tables)}

        def register_one(table: Table) -> Registration:
            name = glue_name(table)
            if first[name] != table.name:
                reason = f"{first[name]} has the same name there, {name}: give one of them another key"
                return Registration(table.name, name, Outcome.FAILED, reason)
            try:
                return Registration(
                    table.name, name, self._registered(table, known.get(name), from_the_log=from_the_logs)
                )
            except (BotoCoreError, ClientError, EventPlatformError) as error:
                return Registration(table.name, name, Outcome.FAILED, told(error))

        return list(imap_threads(register_one, tables, _AT_ONCE))

    def _tables(self) -> dict[str, Mapping[str, Any]]:
        try:
            pages = self.client.get_paginator("get_tables").paginate(DatabaseName=self.name)
            return {found["Name"]: found for page in pages for found in page["TableList"]}
        except (BotoCoreError, ClientError) as error:
            raise GlueError(f"EVENT_PLATFORM_GLUE_DATABASE: {self.name}: {told(error)}{_remedy(error)}") from error

    def _registered(self, table: Table, found: Mapping[str, Any] | None, *, from_the_log: bool) -> Outcome:
        if found and not from_the_log and _has_all(found, table):
            return Outcome.UNCHANGED
        delta = table.snapshot().delta
        if delta is None:
            return Outcome.NO_TABLE_YET
        wanted = _input(table, delta.schema().fields)
        if found is None:
            return self._created(wanted)
        location = found.get("StorageDescriptor", {}).get("Location", "")
        if location.rstrip("/") != table.uri:
            raise TableError(
                f"the database has another table of this name, at {location or 'no location'}; expected {table.uri}. "
                "Drop that one, or set EVENT_PLATFORM_GLUE_DATABASE to a database of this environment's own"
            )
        if _shape(found) == _shape(wanted):
            return Outcome.UNCHANGED
        wanted["Parameters"] = {**found.get("Parameters", {}), **_PARAMETERS}
        # Without a version in Glue's archive, which holds so many and is never looked at: Delta has its own.
        self.client.update_table(DatabaseName=self.name, TableInput=wanted, SkipArchive=True)
        return Outcome.UPDATED

    def _created(self, wanted: Any) -> Outcome:
        try:
            self.client.create_table(DatabaseName=self.name, TableInput=wanted)
        except ClientError as error:
            if code_of(error) != "AlreadyExistsException":
                raise
            return Outcome.UNCHANGED  # by another run at the same time, which saw the same log
        return Outcome.CREATED


def open_glue(database: str) -> GlueDatabase:
    """Open a database with the credentials and the region of the standard AWS variables; nothing is asked yet."""
    session = boto3.Session()
    return GlueDatabase(database, session.client("glue", region_name=region_of(session), config=IMPATIENT))


def glue_name(table: Table) -> str:
    """Return the name of a table in the database: `events/lesson_started` → `events_lesson_started`, in lower case.

    No two tables of the platform have the same: keys of event types differ by more than case, and no other name of the
    platform begins with `events_`.
    """
    return table.name.replace("/", "_").lower()


def hive_type(where: str, dtype: DeltaType) -> str:
    """Return a type of Delta in Hive's words: `bigint`, `array<string>`, `struct<os:string,version:bigint>`.

    Raises TableError naming the column where Hive has no such type, or its name would be no name there.
    """
    if isinstance(dtype, ArrayType):
        return f"array<{hive_type(where, dtype.element_type)}>"
    if isinstance(dtype, StructType):
        names = _names(where, dtype.fields)
        types = [hive_type(f"{where}.{each.name}", each.type) for each in dtype.fields]
        return f"struct<{','.join(f'{name}:{kind}' for name, kind in zip(names, types, strict=True))}>"
    if isinstance(dtype, PrimitiveType):
        return _HIVE.get(dtype.type, dtype.type.replace(" ", ""))
    raise TableError(f"column {where}: the Glue Data Catalog has no {dtype}")


def _names(where: str, fields: Iterable[Field]) -> list[str]:
    """Return the names of columns as Hive has them: in lower case. Delta has no two that differ in nothing else."""
    names = [each.name for each in fields]
    for name in names:
        if not _NAME.fullmatch(name):
            raise TableError(f"{where}: the column {name!r} has no name for Hive; expected letters, digits and _")
    return [name.lower() for name in names]


def _input(table: Table, fields: Sequence[Field] | None = None) -> Any:
    """Return what Glue is told of a table: with the columns of its log, or with those that its definition has."""
    fields = to_delta(table.schema, table.comments).fields if fields is None else fields
    columns = [
        {
            "Name": name,
            "Type": hive_type(each.name, each.type),
            "Comment": _cut(str(table.comments.get(each.name) or each.metadata.get("comment", "")), _COMMENT_BYTES),
        }
        for name, each in zip(_names(table.name, fields), fields, strict=True)
    ]
    return {
        "Name": glue_name(table),
        "Description": _cut(table.description, _DESCRIPTION_BYTES),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": _PARAMETERS,
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": f"{table.uri}/",
            **_FORMATS,
            "SerdeInfo": {
                "SerializationLibrary": _SERDE,
                # Spark and Athena look for the address here, and only then in Location.
                "Parameters": {"path": f"{table.uri}/", "serialization.format": "1"},
            },
        },
    }


def _has_all(found: Mapping[str, Any], table: Table) -> bool:
    """Say whether a table is described as it is defined; further columns are those that only its older files have."""
    head, columns = _shape(_input(table))
    found_head, found_columns = _shape(found)
    return bool(found_head == head and set(columns) <= set(found_columns))


def _shape(described: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """Return what two descriptions of a table are compared by, its columns apart."""
    storage = described.get("StorageDescriptor", {})
    parameters = described.get("Parameters", {})
    head = (
        described.get("Description", ""),
        described.get("TableType"),
        {name: parameters.get(name, "") for name in _PARAMETERS},
        described.get("PartitionKeys", []),
        storage.get("Location"),
        storage.get("SerdeInfo", {}).get("Parameters", {}).get("path"),
    )
    columns = [(each["Name"], each.get("Type"), each.get("Comment", "")) for each in storage.get("Columns", [])]
    return head, columns


def _cut(text: str, size: int) -> str:
    """Return a text in one line, of as many bytes at most, without what cannot be seen: Glue refuses the rest."""
    line = "".join(each for each in " ".join(text.split()) if each.isprintable())
    return line.encode()[:size].decode(errors="ignore")


def _remedy(error: Exception) -> str:
    return {
        "EntityNotFoundException": "; create the database, or unset the variable",
        "AccessDeniedException": "; allow glue:GetTables, glue:CreateTable and glue:UpdateTable on it and its tables",
    }.get(code_of(error), "")
