"""raw_events → corrupt_events: the dead letters of an arrival date, with their reasons."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from itertools import chain

import polars as pl

from event_platform.events.figures import OBJECTS
from event_platform.lake.changes import added_since_version
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.file_figures import read_figure
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.foreign import altered_dates
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import CommitResult, TableCommit, adds_of

#: Number of files of a day from which on it is rebuilt instead of appended to: each file costs readers a request or
#: two.
_MOST_FILES = 4


@dataclass(frozen=True)
class CorruptReport:
    """The corrupt records of one arrival date, by reason."""

    reasons: Counter[str]
    commit_result: CommitResult


def quarantine_corrupt(lake: Lake, dates: Sequence[date]) -> dict[date, CorruptReport]:
    """Bring the given arrival dates of corrupt_events up to date with raw_events. Returns a report for each.

    A date with only new records is appended to, so the cost grows with the new records. Other dates are rebuilt,
    including unchanged ones: a request for these is a repair.
    """
    return retry_on_conflict(lambda: _quarantine_corrupt(lake, dates))


def _quarantine_corrupt(lake: Lake, dates: Sequence[date]) -> dict[date, CorruptReport]:
    target = lake.corrupt_events.snapshot_to_write()
    raw = lake.raw_events.snapshot()
    new_files = _appendable(target, raw, dates)
    corrupt_rows = _corrupt_rows(raw, target, chain(*new_files.values()), new_files)
    stored_reasons = _stored_reasons(target, new_files)
    appended_days = [
        day
        for day in stored_reasons
        if stored_reasons[day].total() + corrupt_rows[day].height == _expected_count(raw, day)
    ]
    rebuilt_days = [day for day in dates if day not in appended_days]
    corrupt_rows |= _corrupt_rows(raw, target, raw.files(rebuilt_days), rebuilt_days)
    adds = [write_file(part, target.table_to_write, day) for day, part in corrupt_rows.items() if part.height]
    versions = dict.fromkeys(dates, raw.version)
    changes = TableCommit(target).rebuild(rebuilt_days, adds_of(rebuilt_days, adds), versions)
    commit_results = changes.append(appended_days, adds_of(appended_days, adds), versions).commit()
    reasons = {day: _reasons(part.lazy(), [day])[day] for day, part in corrupt_rows.items()}
    reasons |= {day: stored_reasons[day] + reasons[day] for day in appended_days}
    return {day: CorruptReport(reasons[day], commit_results[day]) for day in dates}


def _appendable(target: Snapshot, raw: Snapshot, dates: Sequence[date]) -> dict[date, list[DataFile]]:
    """Return the dates that lack at most new records, each with its newer files of raw_events."""
    paths = target.paths_by_date(dates)
    short_dates = [day for day in dates if len(paths.get(day, ())) < _MOST_FILES]
    altered_days, new_files = altered_dates(target, short_dates), dict[date, list[DataFile]]()
    added_since = cache(partial(added_since_version, raw))
    for day in short_dates:
        version = target.source_version(day)
        new_paths = None if version is None or day in altered_days else added_since(version)
        if new_paths and (files := [file for file in raw.files([day]) if file.path in new_paths]):
            new_files[day] = files
    return new_files


def _stored_reasons(target: Snapshot, dates: Collection[date]) -> dict[date, Counter[str]]:
    """Return the reasons of the rows on some dates; empty if they cannot be read, so that they are rebuilt."""
    try:
        return _reasons(target.scan(dates), dates)
    except (OSError, pl.exceptions.PolarsError):
        return {}


def _expected_count(raw: Snapshot, day: date) -> int:
    """Return the corrupt records of a date, as the figures of raw_events say."""
    counts = read_figure(raw.table, raw.files([day]), OBJECTS, raw.schema)
    return int(counts.select(pl.col("landed").sum() - pl.col("sound").sum()).item())


def _corrupt_rows(
    raw: Snapshot, target: Snapshot, files: Iterable[DataFile], dates: Collection[date]
) -> dict[date, pl.DataFrame]:
    if not dates:
        return {}
    corrupt = (
        scan_files(raw.table, list(files), raw.schema)
        .filter(pl.col("corruption_reason").is_not_null())
        .select(target.table.schema.names())
        .collect(engine="streaming")
        .sort("source_object", "source_offset")
    )
    return {day: corrupt.filter(pl.col("arrival_date") == day) for day in dates}


def _reasons(corrupt: pl.LazyFrame, dates: Iterable[date]) -> dict[date, Counter[str]]:
    reasons = {day: Counter[str]() for day in dates}
    counts = corrupt.group_by("arrival_date", "corruption_reason").agg(pl.len()).collect(engine="streaming")
    for day, reason, count in counts.iter_rows():
        reasons[day][reason] = count
    return reasons
