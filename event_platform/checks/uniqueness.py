"""The check of one row per event_uuid in each table.

For deduplicated_events, the keys in its files are counted, or its rows if a file has no keys. An event table derives
from it. If both have as many events of a name, with the same event_uuids, the event table is not counted again.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from threading import Lock
from typing import NamedTuple, TypeVar

import polars as pl

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result
from event_platform.events.catalog import EventType
from event_platform.events.figures import NAMES, event_figure
from event_platform.lake.date_groups import group_dates
from event_platform.lake.file_figures import read_figure
from event_platform.lake.file_keys import use_keys
from event_platform.lake.snapshot import Snapshot

NAME = "unique_event_uuid"

#: Rows that are read together. Each takes about 25 bytes.
_ROWS_AT_ONCE = 25_000_000

#: 64-bit hash of uuid and day. Where two are equal, the uuids themselves are counted.
_KEY = pl.col("event_uuid").hash() ^ pl.col("created_date").hash()

T = TypeVar("T")


class Counts(NamedTuple):
    """Counts of the rows and event_uuids of a day."""

    rows: int = 0
    distinct: int = 0
    missing: int = 0

    @property
    def is_unique(self) -> bool:
        """Whether every row has an event_uuid, and no two rows share one."""
        return self.rows == self.distinct and not self.missing


#: Rows, and the sum of the hashes of their uuids.
_Sums = tuple[int, int]

#: Figures of days, cached by the files of the day, which never change. A run compares a hundred tables with one.
_COUNTS: OrderedDict[tuple[str, ...], Counts] = OrderedDict()
_SUMS_BY_NAME: OrderedDict[tuple[str, ...], dict[str, _Sums]] = OrderedDict()
_DAYS_KEPT = 400
_FINDING = Lock()  # event tables are checked side by side
_COUNTING = Lock()  # and the rows of one at a time are in memory


def check_dates(table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Result]]:
    """Count the rows and distinct uuids of each date, and return its result."""
    counts = _find(_COUNTS, _count_dates, table, dates)
    return [(day, check_day(counts.get(day, Counts()))) for day in dates]


def check_typed_dates(
    event_type: EventType, table: Snapshot, deduplicated: Snapshot, dates: Sequence[date]
) -> list[tuple[date, Result]]:
    """Compare an event table with the events of its name, count the dates that differ, and return the results."""
    with _FINDING:
        events = _find(_SUMS_BY_NAME, _sums_by_name, deduplicated, dates)
        unique = _find(_COUNTS, _count_dates, deduplicated, dates)
    figures = read_figure(table.table, table.files(dates), event_figure(event_type), table.schema)
    sums = figures.group_by("created_date").agg(pl.col("rows", "uuids").sum()).iter_rows()
    alike = {
        day: Counts(rows, rows)
        for day, rows, uuids in sums
        if _sums_of_names(events.get(day, {}), event_type.names) == (rows, uuids) and unique[day].is_unique
    }
    counts = alike | _find(_COUNTS, _count_dates, table, [day for day in dates if day not in alike])
    return [(day, check_day(counts.get(day, Counts()))) for day in dates]


def _sums_of_names(sums: Mapping[str, _Sums], names: Sequence[str]) -> _Sums:
    of_names = [sums[name] for name in names if name in sums]
    return sum(rows for rows, _ in of_names), sum(uuids for _, uuids in of_names)


def check_day(counts: Counts) -> Result:
    """Expect that no two rows have the same event_uuid."""
    return Result(
        passed=counts.is_unique,
        description=f"{counts.rows:,} rows, {counts.distinct:,} distinct event_uuid",
        metadata={"rows": counts.rows, "distinct_event_uuid": counts.distinct},
        faults={} if counts.is_unique else {Fault.REPEATED_UUIDS: counts.rows - counts.distinct + counts.missing},
    )


def _find(
    cache: OrderedDict[tuple[str, ...], T],
    find: Callable[[Snapshot, list[date]], Mapping[date, T]],
    table: Snapshot,
    dates: Sequence[date],
) -> dict[date, T]:
    """Return the figures of the dates that have rows: from the cache if their files are known, else from `find`."""
    files = {day: (table.table.uri, *paths) for day, paths in table.paths_by_date(dates).items()}
    sums = {day: day_sums for day in files if (day_sums := cache.get(files[day])) is not None}
    missing = [day for day in dates if day in files and day not in sums]
    sums |= find(table, missing) if missing else {}
    cache |= {files[day]: figures for day, figures in sums.items()}
    while len(cache) > _DAYS_KEPT:
        cache.popitem(last=False)
    return sums


def _sums_by_name(deduplicated: Snapshot, dates: list[date]) -> dict[date, dict[str, _Sums]]:
    """Return the sums of each date by event name."""
    figures = read_figure(deduplicated.table, deduplicated.files(dates), NAMES)
    by_date: dict[date, dict[str, _Sums]] = {day: {} for day in dates}
    sums = figures.group_by("created_date", "event_name").agg(pl.col("rows", "uuids").sum())
    for day, name, rows, uuids in sums.iter_rows():
        by_date[day][name] = rows, uuids
    return by_date


def _count_dates(table: Snapshot, dates: list[date]) -> dict[date, Counts]:
    counts = {day: Counts(rows, rows) for day in dates if (rows := _unique_keys(table, day))}
    uncounted = [day for day in dates if day not in counts]
    groups = group_dates(table, uncounted, _ROWS_AT_ONCE) if uncounted else ()
    for some in groups:
        with _COUNTING:
            counts |= _count(table.scan(some))
    return counts


def _unique_keys(table: Snapshot, day: date) -> int:
    """Return the number of rows of a day by the keys in its files; 0 if a key is missing or repeated."""
    files = table.files([day])
    uniques = use_keys(table.table, files, lambda keys: keys)
    if not files or any(len(uniques.get(file.path, ())) != file.rows for file in files):
        return 0
    keys = pl.concat(uniques.values()).sort(multithreaded=False)
    return 0 if _has_repeats(keys) else len(keys)


def _has_repeats(ordered: pl.Series) -> bool:
    return bool((ordered == ordered.shift()).any())


def _count(rows: pl.LazyFrame) -> dict[date, Counts]:
    """Return rows, distinct uuids and missing ones of each date."""
    keyed = rows.select("created_date", key=_KEY, missing=pl.col("event_uuid").is_null()).collect(engine="streaming")
    # A sort takes a fraction of the memory of a set, and in one thread half of the CPU time of several.
    keys = keyed["key"].sort(multithreaded=False)
    if not keyed["missing"].any() and not _has_repeats(keys):
        return {day: Counts(count, count) for day, count in keyed["created_date"].value_counts().iter_rows()}
    uuid = pl.col("event_uuid")
    exact = rows.group_by("created_date").agg(pl.len(), distinct=uuid.n_unique(), missing=uuid.null_count()).collect()
    return {day: Counts(*counts) for day, *counts in exact.iter_rows()}
