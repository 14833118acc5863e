"""raw_events → deduplicated_events and duplicate_events, by partitions of created_date.

A verdict depends only on earlier arrivals. So if a partition was built before, only its new records are judged and
appended. It is rebuilt if rows were removed, a late arrival changes the verdict on an old record, the window has
changed, the tables are not as the platform left them, or a rebuild is requested.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from event_platform.events.deduplication import find_duplicates
from event_platform.events.figures import KINDS
from event_platform.lake.balance import count_by_day
from event_platform.lake.changes import added_since_version
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.files import DataFile, in_batches
from event_platform.lake.foreign import altered_dates
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import CommitResult, TableCommit, adds_of
from event_platform.pipeline.compaction.step import compact
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.cpu_time import add_step_time
from event_platform.pipeline.deduplication.candidates import (
    NO_CANDIDATES,
    SharedKeys,
    candidates_in,
    history_of,
    may_hold,
    may_share,
    new_shared_keys,
    new_verdicts,
    shared_keys,
    shared_keys_in_range,
    shared_of,
    spread_keys,
)
from event_platform.pipeline.deduplication.tasks import Split, rows_per_task, split_files
from event_platform.pipeline.fingerprint import build_fingerprint


@dataclass(frozen=True)
class DeduplicationReport:
    """The sound records of one created_date in the tables."""

    unique: int
    kinds: Counter[str]
    unique_commit: CommitResult
    duplicates_commit: CommitResult


class _Targets(NamedTuple):
    """The tables to write."""

    unique: Snapshot
    duplicates: Snapshot


@dataclass(frozen=True)
class _Work:
    """Partitions to write: the files with their records, and the duplicates among these."""

    dates: list[date]
    files: list[DataFile]
    losers: pl.DataFrame


def deduplicate(
    context: PipelineContext, dates: Sequence[date], window_days: int, *, rebuild: bool = False
) -> dict[date, DeduplicationReport]:
    """Bring the given created_dates up to date with raw_events. Returns a report for each.

    With `rebuild` all of them are rebuilt, also those that could be appended to.
    """
    return retry_on_conflict(lambda: _deduplicate(context, dates, window_days, rebuild=rebuild))


def _deduplicate(
    context: PipelineContext, dates: Sequence[date], window_days: int, *, rebuild: bool
) -> dict[date, DeduplicationReport]:
    lake = context.lake
    # The targets are pinned before the source, so that a faster run with newer records is a conflict and not
    # overwritten.
    targets = _Targets(lake.deduplicated_events.snapshot_to_write(), lake.duplicate_events.snapshot_to_write())
    raw, fingerprint = lake.raw_events.snapshot(), build_fingerprint(window_days)
    appends = [
        work
        for version, days in _appendable(targets, [] if rebuild else dates, fingerprint, raw.version).items()
        if (work := _new_records(context, raw, version, days, window_days)) is not None
    ]
    appended_days = [day for work in appends for day in work.dates]
    rebuilt_days = [day for day in dates if day not in appended_days]
    works = [*appends, *([_all_records(context, raw, rebuilt_days, window_days)] if rebuilt_days else [])]
    splits = _split(context, targets, works)
    versions = dict.fromkeys(dates, raw.version)
    compactions = compact(
        context, {"duplicates": (targets.duplicates, appended_days), "unique": (targets.unique, appended_days)}
    )

    def commit(
        target: Snapshot,
        adds: list[AddAction],
        compaction: list[AddAction | RemoveAction],
        transactions: Mapping[str, int],
    ) -> dict[date, CommitResult]:
        changes = TableCommit(target, transactions=transactions)
        changes.rebuild(rebuilt_days, adds_of(rebuilt_days, adds), versions, fingerprint)
        return changes.append(appended_days, [*adds_of(appended_days, adds), *compaction], versions).commit()

    # deduplicated_events last: its source version records that the partition is done.
    adds = [add for each in splits for add in each.duplicates]
    duplicates = commit(targets.duplicates, adds, compactions["duplicates"], {})
    adds = [add for each in splits for add in each.unique]
    unique = commit(targets.unique, adds, compactions["unique"], add_step_time(targets.unique, dates, adds))
    kinds = _kinds(lake, dates)
    rows = lake.deduplicated_events.snapshot().rows_by_date(dates)
    return {day: DeduplicationReport(rows.get(day, 0), kinds[day], unique[day], duplicates[day]) for day in dates}


def _split(context: PipelineContext, targets: _Targets, works: Sequence[_Work]) -> list[Split]:
    lake = context.lake.to_write(*targets)
    tasks = [
        (lake, context.sizing, batch, work.dates, _losers_in(batch, work.losers))
        for work in works
        for batch in in_batches(_in_order(work.files), rows_per_task(work.files, context.sizing))
    ]
    rows = sum(file.rows for work in works for file in work.files)
    return context.run_tasks(split_files, tasks, "deduplicated_events", small=context.is_small(rows))


def _in_order(files: Sequence[DataFile]) -> list[DataFile]:
    return sorted(files, key=lambda file: str(file.minimum["source_object"]))


def _losers_in(files: Sequence[DataFile], losers: pl.DataFrame) -> pl.DataFrame:
    """Return the losers that may be in some files, by the names of objects: all of them to each task is quadratic."""
    first = min(file.minimum["source_object"] for file in files)
    last = max(file.maximum["source_object"] for file in files)
    return losers.filter(pl.col("source_object").is_between(pl.lit(first), pl.lit(last)))


def _appendable(targets: _Targets, dates: Sequence[date], fingerprint: int, version: int) -> dict[int, list[date]]:
    """Return the partitions that lack at most new records, by the version of raw_events that they were built from."""
    by_version: dict[int, list[date]] = {}
    for day in dates:
        # Of two commits one may be missing: the run was killed in between.
        state, other_state = ((table.source_version(day), table.build_fingerprint(day)) for table in targets)
        source_version, built_with = state
        if (
            source_version is not None
            and source_version < version
            and built_with == fingerprint
            and state == other_state
        ):
            by_version.setdefault(source_version, []).append(day)
    altered_days = {day for table in targets for day in altered_dates(table, list(chain(*by_version.values())))}
    intact = {version: [day for day in days if day not in altered_days] for version, days in by_version.items()}
    return {version: days for version, days in intact.items() if days}


def _new_records(
    context: PipelineContext, raw: Snapshot, version: int, dates: list[date], window_days: int
) -> _Work | None:
    """Return the work for the records added since `version` of raw_events.

    None if verdicts on older records may have changed, or most records are new: then the partitions are rebuilt.
    """
    new_paths = added_since_version(raw, version)
    if new_paths is None:
        return None
    files = raw.files()
    new_files = [file for file in files if file.path in new_paths and file.minimum.get("created_date") is not None]
    old_files = [file for file in files if file.path not in new_paths]
    new_of_dates, old_of_dates = _files_of_dates(new_files, dates), _files_of_dates(old_files, dates)
    last_old_object = max(((file.partition, file.maximum["source_object"]) for file in old_of_dates), default=None)
    early_files = [
        file
        for file in new_files
        if last_old_object is not None and (file.partition, file.minimum["source_object"]) <= last_old_object
    ]
    if sum(file.rows for file in new_of_dates) > min(
        context.sizing.rows_per_search, sum(file.rows for file in old_of_dates)
    ):
        return None
    history = history_of(old_files, [*new_of_dates, *(old_of_dates if early_files else [])], window_days)
    earlier_files = may_share(list({file.path: file for file in [*history, *old_of_dates]}.values()), new_files)
    (shared,) = context.run_tasks(
        new_shared_keys, [(context.lake, dates, new_files, early_files, earlier_files)], "duplicates"
    )
    old_candidates = _candidates(context, shared.other_files, shared)
    new_candidates = _candidates(context, new_files, shared)
    losers = new_verdicts(dates, old_candidates, new_candidates, window_days)
    return None if losers is None else _Work(dates, new_of_dates, losers)


def _all_records(context: PipelineContext, raw: Snapshot, dates: list[date], window_days: int) -> _Work:
    """Return the work on all records of some partitions."""
    files = raw.files()
    files_of_dates = _files_of_dates(files, dates)
    paths = {file.path for file in files_of_dates}
    other_files = may_share(
        [file for file in history_of(files, files_of_dates, window_days) if file.path not in paths], files_of_dates
    )
    searches = math.ceil(sum(file.rows for file in files_of_dates) / context.sizing.rows_per_search)
    if searches > 1:
        shared = _search_in_parts(context, dates, files_of_dates, other_files, searches)
    else:
        (shared,) = context.run_tasks(shared_keys, [(context.lake, dates, files_of_dates, other_files)], "duplicates")
    candidates = _candidates(context, [*files_of_dates, *shared.other_files], shared)
    return _Work(dates, files_of_dates, find_duplicates(candidates, dates, window_days))


def _search_in_parts(
    context: PipelineContext,
    dates: list[date],
    files_of_dates: list[DataFile],
    other_files: list[DataFile],
    searches: int,
) -> SharedKeys:
    """Do the same as `shared_keys` for more keys than fit in one task. Every file is still read only once."""
    numbered_files = dict(enumerate([*files_of_dates, *other_files]))
    batches = in_batches(numbered_files.values(), context.sizing.rows_per_spread)
    lake = context.lake
    with lake.storage.scratch() as folder:
        ends = [0, *accumulate(map(len, batches))]
        spreads = [
            (lake, f"{folder}/{first}.parquet", dates, {n: numbered_files[n] for n in range(first, end)}, searches)
            for first, end in pairwise(ends)
        ]
        addresses = context.run_tasks(spread_keys, spreads, "keys")
        tasks = [(lake, addresses, search, searches) for search in range(searches)]
        results = context.run_tasks(shared_keys_in_range, tasks, "duplicates")
    return shared_of(results, numbered_files, other_files)


def _candidates(context: PipelineContext, files: list[DataFile], shared: SharedKeys) -> pl.DataFrame:
    batches = [(batch, shared.keys_in(batch)) for batch in in_batches(files, rows_per_task(files, context.sizing))]
    tasks = [(context.lake, context.sizing, batch, keys) for batch, keys in batches if len(keys)]
    return pl.concat([NO_CANDIDATES, *context.run_tasks(candidates_in, tasks, "duplicates")])


def _files_of_dates(files: Collection[DataFile], dates: Sequence[date]) -> list[DataFile]:
    ordered_dates = sorted(dates)
    return [file for file in files if may_hold(file, ordered_dates)]


def _kinds(lake: Lake, dates: Sequence[date]) -> dict[date, Counter[str]]:
    """Count the duplicates of each day by kind."""
    kinds = count_by_day(lake.duplicate_events.snapshot(), dates, KINDS)
    return {day: Counter(kinds.get(day, {})) for day in dates}
