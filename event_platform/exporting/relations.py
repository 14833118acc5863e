"""Tables of the lake as a warehouse shows them: a schema, a name, and columns in the order of the catalog."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from event_platform.lake.derived import sources_in
from event_platform.lake.names import is_of_platform
from event_platform.lake.schemas import field_names
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform.publishing.names import glue_name

#: The schema of tables that are not in a folder of the lake.
TOP_SCHEMA = "platform"

#: The column of whole records.
_BODY = "body"


@dataclass(frozen=True)
class Relation:
    """A table of the lake that exists."""

    table: str  # of the lake, such as events/lesson_started
    columns: tuple[tuple[str, str], ...]  # name and comment
    description: str = ""
    glue_name: str = ""  # in the Glue Data Catalog, such as events_lesson_started
    holds_records: bool = False  # whole records, as they landed
    source_tables: tuple[str, ...] = ()  # the tables that a derived table reads
    fields: tuple[str, ...] = ()  # names of the fields of objects, at any depth of the columns

    @property
    def schema(self) -> str:
        """The schema of its view: the first folder of its name, or `platform`."""
        folder, _, name = self.table.partition("/")
        return _plain(folder) if name else TOP_SCHEMA

    @property
    def name(self) -> str:
        """The name of its view: `lesson_started`."""
        return _plain(self.table.partition("/")[2] or self.table)

    @property
    def flat_name(self) -> str:
        """A name without a schema: `events_lesson_started`."""
        return _plain(self.table)


def relation_of(table: Table, snapshot: Snapshot) -> Relation:
    """Describe a table that exists. Columns that only the catalog has are left out: a query of them would fail.

    Columns that only the table has come last.
    """
    stored = snapshot.stored_schema
    fields = snapshot.delta.schema().fields if snapshot.delta else []
    spec = snapshot.table.spec
    comments = {field.name: str(field.metadata.get("comment") or "") for field in fields} | spec.comments
    return Relation(
        table.name,
        tuple((name, comments.get(name, "")) for name in snapshot.schema if name in stored),
        spec.description,
        glue_name(table),
        holds_records=is_of_platform(table.name) and _BODY in stored,
        source_tables=tuple(sorted({source.table for source in sources_in(snapshot)})),
        fields=tuple(dict.fromkeys(name for dtype in stored.values() for name in field_names(dtype))),
    )


def name_clashes(relations: Iterable[Relation]) -> dict[str, str]:
    """Return the tables whose name in a warehouse belongs to an earlier table, with the reason."""
    first_tables, clashes = dict[object, str](), dict[str, str]()
    for relation in relations:
        for name in ((relation.schema, relation.name), relation.flat_name):
            first_table = first_tables.setdefault(name, relation.table)
            if first_table != relation.table:
                clashes[relation.table] = f"{first_table} has the same name there; give one of them another key"
    return clashes


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name.lower(), flags=re.ASCII)
