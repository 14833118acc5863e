"""Register tables of the lake in the Glue Data Catalog, where Athena and Spark find them.

Athena and Spark need only the type and location of a table; the rest is read from its Delta log. Columns are registered
for people, Lake Formation and views. The form is that of Athena's `CREATE EXTERNAL TABLE … TBLPROPERTIES ('table_type'
= 'DELTA')`. Tables are never removed: even if its type left the catalog, a table has rows.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from deltalake.schema import ArrayType, Field, MapType, PrimitiveType, StructType

from event_platform.events.errors import EventPlatformError, StorageError, TableError
from event_platform.lake.schemas import DeltaType, to_delta
from event_platform.lake.tables import Table
from event_platform.publishing.names import COMMENT_BYTES, DESCRIPTION_BYTES, cut_line, glue_name
from event_platform.storage.aws import code_of, error_line, region_of, short_timeouts
from event_platform.storage.threads import imap_threads

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

#: Parallel requests. Glue allows only a few per second.
_AT_ONCE = 4

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Hive names of Delta types, where they differ.
_HIVE = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint", "timestamp_ntz": "timestamp"}

_PARAMETERS = {
    "EXTERNAL": "TRUE",
    "classification": "delta",  # required by Glue jobs
    "spark.sql.sources.provider": "delta",
    "table_type": "delta",
}

#: As Athena writes them. Delta readers ignore them.
_FORMATS = {
    "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
}
_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"


class GlueError(StorageError):
    """The Glue database does not answer, does not exist or access is denied."""


class Outcome(StrEnum):
    """Outcome of registering a table."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NO_TABLE_YET = "no table yet"
    FAILED = "failed"


@dataclass(frozen=True)
class Registration:
    """The outcome for one table, with the reason if it failed."""

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
        """Create and update tables that are missing or differ. Return the outcome of each, in their order.

        A table with all columns counts as unchanged without reading its Delta log, unless `from_the_logs`. Raises
        GlueError if the database cannot be read; errors of a single table are in its registration.
        """
        entries = self._tables()
        table_names = {glue_name(table): table.name for table in reversed(tables)}

        def register_one(table: Table) -> Registration:
            name = glue_name(table)
            if table_names[name] != table.name:
                reason = f"{table_names[name]} has the same name there, {name}: give one of them another key"
                return Registration(table.name, name, Outcome.FAILED, reason)
            try:
                return Registration(
                    table.name, name, self._register_table(table, entries.get(name), from_the_log=from_the_logs)
                )
            except (BotoCoreError, ClientError, EventPlatformError) as error:
                return Registration(table.name, name, Outcome.FAILED, error_line(error))

        return list(imap_threads(register_one, tables, _AT_ONCE))

    def _tables(self) -> dict[str, Mapping[str, Any]]:
        try:
            pages = self.client.get_paginator("get_tables").paginate(DatabaseName=self.name)
            return {entry["Name"]: entry for page in pages for entry in page["TableList"]}
        except (BotoCoreError, ClientError) as error:
            raise GlueError(
                f"EVENT_PLATFORM_GLUE_DATABASE: {self.name}: {error_line(error)}{_remedy(error)}"
            ) from error

    def _register_table(self, table: Table, entry: Mapping[str, Any] | None, *, from_the_log: bool) -> Outcome:
        if entry and not from_the_log and _has_all(entry, table):
            return Outcome.UNCHANGED
        delta = table.snapshot().delta
        if delta is None:
            return Outcome.NO_TABLE_YET
        table_input = _input(table, delta.schema().fields)
        if entry is None:
            return self._create(table_input)
        if entry.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG":
            raise TableError(
                "the database has an Iceberg table of this name, whose readers would lose it. Set "
                "EVENT_PLATFORM_GLUE_DATABASE to a database without Iceberg tables, or delete the entry by "
                "`aws glue delete-table`: DROP TABLE of Athena would delete the data"
            )
        location = entry.get("StorageDescriptor", {}).get("Location", "")
        if location.rstrip("/") != table.uri:
            raise TableError(
                f"the database has another table of this name, at {location or 'no location'}; expected {table.uri}. "
                "Drop that one, or set EVENT_PLATFORM_GLUE_DATABASE to a database that only this environment uses"
            )
        if _shape(entry) == _shape(table_input):
            return Outcome.UNCHANGED
        table_input["Parameters"] = {**entry.get("Parameters", {}), **_PARAMETERS}
        # SkipArchive: Glue limits the number of archived versions, and Delta has its own.
        self.client.update_table(DatabaseName=self.name, TableInput=table_input, SkipArchive=True)
        return Outcome.UPDATED

    def _create(self, table_input: Any) -> Outcome:
        try:
            self.client.create_table(DatabaseName=self.name, TableInput=table_input)
        except ClientError as error:
            if code_of(error) != "AlreadyExistsException":
                raise
            return Outcome.UNCHANGED  # created by a concurrent run, from the same log
        return Outcome.CREATED


