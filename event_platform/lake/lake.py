"""The tables of a lake, by name. The platform's tables are defined in `registry`."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.errors import TableError
from event_platform.lake.field_ids import FieldIds
from event_platform.lake.listing import LakeListing, summarize
from event_platform.lake.names import PAGES_FOLDER, checked_name, is_of_platform, is_table_name, may_be_part_of_name
from event_platform.lake.registry import (
    CORRUPT_EVENTS,
    DEDUPLICATED_EVENTS,
    DUPLICATE_EVENTS,
    EVENTS_FOLDER,
    FILTERED_EVENTS,
    PLATFORM_TABLES,
    QUALITY_REPORT,
    RAW_EVENTS,
    UNREGISTERED_EVENTS,
    event_table_spec,
)
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import TableSpec, spec_of_schema
from event_platform.lake.tables import FoundTable, Table
from event_platform.storage.storage import Storage
from event_platform.storage.threads import map_threads


@dataclass(frozen=True)
class Lake:
    """Every table of one environment."""

    storage: Storage
    #: Of the tables that a task writes, by name: see `to_write`.
    field_ids: Mapping[str, FieldIds] = field(default_factory=dict, compare=False, repr=False, kw_only=True)

    def to_write(self, *targets: Snapshot) -> "Lake":
        """Return the lake to be sent to a task that writes files of these tables."""
        tables = [target.table_to_write for target in targets]
        return Lake(self.storage, field_ids={table.name: table.field_ids or {} for table in tables})

    def platform_table(self, spec: TableSpec) -> Table:
        """Return a table of the platform."""
        return Table(spec, self.storage, field_ids=self.field_ids.get(spec.name))

    @property
    def raw_events(self) -> Table:
        """Every landed record, once, sound or corrupt."""
        return self.platform_table(RAW_EVENTS)

    @property
    def corrupt_events(self) -> Table:
        """Dead letters: the records with a corruption_reason."""
        return self.platform_table(CORRUPT_EVENTS)

    @property
    def deduplicated_events(self) -> Table:
        """One row for each event_uuid."""
        return self.platform_table(DEDUPLICATED_EVENTS)

    @property
    def duplicate_events(self) -> Table:
        """Dead letters: records with the event_uuid of an earlier one."""
        return self.platform_table(DUPLICATE_EVENTS)

    @property
    def unregistered_events(self) -> Table:
        """Events whose name is not in the catalog."""
        return self.platform_table(UNREGISTERED_EVENTS)

    @property
    def quality_report(self) -> Table:
        """Figures about the quality of each created_date."""
        return self.platform_table(QUALITY_REPORT)

    @property
    def filtered_events(self) -> Table:
        """Dead letters of the stream's filter. Few lakes have them, so `tables` omits them."""
        return self.platform_table(FILTERED_EVENTS)

    def event_table(self, event_type: EventType) -> Table:
        """Return the table of one event type."""
        return self.platform_table(event_table_spec(event_type))

    def tables(self, event_types: Iterable[EventType]) -> list[Table]:
        """Return the tables of the platform, those of `event_types` last, including tables that do not exist yet."""
        return [*map(self.platform_table, PLATFORM_TABLES), *map(self.event_table, event_types)]

    def every_table(self, event_types: Iterable[EventType]) -> list[Table]:
        """Return the tables of the platform, as `tables` does, and then all others that exist, by name.

        The others are tables of users' own assets, of retired event types, and of the stream's filter. Only folders
        above tables are listed, so the cost grows with the number of tables, not of their files.
        """
        platform = self.tables(event_types)
        others = sorted(self._found({table.name for table in platform}))
        filtered = FILTERED_EVENTS.name
        return [*platform, *(self.filtered_events if name == filtered else self.found_table(name) for name in others)]

    def list_files(self, event_types: Sequence[EventType]) -> LakeListing:
        """List the tables of the platform, as `tables` names them. A request for each thousand files."""
        folders = sorted({table.name.partition("/")[0] for table in self.tables(event_types)})
        entries = map_threads(lambda folder: list(self.storage.entries(folder)), folders, self.storage.threads)
        return summarize(chain.from_iterable(entries))

    def retired_tables(self, event_types: Iterable[EventType]) -> list[Table]:
        """Return the event tables of types that were in the catalog once, and are not among `event_types`."""
        known = {event_type.key for event_type in event_types}
        folders = [name for name in self._folders(EVENTS_FOLDER) if name not in known and is_table_name(name)]
        tables = [self.table(f"{EVENTS_FOLDER}/{name}") for name in folders if self._is_table(EVENTS_FOLDER, name)]
        return [table for table in tables if table.partition_column == "created_date"]

    def table(self, name: str) -> Table:
        """Return an existing table, by the name of its asset key (`events/lesson_started`), as its log describes it.

        Raises TableError with similar names if there is none.
        """
        return Table(self.pinned(name).table.spec, self.storage)

    def pinned(self, name: str) -> Snapshot:
        """Return a snapshot of a table (see `table`). Opening a table takes requests."""
        snapshot = self.found_table(name).snapshot()
        uri = snapshot.table.uri
        if snapshot.delta is None:
            near = difflib.get_close_matches(name, self.names(), n=5, cutoff=0.5)
            raise TableError(f"{uri}: no such table" + (f"; did you mean {' or '.join(near)}?" if near else ""))
        columns = snapshot.delta.metadata().partition_columns
        if columns != snapshot.table.spec.partition_by:
            raise TableError(f"{uri}: partitioned by {', '.join(columns)}; expected one column of dates, or none")
        return snapshot

    def found_table(self, name: str) -> FoundTable:
        """Return a table by its name, which need not exist. Raises TableError for an invalid table name."""
        return FoundTable(TableSpec(checked_name(name)), self.storage)

    def own_table(self, name: str, schema: pl.Schema, partition_column: str | None) -> Table:
        """Return the table of a user's own asset, by its asset key, for writing.

        Raises TableError for the platform's own names, and for a table inside another table's folder, or around one:
        cleaning up the outer table would delete the inner one.
        """
        folders = checked_name(name).split("/")
        if not all(map(may_be_part_of_name, folders)):
            raise TableError(f"{name}: a part of digits alone stands for a date; give the asset another key")
        if is_of_platform(name):
            raise TableError(f"{name}: a table of the platform itself; give the asset another key")
        above = ["/".join(folders[:depth]) for depth in range(1, len(folders))]
        inside = [outer for outer in above if self._is_table(outer)]
        own = self.storage.folders(name)
        if inside or (own and "_delta_log" not in own):
            raise TableError(
                f"{name}: {'inside' if inside else 'around'} the folder of another table; give the asset another key"
            )
        return Table(spec_of_schema(name, schema, partition_column), self.storage)

    def scan(
        self, name: str, dates: Collection[date] | None = None, columns: Collection[str] | None = None
    ) -> pl.LazyFrame:
        """Scan some partitions and columns (default: all) of a table by its name.

        Raises TableError if there is no such table or column.
        """
        return scan_columns(self.pinned(name), dates, columns)

    def names(self) -> list[str]:
        """Return the names of all tables that exist, by walking the folders."""
        return sorted(self._found(()))

    def _folders(self, *parts: str) -> list[str]:
        return self.storage.folders(*parts)

    def _is_table(self, *parts: str) -> bool:
        return self.storage.has_folder(*parts, "_delta_log")

    def _found(self, known: Collection[str], *parts: str) -> Iterator[str]:
        """Yield the names of the tables below a folder, except `known` ones, which are not listed."""
        below = ["/".join([*parts, folder]) for folder in self._folders(*parts) if may_be_part_of_name(folder)]
        names = [name for name in below if name not in known and name != PAGES_FOLDER]
        for name, is_table in zip(names, map_threads(self._is_table, names), strict=True):
            if is_table:
                yield name
            else:
                yield from self._found(known, *name.split("/"))


def scan_columns(snapshot: Snapshot, dates: Collection[date] | None, columns: Collection[str] | None) -> pl.LazyFrame:
    """Scan some partitions and columns of a table, as `Lake.scan` does."""
    rows = snapshot.scan(dates)
    names = rows.collect_schema().names()
    unknown = [column for column in columns or () if column not in names]
    if unknown:
        raise TableError(f"{snapshot.table.name}: no column {', '.join(unknown)}; there are {', '.join(names)}")
    return rows if columns is None else rows.select(columns)
