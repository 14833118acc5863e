"""Conflicts between a catalog and the tables of a lake that the next run would meet.

As in a commit, `schemas.merged` decides whether a table accepts a column.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from deltalake import Schema
from deltalake.schema import ArrayType, Field, MapType, StructType

from event_platform.events.catalog import EventType
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.lake.schemas import DeltaType, Retyped, merged, retyped, to_delta, type_name
from event_platform.lake.tables import Table
from event_platform.storage.threads import map_threads


class ClashKind(StrEnum):
    """How a catalog does not go with a table."""

    TYPE = "other type"
    WIDER = "wider type"
    SPELLING = "other case"
    RETIRED = "no schema"


@dataclass(frozen=True)
class TableClash:
    """Something in a table that the catalog has in another way, or not."""

    table: str
    column: str  # path, such as device.os; empty for the table itself
    stored: str  # type in the table; for other case, name and type
    defined: str
    kind: ClashKind
    action: str

    @property
    def fails(self) -> bool:
        """Whether a run would fail."""
        return self.kind in (ClashKind.TYPE, ClashKind.SPELLING)


def find_table_clashes(lake: Lake, event_types: Iterable[EventType]) -> list[TableClash]:
    """Return what a run would fail on or rebuild, by type, followed by the tables of types without a schema."""
    types = list(event_types)
    by_table = map_threads(clashes_of, [lake.event_table(event_type) for event_type in types])
    retired = map_threads(_retired, lake.retired_tables(types))
    return [clash for clashes in (*by_table, *retired) for clash in clashes]


def clashes_of(table: Table) -> list[TableClash]:
    """Return what a run would fail on or rebuild in one event table."""
    snapshot = table.snapshot()
    try:
        return [_wider(table.name, (), column) for column in snapshot.retyped]
    except TableError:
        if snapshot.delta is None:
            raise
    # An error names only the first column that cannot be merged, so each one is merged separately.
    defined = to_delta(table.schema, {}, table.spec.variants)
    return list(_column_clashes(table.name, snapshot.delta.schema().fields, defined.fields, ()))


def _column_clashes(
    table: str, stored: list[Field], defined: list[Field], path: tuple[str, ...]
) -> Iterator[TableClash]:
    for field in defined:
        merged_type = _merged(table, stored, field)
        if isinstance(merged_type, Schema):
            yield from (_wider(table, path, column) for column in retyped(Schema(stored), merged_type))
            continue
        old, names = _field_of(stored, field.name), (*path, field.name)
        before, after = _inside(old.type, field.type)
        if old.name == field.name and isinstance(before, StructType) and isinstance(after, StructType):
            yield from _column_clashes(table, before.fields, after.fields, names)
        else:
            yield _clash(table, names, old, field, merged_type)


def _merged(table: str, stored: list[Field], field: Field) -> Schema | str:
    """Return the schema of a table with an additional column, or the reason why that is impossible."""
    try:
        return merged(table, Schema(stored), Schema([field]), widens=True)
    except TableError as error:
        return str(error)


def _wider(table: str, path: tuple[str, ...], retyping: Retyped) -> TableClash:
    action = "The next run rebuilds all days of the table in one commit."
    column = ".".join([*path, retyping.column])
    return TableClash(table, column, retyping.stored, retyping.defined, ClashKind.WIDER, action)


def _field_of(stored: list[Field], name: str) -> Field:
    alike = [field for field in stored if field.name.lower() == name.lower()]
    return next((field for field in alike if field.name == name), alike[0])


def _clash(table: str, path: tuple[str, ...], stored: Field, defined: Field, fault: str) -> TableClash:
    kind = ClashKind.TYPE if stored.name == defined.name else ClashKind.SPELLING
    before, after = (
        type_name(side.type) if kind is ClashKind.TYPE else f"{side.name}: {type_name(side.type)}"
        for side in (stored, defined)
    )
    return TableClash(table, ".".join(path), before, after, kind, fault.partition(". ")[2])


def _inside(stored: DeltaType, defined: DeltaType) -> tuple[DeltaType, DeltaType]:
    """Return the types inside arrays and maps, as deep as both are alike."""
    while True:
        if isinstance(stored, ArrayType) and isinstance(defined, ArrayType):
            stored, defined = stored.element_type, defined.element_type
        elif isinstance(stored, MapType) and isinstance(defined, MapType):
            stored, defined = stored.value_type, defined.value_type
        else:
            return stored, defined


def _retired(table: Table) -> list[TableClash]:
    rows = sum(table.snapshot().rows_by_date().values())
    if not rows:
        return []
    action = "Put its schema back if its events still come: of days that are rebuilt, they are in unregistered_events."
    return [TableClash(table.name, "", f"rows: {rows:,}", "", ClashKind.RETIRED, action)]
