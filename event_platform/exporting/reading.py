"""Describe the tables of a lake for export, from their logs and the catalog."""

from collections.abc import Iterable
from dataclasses import dataclass

from event_platform.events.catalog import EventType
from event_platform.events.errors import EventPlatformError
from event_platform.exporting.relations import Relation, name_clashes, relation_of
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.storage.threads import map_threads

_NO_TABLE_YET = "it was not written yet"


@dataclass(frozen=True)
class LakeDescription:
    """The tables of a lake, and the tables that cannot be exported, with the reasons."""

    relations: tuple[Relation, ...]
    unwritten_tables: dict[str, str]
    faults: dict[str, str]


def describe_lake(lake: Lake, event_types: Iterable[EventType]) -> LakeDescription:
    """Describe every table of a lake; tables of the catalog are in its order.

    Unreadable tables do not stop the others.
    """
    tables = lake.every_table(event_types)
    results = dict(zip((table.name for table in tables), map_threads(_describe, tables), strict=True))
    relations = [each for each in results.values() if isinstance(each, Relation)]
    clashes = name_clashes(relations)
    return LakeDescription(
        tuple(each for each in relations if each.table not in clashes),
        {name: _NO_TABLE_YET for name, each in results.items() if each is None},
        {name: str(each) for name, each in results.items() if isinstance(each, Exception)} | clashes,
    )


def _describe(table: Table) -> Relation | Exception | None:
    try:
        snapshot = table.snapshot()
        return None if snapshot.delta is None else relation_of(table, snapshot)
    except EventPlatformError as error:
        return error
