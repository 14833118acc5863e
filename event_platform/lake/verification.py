"""Verify tables without trusting their logs: that files exist, and the rows in them.

Checks in a run go by what the logs say of files. Here every file of every table is looked for, keys are counted in the
rows, and what the tables of a day hold is compared by the event_uuids themselves.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from event_platform.events.figures import UUID_HASH
from event_platform.events.wording import counted
from event_platform.lake.balance import arrival_balances, may_hold
from event_platform.lake.date_groups import group_dates
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.foreign import damaged_files, foreign_dates, instead
from event_platform.lake.lake import Lake
from event_platform.lake.location import TableLocation
from event_platform.lake.names import is_of_platform
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform.lake.unbuilt import unbuilt_arrival_dates, unbuilt_created_dates
from event_platform.storage.threads import imap_threads, map_threads

#: Rows whose keys are held in memory, and tables that are read in parallel.
_ROWS_AT_ONCE, _TABLES_AT_ONCE = 5_000_000, 4

#: Prefix of the names of event tables.
EVENT_TABLES = "events/"


@dataclass(frozen=True)
class Fault:
    """A fault in a table on a day (None: unpartitioned)."""

    table: str
    day: date | None
    reason: str

    def __str__(self) -> str:
        """Return table, day and description."""
        return f"{self.table}{f' on {self.day}' if self.day else ''}: {self.reason}"


@dataclass(frozen=True)
class Rows:
    """Counts of the files of a partition: rows, distinct keys, and the sum of the hashes of its uuids."""

    rows: int = 0
    distinct: int = 0
    uuids: int = 0

    def __add__(self, other: "Rows") -> "Rows":
        """Return the sum of both."""
        return Rows(self.rows + other.rows, self.distinct + other.distinct, self.uuids + other.uuids)


@dataclass(frozen=True)
class Verification:
    """Result of a verification."""

    tables: int
    files: int
    size: int  # bytes
    rows: dict[str, dict[date, Rows]]  # by table and day, as counted in the files
    faults: list[Fault] = field(default_factory=list)
    unbuilt: list[date] = field(default_factory=list)  # days with newer records: their tables are not compared

    @property
    def faulty_dates(self) -> list[date]:
        """The days on which something is wrong, in order."""
        return sorted({fault.day for fault in self.faults if fault.day is not None})


def look_for_files(tables: Sequence[Table]) -> Verification:
    """Verify that every file of `tables` exists, and find foreign commits. Reads no rows."""
    found = list(imap_threads(lambda table: _verify_table(table.snapshot(), ()), tables))
    return _verification(found, [], ())


def verify(
    lake: Lake,
    tables: Sequence[Table],
    dates: Collection[date] | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Verification:
    """Look for every file of `tables`, and count the rows of some partitions (all without them) in their files.

    `tables` are all of the lake, those of the platform among them. They are pinned first: runs go on meanwhile. Days
    that one is at work on are not compared. `progress` is called with what is being done, how many tables are done, and
    how many there are.
    """
    pinned = _pin(lake, tables)
    found = list[_Verified]()
    for each in imap_threads(lambda one: _verify_table(one, dates), pinned.snapshots.values(), _TABLES_AT_ONCE):
        found.append(each)
        progress("verify", len(found), len(tables))
    by_name = {each.snapshot.table.name: each for each in found}
    damaged = {day for each in found for day in each.damaged}
    arrival_dates, created_dates = unbuilt_arrival_dates(pinned), unbuilt_created_dates(pinned, tables)
    arrivals = _arrival_faults(pinned, by_name, damaged | arrival_dates)
    created = _created_faults(pinned, by_name, dates, damaged | created_dates)
    return _verification(found, [*arrivals, *created], arrival_dates | created_dates)


def _pin(lake: Lake, tables: Sequence[Table]) -> PinnedLake:
    """Pin tables, raw_events last: none is built from newer records then."""
    raw = lake.raw_events.name
    others = [table for table in tables if table.name != raw]
    snapshots = map_threads(lambda table: table.snapshot(), others, lake.storage.threads)
    by_name = {table.name: each for table, each in zip(others, snapshots, strict=True)}
    return PinnedLake(lake.storage, snapshots={**by_name, raw: lake.raw_events.snapshot()})


def _verification(found: "Sequence[_Verified]", sums: Iterable[Fault], unbuilt: Iterable[date]) -> Verification:
    faults = [*(fault for each in found for fault in each.faults), *sums]
    return Verification(
        len(found),
        sum(len(each.sizes) for each in found),
        sum(sum(each.sizes.values()) for each in found),
        {each.snapshot.table.name: each.rows for each in found},
        sorted(faults, key=lambda fault: (fault.day or date.min, fault.table, fault.reason)),
        sorted(unbuilt),
    )


@dataclass(frozen=True)
class _Verified:
    snapshot: Snapshot
    files: list[DataFile]
    sizes: dict[str, int]
    damaged: set[date]
    rows: dict[date, Rows]
    faults: list[Fault]


def _verify_table(snapshot: Snapshot, dates: Collection[date] | None) -> _Verified:
    table = snapshot.table
    if table.partition_column is None:  # of a table that was found, the log alone says so
        return _verify_whole(snapshot)
    files = snapshot.files()
    broken = damaged_files(snapshot, None, table.storage.sizes(*table.name.split("/")))
    damaged = {each.file.partition for each in broken}
    faults = [Fault(table.name, each.file.partition, each.reason) for each in broken]
    if is_of_platform(table.name):  # others are written by whoever made them
        faults += [Fault(table.name, day, reason) for day, reason in foreign_dates(snapshot).items()]
    logged = {day: rows for day, rows in snapshot.rows_by_date(dates).items() if day not in damaged}
    rows = _count(snapshot, logged)
    for day, each in rows.items():
        if each.rows != logged[day]:
            faults.append(Fault(table.name, day, f"{each.rows:,} rows in its files, {logged[day]:,} in its log"))
        if each.distinct != each.rows:
            repeated = each.rows - each.distinct
            faults.append(Fault(table.name, day, f"{repeated:,} of {each.rows:,} rows have the key of another one"))
    return _Verified(snapshot, files, snapshot.stored_sizes, damaged, rows, faults)


def _verify_whole(snapshot: Snapshot) -> _Verified:
    """Verify the files of an unpartitioned table, which belongs to a user and has no totals to compare."""
    name, sizes = snapshot.table.name, snapshot.table.storage.sizes(*snapshot.table.name.split("/"))
    found = {path: sizes.get(f"{name}/{path}") for path in snapshot.stored_sizes}
    faults = [
        Fault(name, None, f"the file {path} {instead(size, found[path])}")
        for path, size in snapshot.stored_sizes.items()
        if found[path] != size
    ]
    return _Verified(snapshot, [], snapshot.stored_sizes, set(), {}, faults)


def _count(snapshot: Snapshot, logged: Mapping[date, int]) -> dict[date, Rows]:
    """Count the rows of the days that have rows in the log."""
    found: dict[date, Rows] = {}
    for days in group_dates(snapshot, sorted(logged), _ROWS_AT_ONCE) if logged else ():
        rows, day = snapshot.scan(days), str(snapshot.table.partition_column)
        columns, key = rows.collect_schema().names(), _key_of(snapshot.table)
        keys = rows.select(
            day,
            key=pl.struct(key).hash() if key else pl.int_range(pl.len(), dtype=pl.UInt64),
            uuid=UUID_HASH if "event_uuid" in columns else pl.lit(0, pl.UInt64),
        )
        totals = keys.group_by(day).agg(pl.len(), pl.col("key").n_unique(), pl.col("uuid").sum())
        found.update({each: Rows(*figures) for each, *figures in totals.collect(engine="streaming").iter_rows()})
    return {day: found.get(day, Rows()) for day in logged}


def _key_of(table: TableLocation) -> tuple[str, ...]:
    """Return the primary key of a table: that of a retired event table is not in its log."""
    return table.spec.primary_key or (("created_date", "event_uuid") if table.name.startswith(EVENT_TABLES) else ())


def _arrival_faults(lake: Lake, tables: Mapping[str, _Verified], damaged: Collection[date]) -> Iterator[Fault]:
    """Landed = sound + corrupt, and the records of each object are numbered without a gap."""
    raw, corrupt = (tables[table.name] for table in (lake.raw_events, lake.corrupt_events))
    days = {*raw.rows, *corrupt.rows} - set(damaged)
    for balance in arrival_balances(lake, sorted(days), in_rows=True) if days else []:
        dead = corrupt.rows.get(balance.arrival_date, Rows()).rows
        if balance.landed != balance.sound + dead:
            reason = f"{balance.landed:,} landed, {balance.sound:,} sound, and {dead:,} rows in corrupt_events"
            yield Fault(lake.raw_events.name, balance.arrival_date, reason)
        if balance.broken_objects:
            reason = f"records lost or repeated in {counted(balance.broken_objects, 'object')}"
            yield Fault(lake.raw_events.name, balance.arrival_date, reason)


def _created_faults(
    lake: Lake, tables: Mapping[str, _Verified], dates: Collection[date] | None, damaged: Collection[date]
) -> Iterator[Fault]:
    """Sound = deduplicated + duplicates, deduplicated = Σ events/… + unregistered: rows and uuids."""
    if tables[lake.raw_events.name].damaged:
        return  # what is sound cannot be counted
    unique, duplicates, unregistered = (
        tables[table.name].rows for table in (lake.deduplicated_events, lake.duplicate_events, lake.unregistered_events)
    )
    typed = [each.rows for name, each in tables.items() if name.startswith(EVENT_TABLES)]
    sound = _sound_by_created_date(tables[lake.raw_events.name], lake, dates)
    for day in sorted({*sound, *unique, *duplicates, *unregistered, *(day for rows in typed for day in rows)}):
        if day in damaged:
            continue
        nothing = Rows()
        landed, kept = sound.get(day, nothing), unique.get(day, nothing)
        split = kept + duplicates.get(day, nothing)
        parts = sum((rows.get(day, nothing) for rows in typed), unregistered.get(day, nothing))
        if reason := _difference(landed, "sound records", split, "rows in deduplicated_events and duplicate_events"):
            yield Fault(lake.deduplicated_events.name, day, reason)
        if reason := _difference(kept, "deduplicated", parts, "rows in event tables and unregistered_events"):
            yield Fault(lake.unregistered_events.name, day, reason)


def _difference(whole: Rows, what: str, parts: Rows, of_what: str) -> str | None:
    if whole.rows != parts.rows:
        return f"{whole.rows:,} {what}, {parts.rows:,} {of_what}"
    return None if whole.uuids == parts.uuids else f"{whole.rows:,} {what} and {of_what}, with other event_uuids"


def _sound_by_created_date(raw: _Verified, lake: Lake, dates: Collection[date] | None) -> dict[date, Rows]:
    files: Iterable[DataFile] = raw.files
    if dates is not None:
        first, last = min(dates, default=date.max), max(dates, default=date.min)
        files = [file for file in raw.files if may_hold(file, first, last)]
    counts = (
        scan_files(lake.raw_events, list(files))
        .filter(pl.col("corruption_reason").is_null())
        .group_by("created_date")
        .agg(pl.len(), uuids=UUID_HASH.sum())
        .collect(engine="streaming")
    )
    return {day: Rows(rows, rows, uuids) for day, rows, uuids in counts.iter_rows() if dates is None or day in dates}
