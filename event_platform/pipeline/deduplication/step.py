"""raw_events → deduplicated_events and duplicate_events, partition by partition of created_date.

A verdict depends only on what arrived before. So of a partition that was built already only the records that came
since are judged, and their files added. It is rebuilt where that is not so: where rows went, something that arrived
late took an old record's verdict, the window is another one, the tables are not as the platform left them, or somebody
asks for it again.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, chain, pairwise

import polars as pl

from event_platform.compute.tasks import Progress, run_tasks
from event_platform.events.deduplication import find_duplicates
from event_platform.lake.changes import added_since_version
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.files import DataFile, Written, in_batches
from event_platform.lake.foreign import altered_dates
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Snapshot
from event_platform.pipeline.compaction.step import compacted
from event_platform.pipeline.deduplication.candidates import (
    NO_CANDIDATES,
    ROWS_PER_SEARCH,
    ROWS_PER_SPREAD,
    Shared,
    candidates_in,
    history_of,
    keys_that_came,
    may_hold,
    shared_in_part,
    shared_keys,
    shared_of,
    spread_keys,
    verdicts_that_came,
)
from event_platform.pipeline.deduplication.tasks import split_files, task_rows
from event_platform.pipeline.fingerprint import rules_number


@dataclass(frozen=True)
class DeduplicationReport:
    """What became of the sound records of one created_date: all that the tables hold of it now."""

    unique: int
    kinds: Counter[str]
    unique_written: Written
    duplicates_written: Written


@dataclass(frozen=True)
class _Work:
    """Partitions, the files with the records of theirs that are to be written, and which of these are duplicates."""

    dates: list[date]
    files: list[DataFile]
    losers: pl.DataFrame


def deduplicate(
    lake: Lake,
    dates: Sequence[date],
    window_days: int,
    executor: Executor,
    progress: Progress,
    *,
    rebuild: bool = False,
) -> dict[date, DeduplicationReport]:
    """Bring the created_dates given up to date with raw_events as it is now. Returns a report for each.

    With `rebuild` all of them are built whole, where they might grow as well.
    """
    return retry_on_conflict(lambda: _deduplicate(lake, dates, window_days, executor, progress, rebuild=rebuild))


def _deduplicate(
    lake: Lake, dates: Sequence[date], window_days: int, executor: Executor, progress: Progress, *, rebuild: bool
) -> dict[date, DeduplicationReport]:
    # The targets are pinned before the source: a faster run with newer records is then a conflict, never overwritten.
    unique, duplicates = lake.deduplicated_events.snapshot_to_write(), lake.duplicate_events.snapshot_to_write()
    raw, rules = lake.raw_events.snapshot(), rules_number(window_days)
    growing = _by_mark(unique, duplicates, [] if rebuild else dates, rules, raw.version)
    grown = [
        work
        for mark, days in growing.items()
        if (work := _what_came(lake, raw, mark, days, window_days, executor, progress)) is not None
    ]
    more = [day for work in grown for day in work.dates]
    rest = [day for day in dates if day not in more]
    works = [*grown, *([_everything(lake, raw, rest, window_days, executor, progress)] if rest else [])]
    tasks = [
        (lake.storage, batch, work.dates, _losers_in(batch, work.losers))
        for work in works
        for batch in in_batches(_in_order(work.files), task_rows(work.files))
    ]
    splits = run_tasks(executor, split_files, tasks, progress, "deduplicated_events")
    marks = dict.fromkeys(dates, raw.version)
    dead = [add for split in splits for add in split.duplicates]
    sound = [add for split in splits for add in split.unique]
    moved = compacted({"dead": (duplicates, more), "sound": (unique, more)}, executor, progress)
    # deduplicated_events last: its mark says that the partition is done.
    duplicates_written = duplicates.replace(rest, dead, marks, rules, more, moved["dead"])
    unique_written = unique.replace(rest, sound, marks, rules, more, moved["sound"])
    kinds = _kinds(lake, dates)
    rows = lake.deduplicated_events.snapshot().rows_by_date(dates)
    return {
        day: DeduplicationReport(rows.get(day, 0), kinds[day], unique_written[day], duplicates_written[day])
        for day in dates
    }


def _in_order(files: Sequence[DataFile]) -> list[DataFile]:
    return sorted(files, key=lambda file: str(file.minimum["source_object"]))


def _losers_in(files: Sequence[DataFile], losers: pl.DataFrame) -> pl.DataFrame:
    """Return the losers that may be in some files, by the names of objects: all of them to each task is quadratic."""
    first = min(file.minimum["source_object"] for file in files)
    last = max(file.maximum["source_object"] for file in files)
    return losers.filter(pl.col("source_object").is_between(pl.lit(first), pl.lit(last)))


def _by_mark(
    unique: Snapshot, duplicates: Snapshot, dates: Sequence[date], rules: int, version: int
) -> dict[int, list[date]]:
    """Return the partitions that may only lack what came since, by the version of raw_events that they hold."""
    found: dict[int, list[date]] = {}
    for day in dates:
        # Of two commits one may be missing: the run was killed in between.
        state, other = ((table.built_from(day), table.made_with(day)) for table in (unique, duplicates))
        mark, made_with = state
        if mark is not None and mark < version and made_with == rules and state == other:
            found.setdefault(mark, []).append(day)
    altered = {day for table in (unique, duplicates) for day in altered_dates(table, list(chain(*found.values())))}
    intact = {mark: [day for day in days if day not in altered] for mark, days in found.items()}
    return {mark: days for mark, days in intact.items() if days}


def _what_came(
    lake: Lake,
    raw: Snapshot,
    mark: int,
    dates: list[date],
    window_days: int,
    executor: Executor,
    progress: Progress,
) -> _Work | None:
    """Return the work on what came since `mark`; None where verdicts of before may have changed, or most is new."""
    added = added_since_version(raw, mark)
    if added is None:
        return None
    files = raw.files()
    new = [file for file in files if file.path in added and file.minimum.get("created_date") is not None]
    old = [file for file in files if file.path not in added]
    own_new, own_old = _own(new, dates), _own(old, dates)
    last = max(((file.partition, file.maximum["source_object"]) for file in own_old), default=None)
    early = [file for file in new if last is not None and (file.partition, file.minimum["source_object"]) <= last]
    if sum(file.rows for file in own_new) > min(ROWS_PER_SEARCH, sum(file.rows for file in own_old)):
        return None
    history = history_of(old, [*own_new, *(own_old if early else [])], window_days)
    known = list({file.path: file for file in [*history, *own_old]}.values())
    search = [(lake.storage, dates, new, early, known)]
    (shared,) = run_tasks(executor, keys_that_came, search, progress, "duplicates")
    before = _candidates(lake, shared.others, shared, executor, progress)
    came = _candidates(lake, new, shared, executor, progress)
    losers = verdicts_that_came(dates, before, came, window_days)
    return None if losers is None else _Work(dates, own_new, losers)


def _everything(
    lake: Lake, raw: Snapshot, dates: list[date], window_days: int, executor: Executor, progress: Progress
) -> _Work:
    files = raw.files()
    own = _own(files, dates)
    paths = {file.path for file in own}
    others = [file for file in history_of(files, own, window_days) if file.path not in paths]
    searches = math.ceil(sum(file.rows for file in own) / ROWS_PER_SEARCH)
    if searches > 1:
        shared = _search_in_parts(lake, dates, own, others, searches, executor, progress)
    else:
        (shared,) = run_tasks(executor, shared_keys, [(lake.storage, dates, own, others)], progress, "duplicates")
    candidates = _candidates(lake, [*own, *shared.others], shared, executor, progress)
    return _Work(dates, own, find_duplicates(candidates, dates, window_days))


def _search_in_parts(
    lake: Lake,
    dates: list[date],
    own: list[DataFile],
    others: list[DataFile],
    searches: int,
    executor: Executor,
    progress: Progress,
) -> Shared:
    """Do what `shared_keys` does where there is too much for one task. Every file is read once all the same."""
    numbered = dict(enumerate([*own, *others]))
    batches = in_batches(numbered.values(), ROWS_PER_SPREAD)
    with lake.storage.scratch() as folder:
        ends = [0, *accumulate(map(len, batches))]
        spreads = [
            (lake.storage, f"{folder}/{first}.parquet", dates, {n: numbered[n] for n in range(first, end)}, searches)
            for first, end in pairwise(ends)
        ]
        addresses = run_tasks(executor, spread_keys, spreads, progress, "keys")
        parts = [(lake.storage, addresses, search, searches) for search in range(searches)]
        found = run_tasks(executor, shared_in_part, parts, progress, "duplicates")
    return shared_of(found, numbered, others)


def _candidates(
    lake: Lake, files: list[DataFile], shared: Shared, executor: Executor, progress: Progress
) -> pl.DataFrame:
    batches = [(batch, shared.keys_in(batch)) for batch in in_batches(files, task_rows(files))]
    tasks = [(lake.storage, batch, keys) for batch, keys in batches if len(keys)]
    return pl.concat([NO_CANDIDATES, *run_tasks(executor, candidates_in, tasks, progress, "duplicates")])


def _own(files: Collection[DataFile], dates: Sequence[date]) -> list[DataFile]:
    ordered = sorted(dates)
    return [file for file in files if may_hold(file, ordered)]


def _kinds(lake: Lake, dates: Sequence[date]) -> dict[date, Counter[str]]:
    """Count the duplicates of each day by kind."""
    kinds = {day: Counter[str]() for day in dates}
    duplicates = lake.duplicate_events.snapshot().scan(dates)
    counts = duplicates.group_by("created_date", "kind").agg(pl.len()).collect(engine="streaming")
    for day, kind, rows in counts.iter_rows():
        kinds[day][kind] += rows
    return kinds
