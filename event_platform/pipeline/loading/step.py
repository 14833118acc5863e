"""Landing → raw_events: new or changed objects, each once, all in one commit."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date
from itertools import chain, filterfalse
from typing import Any

import polars as pl
from deltalake.transaction import AddAction

from event_platform.compute.tasks import TaskSplit
from event_platform.events.errors import WorkerError
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.files import DataFile, added_file, remove_action, scan_files
from event_platform.lake.foreign import altered_dates, damaged_files
from event_platform.lake.lake import Lake
from event_platform.lake.ledger import Delivery, deliveries, empty_object_id
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import CommitResult, TableCommit
from event_platform.landing.landing import LandedObject
from event_platform.pipeline.compaction.step import compact
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.cpu_time import add_step_time
from event_platform.pipeline.loading.changed_dates import changed_dates, lost_dates
from event_platform.pipeline.loading.mending import mend_transactions, objects_to_mend
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.record_writer import LoadResult
from event_platform.pipeline.loading.report import RawReport
from event_platform.pipeline.loading.tasks import batches, batches_per_task, drop_objects, is_large, load_objects
from event_platform.pipeline.sizing import Sizing


def load(
    context: PipelineContext,
    source: ObjectSource,
    dates: Sequence[date],
    window_days: int,
    *,
    replay: bool = False,
    mend: bool = False,
) -> dict[date, RawReport]:
    """Bring raw_events up to date with landing for the given arrival dates. Returns a report for each.

    A `replay` reloads objects with the present rules, and so are days that are not as the platform left them. `mend`
    reloads the objects whose records would go to other functions now: see `mending`. Rows of objects that are no longer
    in landing stay. Unreadable objects do not stop the others: call `report.raise_unreadable` at the end.
    """
    return retry_on_conflict(lambda: _load(context, source, dates, window_days, replay=replay, mend=mend))


@dataclass(frozen=True)
class _Plan:
    """The objects to load on top of a snapshot of raw_events."""

    snapshot: Snapshot
    delivery: Delivery
    altered_days: dict[date, str]  # days that are loaded again, and why
    unreadable_files: list[DataFile]  # files of altered days that cannot be read
    to_mend: Mapping[str, date]  # objects that are reloaded for mending
    is_reload: bool  # a replay or a mending: objects are loaded with the present rules and functions


def _load(
    context: PipelineContext,
    source: ObjectSource,
    dates: Sequence[date],
    window_days: int,
    *,
    replay: bool,
    mend: bool,
) -> dict[date, RawReport]:
    plan = _plan(context.lake, source, dates, replay=replay, mend=mend)
    results = _load_objects(context, source, plan, dates)
    plan = replace(plan, delivery=_without_unreadable(plan.delivery, results))
    reports = _reports(plan, results, dates)
    if plan.delivery.due or plan.altered_days or plan.to_mend:
        commit_results = _commit(context, plan, results, reports, window_days, source)
        for day, commit_result in commit_results.items():
            reports[day].commit_result = commit_result
    return reports


def _plan(lake: Lake, source: ObjectSource, dates: Sequence[date], *, replay: bool, mend: bool) -> _Plan:
    snapshot = lake.raw_events.snapshot_to_write()
    delivery = deliveries(snapshot, source.landing, dates)
    altered_days = altered_dates(snapshot, dates)
    unreadable_files = [each.file for each in damaged_files(snapshot, altered_days)] if altered_days else []
    intact = [day for day in dates if day not in altered_days]
    to_mend = objects_to_mend(snapshot, source.mending, intact) if mend else {}

    def must_reload(landed_object: LandedObject) -> bool:
        return replay or landed_object.arrival_date in altered_days or landed_object.name in to_mend

    objects_to_reload = list(filter(must_reload, delivery.loaded))
    objects_to_keep = list(filterfalse(must_reload, delivery.loaded))
    delivery = replace(
        delivery,
        due=[*delivery.due, *objects_to_reload],
        changed=[*delivery.changed, *objects_to_reload],
        loaded=objects_to_keep,
    )
    return _Plan(snapshot, delivery, altered_days, unreadable_files, to_mend, replay or mend)


def _commit(
    context: PipelineContext,
    plan: _Plan,
    results: Sequence[LoadResult],
    reports: dict[date, RawReport],
    window_days: int,
    source: ObjectSource,
) -> dict[date, CommitResult]:
    """Commit the loaded records and the due created_dates downstream, which are added to the reports."""
    snapshot, changed_objects, zone = plan.snapshot, plan.delivery.changed, source.landing.zone
    stale_files, replacement_adds = _rewrite_stale_files(context, plan)
    adds = [add for result in results for add in result.adds]
    new_files = [added_file(snapshot.table, add) for add in adds]
    for created_date, arrival_date in [
        *changed_dates(
            snapshot,
            new_files,
            stale_files,
            [landed_object.name for landed_object in changed_objects],
            plan.unreadable_files,
            window_days,
        ),
        *lost_dates(plan.unreadable_files),
    ]:
        reports[arrival_date].created_dates.add(created_date)
    due = sorted(
        {
            *plan.altered_days,
            *plan.to_mend.values(),
            *(landed_object.arrival_date for landed_object in plan.delivery.due),
        }
    )
    # If an object changed, files of its day are replaced anyway.
    appended_days = (
        set(due) - {landed_object.arrival_date for landed_object in changed_objects} - plan.altered_days.keys()
    )
    compaction = compact(context, {"raw_events": (snapshot, appended_days)})["raw_events"]
    removes = [remove_action(snapshot.table, file) for file in (*stale_files, *plan.unreadable_files)]
    created_dates = {day.isoformat() for report in reports.values() for day in report.created_dates}
    empty = [empty_object_id(landed_object) for result in results for landed_object in result.empty_objects]
    metadata = {"arrival_dates": [day.isoformat() for day in due], "created_dates": sorted(created_dates)}
    if zone is not UTC:  # then the ledger asks for objects of other days as well
        metadata["landing_timezone"] = [str(zone)]
    complete_days = [day for day in due if (plan.is_reload or day in plan.altered_days) and not reports[day].unreadable]
    transactions = dict.fromkeys(empty, 1) | mend_transactions(snapshot, source.mending, due, complete_days)
    commit = TableCommit(snapshot, metadata, transactions | add_step_time(snapshot, due, adds))
    return commit.append(
        due,
        [*adds, *replacement_adds, *compaction, *removes],
        dict.fromkeys(due, snapshot.version + 1),
        restored=[day for day in plan.altered_days if not reports[day].unreadable],
    ).commit()


def _load_objects(
    context: PipelineContext, source: ObjectSource, plan: _Plan, dates: Sequence[date]
) -> list[LoadResult]:
    by_date: dict[date, list[LandedObject]] = {day: [] for day in dates}
    for landed_object in plan.delivery.due:
        by_date[landed_object.arrival_date].append(landed_object)
    sizing = context.sizing
    weight = batches_per_task((landed_object for objects in by_date.values() for landed_object in objects), sizing)
    groups = [batch for objects in by_date.values() for batch in batches(objects, sizing, weight)]
    lake = context.lake.to_write(plan.snapshot)
    tasks = [(lake, source, sizing, objects) for objects in groups]
    large = is_large((landed_object for objects in groups for landed_object in objects), sizing)
    return context.run_tasks(load_objects, tasks, "raw_events", small=not large, large=large, split=_TASK_SPLIT)


def _halves(lake: Lake, source: ObjectSource, sizing: Sizing, objects: list[LandedObject]) -> list[tuple[Any, ...]]:
    middle = len(objects) // 2
    return [(lake, source, sizing, half) for half in (objects[:middle], objects[middle:])] if middle else []


def _unreadable_result(task: tuple[Any, ...], error: WorkerError) -> LoadResult:
    *_, (landed_object,) = task
    return LoadResult(landed_object.arrival_date, unreadable={landed_object.name: error})


_TASK_SPLIT = TaskSplit(_halves, _unreadable_result)


def _without_unreadable(delivery: Delivery, results: Iterable[LoadResult]) -> Delivery:
    """Remove the objects that could not be read: their former rows stay."""
    names = {name for result in results for name in result.unreadable}
    due, changed = (
        [landed_object for landed_object in objects if landed_object.name not in names]
        for objects in (delivery.due, delivery.changed)
    )
    return replace(delivery, due=due, changed=changed)


def _reports(plan: _Plan, results: Collection[LoadResult], dates: Sequence[date]) -> dict[date, RawReport]:
    delivery, version = plan.delivery, plan.snapshot.version
    present_names = {landed_object.name for landed_object in delivery.due} | {
        name for result in results for name in result.unreadable
    }
    missing_counts = Counter(day for name, day in plan.to_mend.items() if name not in present_names)
    due_counts, known_counts, changed_counts = (
        Counter(landed_object.arrival_date for landed_object in objects)
        for objects in (delivery.due, delivery.loaded, delivery.changed)
    )
    reports = {
        day: RawReport(
            CommitResult(version, version),
            objects=due_counts[day],
            known_objects=known_counts[day],
            replaced_objects=changed_counts[day],
            altered_reason=plan.altered_days.get(day, ""),
            unmended_objects=missing_counts[day],
        )
        for day in dates
    }
    for result in results:
        reports[result.arrival_date].add(result)
    # A folder that cannot be listed may contain objects of any day. The fault is reported once, with the first day.
    for day in sorted(dates)[:1]:
        reports[day].unreadable.extend(delivery.omissions.faults.values())
    return reports


def _rewrite_stale_files(context: PipelineContext, plan: _Plan) -> tuple[list[DataFile], list[AddAction]]:
    """Return the files with records of changed objects, and their replacements without these records.

    Damaged files cannot be read, so they are not replaced.
    """
    changed_objects = plan.delivery.changed
    if not changed_objects:
        return [], []
    names = [landed_object.name for landed_object in changed_objects]
    files = plan.snapshot.files({landed_object.arrival_date for landed_object in changed_objects})
    stale_files = [
        file for file in files if file not in plan.unreadable_files and _holds_one_of(names, file, plan.snapshot)
    ]
    lake = context.lake.to_write(plan.snapshot)
    tasks = [(lake, file, names) for file in stale_files]
    return stale_files, list(chain(*context.run_tasks(drop_objects, tasks, "replaced objects")))


def _holds_one_of(names: Collection[str], file: DataFile, snapshot: Snapshot) -> bool:
    objects = scan_files(snapshot.table, [file]).select("source_object")
    return not objects.filter(pl.col("source_object").is_in(list(names))).head(1).collect().is_empty()