def open_glue(database: str) -> GlueDatabase:
    """Open a database with the credentials and region of the standard AWS variables. Sends no request."""
    import boto3  # noqa: PLC0415 - takes long, and few have a Glue Data Catalog

    session = boto3.Session()
    return GlueDatabase(database, session.client("glue", region_name=region_of(session), config=short_timeouts()))


def hive_type(column: str, dtype: DeltaType) -> str:
    """Return the Hive type of a Delta type: `bigint`, `map<string,bigint>`, `struct<os:string,version:bigint>`.

    Raises TableError naming the column if Hive has no such type or its name is not valid there.
    """
    if isinstance(dtype, ArrayType):
        return f"array<{hive_type(column, dtype.element_type)}>"
    if isinstance(dtype, MapType):
        return f"map<{hive_type(column, dtype.key_type)},{hive_type(column, dtype.value_type)}>"
    if isinstance(dtype, StructType):
        names = _names(column, dtype.fields)
        types = [hive_type(f"{column}.{each.name}", each.type) for each in dtype.fields]
        return f"struct<{','.join(f'{name}:{kind}' for name, kind in zip(names, types, strict=True))}>"
    if isinstance(dtype, PrimitiveType):
        return _HIVE.get(dtype.type, dtype.type.replace(" ", ""))
    raise TableError(f"column {column}: the Glue Data Catalog has no {dtype}")


def _names(parent: str, fields: Iterable[Field]) -> list[str]:
    """Return column names in lower case, as Hive has them. Delta names never differ only in case."""
    names = [each.name for each in fields]
    for name in names:
        if not _NAME.fullmatch(name):
            raise TableError(
                f"{parent}: the column {name!r} cannot be a column in Hive; expected letters, digits and _"
            )
    return [name.lower() for name in names]


def _input(table: Table, fields: Sequence[Field] | None = None) -> Any:
    """Return Glue's TableInput for a table, with the columns of its Delta log, else of its definition."""
    fields = to_delta(table.schema, table.spec.comments).fields if fields is None else fields
    columns = [
        {
            "Name": name,
            "Type": hive_type(each.name, each.type),
            "Comment": cut_line(
                str(table.spec.comments.get(each.name) or each.metadata.get("comment", "")), COMMENT_BYTES
            ),
        }
        for name, each in zip(_names(table.name, fields), fields, strict=True)
    ]
    return {
        "Name": glue_name(table),
        "Description": cut_line(table.spec.description, DESCRIPTION_BYTES),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": _PARAMETERS,
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": f"{table.uri}/",
            **_FORMATS,
            "SerdeInfo": {
                "SerializationLibrary": _SERDE,
                # Spark and Athena look here first, then in Location.
                "Parameters": {"path": f"{table.uri}/", "serialization.format": "1"},
            },
        },
    }


def _has_all(entry: Mapping[str, Any], table: Table) -> bool:
    """Return whether a registered table has everything in its definition. Older files may have further columns."""
    head, columns = _shape(_input(table))
    entry_head, entry_columns = _shape(entry)
    return bool(entry_head == head and set(columns) <= set(entry_columns))


def _shape(table_input: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """Return the parts of a table description that are compared, and its columns."""
    storage = table_input.get("StorageDescriptor", {})
    parameters = table_input.get("Parameters", {})
    head = (
        table_input.get("Description", ""),
        table_input.get("TableType"),
        {name: parameters.get(name, "") for name in _PARAMETERS},
        table_input.get("PartitionKeys", []),
        storage.get("Location"),
        storage.get("SerdeInfo", {}).get("Parameters", {}).get("path"),
    )
    columns = [(each["Name"], each.get("Type"), each.get("Comment", "")) for each in storage.get("Columns", [])]
    return head, columns


def _remedy(error: Exception) -> str:
    return {
        "EntityNotFoundException": "; create the database, or unset the variable",
        "AccessDeniedException": "; allow glue:GetTables, glue:CreateTable and glue:UpdateTable on it and its tables",
    }.get(code_of(error), "")
