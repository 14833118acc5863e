"""The tables of a lake, by name."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.columns import typed
from event_platform.events.errors import TableError
from event_platform.events.event import EVENT_COLUMNS, SOURCE_COLUMNS
from event_platform.lake.tables import Snapshot, Table
from event_platform.storage.storage import Storage
from event_platform.storage.threads import map_threads

#: What the folders of a table may be called: nothing that leads out of the lake, or into a table's own folders.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")

#: Folders of the platform that hold tables or pages; its other tables are folders of their own.
_PAGES = "reports"
_FOLDERS = ("events", _PAGES)

_COMMENTS = {
    "arrival_date": "Day (UTC) on which the record landed",
    "source_object": "Landed object that the record is in, below the root of landing",
    "source_offset": "Number of the record in its object, from 0",
    "source_size": "Bytes of the landed object",
    "source_etag": "Changes when the landed object does",
    "body": "The record as it landed",
    "event_uuid": "Unique identifier of the event",
    "event_name": "What happened, in parts joined with colons",
    "created_at": "Unix time in seconds at which the event was created",
    "created_datetime": "created_at as a timestamp (UTC)",
    "created_date": "Day (UTC) on which the event was created",
    "event_type": "First part of the name",
    "event_subtype": "Second part of the name",
    "corruption_reason": "Why the record cannot be used; null for a sound one",
    "kind": "redelivery: the survivor's body again; conflict: another body under the same uuid",
    "survivor_arrival_date": "arrival_date of the record that arrived first",
    "survivor_source_object": "source_object of the record that arrived first",
    "survivor_source_offset": "source_offset of the record that arrived first",
    "figure": "What was counted, such as events, duplicates, corrupt or unknown_field",
    "label": "What of it: an hour, a kind, a reason, a field; null for the whole of it, or for the rest",
    "value": "How many",
    "_rescued": "JSON object of what found no place in a typed column, by field",
}

#: For people, in the log of the table and in the UI. Those of event types are in the catalog.
_DESCRIPTIONS = {
    "raw_events": "Every record that landed, once, sound or corrupt, with what is known of it. The table is its own "
    "ledger: an object whose rows are in it is not read again, and one that changed replaces its rows.",
    "corrupt_events": "Dead letters: the records that cannot be used, each with its corruption_reason.",
    "deduplicated_events": "One row for each event_uuid: the record that arrived first, as it landed.",
    "duplicate_events": "Dead letters: the records that another one of the same event_uuid came before, with its place "
    "and their kind: redelivery (the same body) or conflict (another one: a producer's bug).",
    "unregistered_events": "Events whose name the catalog lacks, with their body. Add a schema, and they move to a "
    "table of their own.",
    "quality_report": "Figures of each created date, one a row: events by hour and type, lateness, duplicates by kind, "
    "corrupt records by reason (those that arrived on that day), schema drift by field, unregistered names. And a page "
    "of them for each day, below reports/quality.",
}

#: What no table of somebody's own is called, or is inside of.
_NAMES = frozenset({*_FOLDERS, *_DESCRIPTIONS})

_OBJECT_COLUMNS = {"source_size": pl.Int64, "source_etag": pl.String}
_SURVIVOR_COLUMNS = {f"survivor_{name}": dtype for name, dtype in SOURCE_COLUMNS.items()}
_REASON = {"corruption_reason": pl.String}
_RECORD = {**SOURCE_COLUMNS, "body": pl.String, **EVENT_COLUMNS}

RAW_SCHEMA = pl.Schema({**SOURCE_COLUMNS, **_OBJECT_COLUMNS, "body": pl.String, **EVENT_COLUMNS, **_REASON})
CORRUPT_SCHEMA = pl.Schema({**_RECORD, **_REASON})
DEDUPLICATED_SCHEMA = pl.Schema(_RECORD)
DUPLICATE_SCHEMA = pl.Schema({**_RECORD, "kind": pl.String, **_SURVIVOR_COLUMNS})
QUALITY_SCHEMA = pl.Schema(
    {"created_date": pl.Date, "figure": pl.String, "event_name": pl.String, "label": pl.String, "value": pl.Int64}
)

#: What tells rows apart: their place in landing where each record has a row, the uuid where each event has one.
_PLACE = tuple(SOURCE_COLUMNS)
_EVENT = ("created_date", "event_uuid")

#: Columns that are null in no row.
_OF_EVENTS = frozenset(EVENT_COLUMNS) - {"event_subtype"}
_OF_SOUND_RECORDS = frozenset(_RECORD) - {"event_subtype"}


class FoundTable(Table):
    """A table of which only the name is known: what its columns and partitions are, its log tells its snapshots."""

    def opened(self, version: int | None = None) -> Snapshot:
        """See Table. What is partitioned by anything else than dates can be read as a whole only."""
        snapshot = super().opened(version)
        if snapshot.delta is None:
            return snapshot
        metadata, schema = snapshot.delta.metadata(), snapshot.stored_schema
        column = next(iter(metadata.partition_columns), None)
        by_date = metadata.partition_columns == [column] and schema[str(column)] == pl.Date
        shape = Table(
            self.name, schema, column if by_date else None, self.storage, description=metadata.description or ""
        )
        return replace(snapshot, table=shape)


@dataclass(frozen=True)
class Lake:
    """Every table of one environment."""

    storage: Storage

    @property
    def raw_events(self) -> Table:
        """Every record that landed, once, with its fate."""
        return self._table("raw_events", RAW_SCHEMA, "arrival_date", _PLACE, frozenset({*_PLACE, *_OBJECT_COLUMNS}))

    @property
    def corrupt_events(self) -> Table:
        """Dead letters: the records with a corruption_reason."""
        return self._table("corrupt_events", CORRUPT_SCHEMA, "arrival_date", _PLACE, frozenset({*_PLACE, *_REASON}))

    @property
    def deduplicated_events(self) -> Table:
        """One row for each event_uuid."""
        return self._table("deduplicated_events", DEDUPLICATED_SCHEMA, "created_date", _EVENT, _OF_SOUND_RECORDS)

    @property
    def duplicate_events(self) -> Table:
        """Dead letters: the records that another one came before."""
        return self._table(
            "duplicate_events",
            DUPLICATE_SCHEMA,
            "created_date",
            _PLACE,
            frozenset(DUPLICATE_SCHEMA) - {"event_subtype"},
        )

    @property
    def unregistered_events(self) -> Table:
        """Events whose name the catalog lacks."""
        return self._table("unregistered_events", DEDUPLICATED_SCHEMA, "created_date", _EVENT, _OF_SOUND_RECORDS)

    @property
    def quality_report(self) -> Table:
        """Figures about the quality of each created_date."""
        key = ("created_date", "figure", "event_name", "label")
        return self._table(
            "quality_report", QUALITY_SCHEMA, "created_date", key, frozenset({"created_date", "figure", "value"})
        )

    def event_table(self, event_type: EventType) -> Table:
        """Return the typed events of one type. Its folder is the key: it comes from the catalog, never from data."""
        comments = {column.name: column.description for column in typed(event_type.columns)}
        return Table(
            name=f"events/{event_type.key}",
            schema=event_type.schema,
            partition_column="created_date",
            storage=self.storage,
            comments={**_COMMENTS, **comments},
            description=event_type.description,
            key=_EVENT,
            filled=_OF_EVENTS,
        )

    def tables(self, event_types: Iterable[EventType]) -> list[Table]:
        """Return the tables of the platform, those of `event_types` last, whether they exist yet or not."""
        return [
            self.raw_events,
            self.corrupt_events,
            self.deduplicated_events,
            self.duplicate_events,
            self.unregistered_events,
            self.quality_report,
            *map(self.event_table, event_types),
        ]

    def every_table(self, event_types: Iterable[EventType]) -> list[Table]:
        """Return the tables of the platform, as `tables` does, and then all others that exist, by name.

        Those are the tables of people's own assets, and of event types that were in the catalog once. Folders are
        listed, and no table's: what that costs grows with tables, not with what is in them.
        """
        platform = self.tables(event_types)
        others = sorted(self._found({table.name for table in platform}))
        return [*platform, *map(self.found_table, others)]

    def retired_tables(self, event_types: Iterable[EventType]) -> list[Table]:
        """Return the event tables of types that were in the catalog once, and are not among `event_types`."""
        known = {event_type.key for event_type in event_types}
        folders = [name for name in self.storage.folders("events") if name not in known and _NAME.fullmatch(name)]
        tables = [self.table(f"events/{name}") for name in folders if self._is_table("events", name)]
        return [table for table in tables if table.partition_column == "created_date"]

    def table(self, name: str) -> Table:
        """Return a table that exists, by the name of its asset key (`events/lesson_started`), as its log describes it.

        Raises TableError where there is none, with the names that come near.
        """
        return self.pinned(name).table

    def pinned(self, name: str) -> Snapshot:
        """Return a table as `table` does, as it is now: to open it takes several requests to the store."""
        snapshot = self.found_table(name).snapshot()
        uri = snapshot.table.uri
        if snapshot.delta is None:
            near = difflib.get_close_matches(name, self.names(), n=5, cutoff=0.5)
            raise TableError(f"{uri}: no such table" + (f"; did you mean {' or '.join(near)}?" if near else ""))
        columns = snapshot.delta.metadata().partition_columns
        if columns != snapshot.table.partition_by:
            raise TableError(f"{uri}: partitioned by {', '.join(columns)}; expected one column of dates, or none")
        return snapshot

    def found_table(self, name: str) -> FoundTable:
        """Return a table by its name, which need not exist. Raises TableError for what is no name of a table."""
        return FoundTable(checked_name(name), pl.Schema(), None, self.storage)

    def own_table(self, name: str, schema: pl.Schema, partition_column: str | None) -> Table:
        """Return the table of an asset that is not the platform's, by its asset key, to be written.

        Raises TableError for the platform's own names, and for a table inside another one's folder, or around one:
        cleaning up the outer table would delete the inner one.
        """
        folders = checked_name(name).split("/")
        if not all(map(_may_be_of_a_table, folders)):
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
        return Table(name, schema, partition_column, self.storage)

    def scan(
        self, name: str, dates: Collection[date] | None = None, columns: Collection[str] | None = None
    ) -> pl.LazyFrame:
        """Scan some partitions (all without them) and columns (all without them) of a table by its name.

        Raises TableError where there is no such table or column.
        """
        return chosen(self.pinned(name), dates, columns)

    def names(self) -> list[str]:
        """Return the names of all tables that exist, by walking the folders."""
        return sorted(self._found(()))

    def _is_table(self, *parts: str) -> bool:
        return self.storage.has_folder(*parts, "_delta_log")

    def _found(self, known: Collection[str], *parts: str) -> Iterator[str]:
        """Yield the names of the tables below a folder, but for those that are `known`: they are not looked into."""
        below = ["/".join([*parts, folder]) for folder in self.storage.folders(*parts) if _may_be_of_a_table(folder)]
        names = [name for name in below if name not in known and name != _PAGES]
        for name, is_table in zip(names, map_threads(self._is_table, names), strict=True):
            if is_table:
                yield name
            else:
                yield from self._found(known, *name.split("/"))

    def _table(
        self, name: str, schema: pl.Schema, partition_column: str, key: tuple[str, ...], filled: frozenset[str]
    ) -> Table:
        comments = {column: _COMMENTS[column] for column in schema.names()}
        return Table(name, schema, partition_column, self.storage, comments, _DESCRIPTIONS[name], key, filled)


def chosen(snapshot: Snapshot, dates: Collection[date] | None, columns: Collection[str] | None) -> pl.LazyFrame:
    """Scan some partitions and columns of a table, as `Lake.scan` does."""
    rows = snapshot.scan(dates)
    known = rows.collect_schema().names()
    unknown = [column for column in columns or () if column not in known]
    if unknown:
        raise TableError(f"{snapshot.table.name}: no column {', '.join(unknown)}; there are {', '.join(known)}")
    return rows if columns is None else rows.select(columns)


def _may_be_of_a_table(folder: str) -> bool:
    """Say whether a folder may be a table, or hold one. Those of landing, which may be in the lake, are dates."""
    return bool(_NAME.fullmatch(folder)) and not folder.isdecimal()


def is_of_platform(name: str) -> bool:
    """Say whether a table is, or can only be, one of the platform itself."""
    return name.split("/", maxsplit=1)[0] in _NAMES


def checked_name(name: str) -> str:
    """Return the name of a table. Raises TableError where it may lead somewhere else than to a table of the lake."""
    if not _NAME.fullmatch(name):
        raise TableError(
            f"{name!r} is no name of a table; expected an asset key such as events/lesson_started, of letters, digits, "
            "-, _ and ., each part beginning with a letter or a digit"
        )
    return name
