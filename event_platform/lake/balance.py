"""Balances: for every day, the records that arrived and the tables that they are in now."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.events.catalog import Catalog
from event_platform.events.event import MENDED_BY, DuplicateKind
from event_platform.events.figures import KINDS, OBJECTS, Figure
from event_platform.lake.file_figures import read_figure
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform.storage.threads import map_threads


@dataclass(frozen=True)
class ArrivalBalance:
    """What landed on one arrival date."""

    arrival_date: date
    landed: int  # records in raw_events
    sound: int  # of these, without a corruption_reason
    corrupt: int  # rows of corrupt_events
    broken_objects: int  # objects whose record numbers do not run from 0 without a gap
    mended: int = 0  # of the sound ones, those that a function of the catalog made of dead letters

    @property
    def balanced(self) -> bool:
        """Landed = sound + corrupt, and no object has lost or repeated a record."""
        return self.landed == self.sound + self.corrupt and not self.broken_objects


@dataclass(frozen=True)
class DeduplicationBalance:
    """The sound records of one created_date, by where they are."""

    created_date: date
    sound: int  # in raw_events
    deduplicated: int
    redelivery: int
    conflict: int

    @property
    def balanced(self) -> bool:
        """Sound = deduplicated + duplicates."""
        return self.sound == self.deduplicated + self.redelivery + self.conflict


@dataclass(frozen=True)
class TypingBalance:
    """Where the deduplicated events of one created_date are."""

    created_date: date
    deduplicated: int
    unregistered: int
    typed: int  # over all event tables, those of retired types too

    @property
    def balanced(self) -> bool:
        """Deduplicated = Σ events/… + unregistered."""
        return self.deduplicated == self.typed + self.unregistered


def arrival_balances(
    lake: Lake, dates: Collection[date] | None = None, *, in_rows: bool = False
) -> list[ArrivalBalance]:
    """Return the balance of each arrival date (by default, of all with records).

    It is summed from the figures of files and the statistics in the log, or counted `in_rows`.
    """
    raw = lake.raw_events.snapshot()
    landed, last = pl.col("landed").sum(), pl.col("last_offset").max()
    objects = (
        read_figure(raw.table, raw.files(dates), OBJECTS, in_rows=in_rows)
        .group_by("arrival_date", "source_object")
        .agg(landed, pl.col("sound").sum(), last, pl.col("offsets").sum())
        # Offsets 0 … n-1 have maximum n-1 and this sum; a lost or repeated record changes one of them.
        .with_columns(
            broken=(pl.col("last_offset") != pl.col("landed") - 1)
            | (pl.col("offsets") != pl.col("landed") * (pl.col("landed") - 1) // 2)
        )
    )
    by_day = objects.group_by("arrival_date").agg(pl.col("landed", "sound", "broken").sum())
    days = by_day.rows_by_key("arrival_date", unique=True)
    corrupt, mended = _rows(lake.corrupt_events, dates), _mended(raw, dates, in_rows=in_rows)
    return [
        ArrivalBalance(day, landed, sound, corrupt.get(day, 0), broken, mended.get(day, 0))
        for day in sorted({*days, *corrupt, *(dates or ())})
        for landed, sound, broken in [days.get(day, (0, 0, 0))]
    ]


def _mended(raw: Snapshot, dates: Collection[date] | None, *, in_rows: bool) -> Mapping[date, int]:
    """Return the mended records of each arrival date that has any."""
    if not in_rows:
        return raw.values_by_date(MENDED_BY, dates)
    mended = scan_files(raw.table, raw.files(dates)).filter(pl.col(MENDED_BY).is_not_null())
    return dict(mended.group_by("arrival_date").agg(pl.len()).collect(engine="streaming").iter_rows())


def filtered_by_arrival_date(lake: Lake) -> dict[date, int]:
    """Return how many events the filter of the stream dropped of those that arrived there on each date."""
    return _rows(lake.filtered_events, None)


def deduplication_balances(lake: Lake, dates: Collection[date] | None = None) -> list[DeduplicationBalance]:
    """Return the balance of each created date (by default, of all with records)."""
    sound = sound_by_created_date(lake, dates)
    deduplicated = _rows(lake.deduplicated_events, dates)
    kinds = count_by_day(lake.duplicate_events.snapshot(), dates, KINDS)
    return [
        DeduplicationBalance(
            created_date=day,
            sound=sound.get(day, 0),
            deduplicated=deduplicated.get(day, 0),
            redelivery=kinds.get(day, {}).get(DuplicateKind.REDELIVERY.value, 0),
            conflict=kinds.get(day, {}).get(DuplicateKind.CONFLICT.value, 0),
        )
        for day in sorted({*sound, *deduplicated, *kinds, *(dates or ())})
    ]


def count_by_day(table: Snapshot, dates: Collection[date] | None, figure: Figure) -> dict[date, dict[str, int]]:
    """Return the rows of dates (None: of all) by the first column that a figure counts them by, in order."""
    day, value = str(table.table.partition_column), figure.by.names()[0]
    counts = read_figure(table.table, table.files(dates), figure, table.schema)
    found: dict[date, dict[str, int]] = {}
    for each, what, rows in counts.group_by(day, value).agg(pl.col("rows").sum()).sort(day, value).iter_rows():
        found.setdefault(each, {})[what] = rows
    return found


def typing_balances(lake: Lake, catalog: Catalog, dates: Collection[date] | None = None) -> list[TypingBalance]:
    """Return the balance of each created date (by default, of all with records)."""
    return typing_balances_of(lake, event_table_rows(lake, catalog, dates), dates)


def typing_balances_of(
    lake: Lake, event_tables: Mapping[str, dict[date, int]], dates: Collection[date] | None = None
) -> list[TypingBalance]:
    """Return `typing_balances` from the rows of the event tables (see `event_table_rows`)."""
    deduplicated = _rows(lake.deduplicated_events, dates)
    unregistered = _rows(lake.unregistered_events, dates)
    typed: Counter[date] = Counter()
    for rows in event_tables.values():
        typed.update(rows)
    return [
        TypingBalance(day, deduplicated.get(day, 0), unregistered.get(day, 0), typed[day])
        for day in sorted({*deduplicated, *unregistered, *typed, *(dates or ())})
    ]


def sound_by_created_date(lake: Lake, dates: Collection[date] | None = None) -> dict[date, int]:
    """Return the sound records of raw_events by created date (by default, of all)."""
    raw = lake.raw_events.snapshot()
    files = raw.files()
    if dates is not None:
        first, last = min(dates), max(dates)
        files = [file for file in files if may_hold(file, first, last)]
    counts = read_figure(raw.table, files, OBJECTS).group_by("created_date").agg(pl.col("sound").sum())
    days = counts.filter(pl.col("sound") > 0).iter_rows()
    return {day: rows for day, rows in days if dates is None or day in dates}


def may_hold(file: DataFile, first: date, last: date) -> bool:
    """Return whether a file of raw_events may hold sound records created from `first` to `last`."""
    low, high = file.minimum.get("created_date"), file.maximum.get("created_date")
    return low is not None and high is not None and low <= last and first <= high


def _rows(table: Table, dates: Collection[date] | None) -> dict[date, int]:
    return {day: rows for day, rows in table.snapshot().rows_by_date().items() if dates is None or day in dates}


def event_table_rows(lake: Lake, catalog: Catalog, dates: Collection[date] | None) -> dict[str, dict[date, int]]:
    """Return the rows of each event table by its name, those of retired types last."""
    tables = [*map(lake.event_table, catalog.event_types), *lake.retired_tables(catalog.event_types)]
    rows = map_threads(lambda table: _rows(table, dates), tables)
    return {table.name: found for table, found in zip(tables, rows, strict=True)}
