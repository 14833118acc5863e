"""raw_events → deduplicated_events and duplicate_events, partition by partition of created_date."""

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from event_platform.lake.files import DataFile, Written, in_batches
from event_platform.lake.lake import Lake
from event_platform.steps.running import Progress, run_tasks, until_no_conflict
from event_platform.tasks.deduplicated import (
    ROWS_PER_SEARCH,
    ROWS_PER_TASK,
    duplicates_of,
    history_of,
    may_hold,
    split_files,
)


@dataclass
class DeduplicationReport:
    """What became of the sound records of one created_date."""

    unique: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unique_written: Written = field(init=False)
    duplicates_written: Written = field(init=False)


def deduplicate(
    lake: Lake, dates: Sequence[date], window_days: int, executor: Executor, progress: Progress
) -> dict[date, DeduplicationReport]:
    """Rebuild the created_dates given from raw_events as it is now. Returns a report for each."""
    return until_no_conflict(lambda: _deduplicate(lake, dates, window_days, executor, progress))


def _deduplicate(
    lake: Lake, dates: Sequence[date], window_days: int, executor: Executor, progress: Progress
) -> dict[date, DeduplicationReport]:
    # The targets are pinned before the source: a faster run with newer records is then a conflict, never overwritten.
    unique, duplicates = lake.deduplicated_events.snapshot_to_write(), lake.duplicate_events.snapshot_to_write()
    raw = lake.raw_events.snapshot()
    files = raw.files()
    own = [file for file in files if any(may_hold(file, day) for day in dates)]
    history = history_of(files, own, window_days)
    buckets = math.ceil(sum(file.rows for file in history) / ROWS_PER_SEARCH)
    searches = [(lake.storage, list(dates), history, window_days, bucket, buckets) for bucket in range(buckets)]
    found = run_tasks(executor, duplicates_of, searches, progress, "duplicates")
    losers = pl.concat(found) if found else pl.DataFrame()
    batches = in_batches(sorted(own, key=lambda file: file.minimum["source_object"]), ROWS_PER_TASK)
    tasks = [(lake.storage, batch, list(dates), _among(losers, batch)) for batch in batches]
    reports = {day: DeduplicationReport() for day in dates}
    splits = run_tasks(executor, split_files, tasks, progress, "deduplicated_events")
    for split in splits:
        for day, rows in split.unique_rows.items():
            reports[day].unique += rows
        for (day, kind), rows in split.kinds.items():
            reports[day].kinds[kind] += rows
    marks = dict.fromkeys(dates, raw.version)
    # deduplicated_events last: its mark says that the partition is done.
    dead = duplicates.replace(
        dates, [add for each in splits for adds in each.duplicates.values() for add in adds], marks
    )
    sound = unique.replace(dates, [add for each in splits for adds in each.unique.values() for add in adds], marks)
    for day, report in reports.items():
        report.unique_written, report.duplicates_written = sound[day], dead[day]
    return reports


def _among(losers: pl.DataFrame, files: Sequence[DataFile]) -> pl.DataFrame:
    """Return the losers that may be in some files, by the names of objects: all of them to each task is quadratic."""
    first = min(file.minimum["source_object"] for file in files)
    last = max(file.maximum["source_object"] for file in files)
    return losers.filter(pl.col("source_object").is_between(pl.lit(first), pl.lit(last)))
