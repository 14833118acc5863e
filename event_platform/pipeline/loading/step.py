"""Landing → raw_events: what is new or changed, each object once, all in one commit."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import chain
from typing import Any

import polars as pl
from deltalake.transaction import AddAction

from event_platform.compute.tasks import Parts, Progress, run_tasks
from event_platform.events.errors import UnreadableError, WorkerError
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.files import DataFile, Written, scan_files
from event_platform.lake.foreign import altered_dates, damaged_files
from event_platform.lake.lake import RAW_SCHEMA, Lake
from event_platform.lake.ledger import Delivery, deliveries, empty_object_id
from event_platform.lake.tables import Snapshot, added_file, remove_action
from event_platform.landing.landing import LandedObject
from event_platform.pipeline.compaction.step import compacted
from event_platform.pipeline.loading.tasks import (
    LeftOut,
    Loaded,
    Loading,
    batches,
    drop_objects,
    is_large,
    load_objects,
    task_size,
)

#: Objects that an error names.
_TOLD = 5


@dataclass
class RawReport:
    """What loading did for one arrival date."""

    written: Written
    objects: int = 0  # read now
    known_objects: int = 0  # in the ledger already
    replaced_objects: int = 0  # read now because they changed
    bytes_read: int = 0
    records: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    created_dates: set[date] = field(default_factory=set)  # whose downstream partitions are due
    unreadable: list[LeftOut] = field(default_factory=list)  # objects that are left out, and stay due
    altered: str = ""  # why the day was loaded again, where it was not as the platform left it


def load(
    lake: Lake,
    loading: Loading,
    dates: Sequence[date],
    window_days: int,
    executor: Executor,
    progress: Progress,
    *,
    replay: bool = False,
) -> dict[date, RawReport]:
    """Bring raw_events up to date with landing for the arrival dates given. Returns a report for each.

    A `replay` reads what is known as well, as the rules are now; so are days that are not as the platform left them.
    Rows of objects that landing has no more stay.
    Objects that cannot be read do not stop the others: see `raise_unreadable`, which is to be called in the end.
    """
    return retry_on_conflict(lambda: _load(lake, loading, dates, window_days, executor, progress, replay=replay))


def _load(
    lake: Lake,
    loading: Loading,
    dates: Sequence[date],
    window_days: int,
    executor: Executor,
    progress: Progress,
    *,
    replay: bool,
) -> dict[date, RawReport]:
    snapshot = lake.raw_events.snapshot_to_write()
    delivery = deliveries(snapshot, loading.landing, dates)
    altered = altered_dates(snapshot, dates)
    damaged = [each.file for each in damaged_files(snapshot, altered)] if altered else []
    again = [landed for landed in delivery.known if replay or landed.arrival_date in altered]
    known = [landed for landed in delivery.known if not (replay or landed.arrival_date in altered)]
    delivery = replace(delivery, due=[*delivery.due, *again], changed=[*delivery.changed, *again], known=known)
    loaded = _loaded(loading, delivery.due, dates, executor, progress)
    delivery = _without_unreadable(delivery, loaded)
    reports = _reports(dates, delivery, snapshot)
    for result in loaded:
        reports[result.arrival_date].unreadable.extend(result.unreadable.values())
    for day, reason in altered.items():
        reports[day].altered = reason
    # A folder may hold objects of any day: none of them is known to be complete.
    for day in sorted(dates)[:1]:
        reports[day].unreadable.extend(delivery.omissions.faults.values())
    if not delivery.due and not altered:
        return reports
    for result in loaded:
        _add(reports[result.arrival_date], result)
    stale, kept = _without_changed(lake, snapshot, delivery.changed, damaged, executor, progress)
    adds = [add for result in loaded for add in result.adds]
    touched = _touched(lake, snapshot, delivery.changed, stale, damaged, adds, window_days)
    for created_date, arrival_date in [*touched, *_lost(damaged)]:
        reports[arrival_date].created_dates.add(created_date)
    due = sorted({*altered, *(landed.arrival_date for landed in delivery.due)})
    # Where an object changed, files of its day change places anyway.
    growing = set(due) - {landed.arrival_date for landed in delivery.changed} - altered.keys()
    moved = compacted({"raw_events": (snapshot, growing)}, executor, progress)["raw_events"]
    written = snapshot.append(
        due,
        [*adds, *kept, *moved, *(remove_action(file, "arrival_date") for file in (*stale, *damaged))],
        {
            "arrival_dates": [day.isoformat() for day in due],
            "created_dates": sorted({day.isoformat() for report in reports.values() for day in report.created_dates}),
        },
        [empty_object_id(landed) for result in loaded for landed in result.empty_objects],
        [day for day in altered if not reports[day].unreadable],
    )
    for day in written:
        reports[day].written = written[day]
    return reports


def raise_unreadable(reports: Iterable[RawReport]) -> None:
    """Raise an error if there are objects that were left out: it names them, and what to do.

    It is an UnreadableError where one of them cannot be read: that may pass. The others make the program fail, or end
    the process that works on them.
    """
    errors = [error for report in reports for error in report.unreadable]
    if not errors:
        return
    more = f" And {len(errors) - _TOLD} more." if len(errors) > _TOLD else ""
    these = "this one stays" if len(errors) == 1 else f"these {len(errors)} stay"
    message = (
        f"{' '.join(map(str, errors[:_TOLD]))}{more} The other objects are loaded; {these} due, and the next run "
        "loads what can be read by then."
    )
    unreadable = [error for error in errors if isinstance(error, UnreadableError)]
    if not unreadable:
        raise type(errors[0])(message)
    raise UnreadableError(message, may_pass=any(error.may_pass for error in unreadable))


def _loaded(
    loading: Loading, due: Iterable[LandedObject], dates: Sequence[date], executor: Executor, progress: Progress
) -> list[Loaded]:
    by_date: dict[date, list[LandedObject]] = {day: [] for day in dates}
    for landed in due:
        by_date[landed.arrival_date].append(landed)
    size = task_size(landed for objects in by_date.values() for landed in objects)
    tasks = [(loading, batch) for objects in by_date.values() for batch in batches(objects, size)]
    large = any(is_large(batch) for _, batch in tasks)
    return run_tasks(executor, load_objects, tasks, progress, "raw_events", large=large, parts=_PARTS)


def _halves(loading: Loading, objects: list[LandedObject]) -> list[tuple[Any, ...]]:
    middle = len(objects) // 2
    return [(loading, objects[:middle]), (loading, objects[middle:])] if middle else []


def _left_out(task: tuple[Any, ...], error: WorkerError) -> Loaded:
    _, (landed,) = task
    return Loaded(landed.arrival_date, unreadable={landed.name: error})


_PARTS = Parts(_halves, _left_out)


def _without_unreadable(delivery: Delivery, loaded: Iterable[Loaded]) -> Delivery:
    """Leave out the objects that could not be read: what they held before stays."""
    names = {name for result in loaded for name in result.unreadable}
    due, changed = (
        [landed for landed in objects if landed.name not in names] for objects in (delivery.due, delivery.changed)
    )
    return replace(delivery, due=due, changed=changed)


def _reports(dates: Sequence[date], delivery: Delivery, snapshot: Snapshot) -> dict[date, RawReport]:
    due, known, changed = (
        Counter(landed.arrival_date for landed in objects)
        for objects in (delivery.due, delivery.known, delivery.changed)
    )
    nothing = Written(snapshot.version, snapshot.version)
    return {
        day: RawReport(nothing, objects=due[day], known_objects=known[day], replaced_objects=changed[day])
        for day in dates
    }


def _add(report: RawReport, result: Loaded) -> None:
    report.bytes_read += result.bytes_read
    report.records += result.records
    report.reasons.update(result.reasons)
    report.created_dates.update(result.created_dates)


def _without_changed(
    lake: Lake,
    snapshot: Snapshot,
    changed: list[LandedObject],
    damaged: Collection[DataFile],
    executor: Executor,
    progress: Progress,
) -> tuple[list[DataFile], list[AddAction]]:
    """Return the files that hold records of changed objects, and what takes their place without them.

    Files that are `damaged` cannot be read: nothing takes their place.
    """
    if not changed:
        return [], []
    names = [landed.name for landed in changed]
    files = snapshot.files({landed.arrival_date for landed in changed})
    stale = [
        file
        for file in files
        if file not in damaged
        and not _scan(lake, [file])
        .filter(pl.col("source_object").is_in(names))
        .select("source_object")
        .head(1)
        .collect()
        .is_empty()
    ]
    tasks = [(lake.storage, file, names) for file in stale]
    return stale, list(chain(*run_tasks(executor, drop_objects, tasks, progress, "replaced objects")))


def _touched(
    lake: Lake,
    snapshot: Snapshot,
    changed: list[LandedObject],
    stale: list[DataFile],
    damaged: Collection[DataFile],
    adds: list[AddAction],
    window_days: int,
) -> set[tuple[date, date]]:
    """Return the (created_date, arrival_date) whose verdicts the commit may change, beyond those of the new records.

    A record that arrives, or goes with the former content of a `changed` object, decides about those of its uuid
    that arrived after it: on a later day within the window, or on the same day in an object whose name sorts behind.
    Their created_dates are due as well.
    """
    names = [landed.name for landed in changed]
    came = [added_file(lake.raw_events, add) for add in adds]
    gone = _sound(lake, stale).filter(pl.col("source_object").is_in(names))
    touched = set(gone.select("created_date", "arrival_date").unique().collect().iter_rows())
    for arrival_date in {file.partition for file in [*came, *stale]}:
        own = [file for file in came if file.partition == arrival_date]
        first = min([file.minimum["source_object"] for file in own] + names)
        window = {arrival_date + timedelta(days=days) for days in range(window_days + 1)}
        later = [
            file
            for file in snapshot.files(window)
            # Of the same day only what may sort behind: new objects mostly come after old ones.
            if file not in damaged and (file.partition > arrival_date or file.maximum["source_object"] >= first)
        ]
        decisive = pl.concat([_sound(lake, own), gone.filter(pl.col("arrival_date") == arrival_date)])
        followers = (
            _sound(lake, later)
            .filter(~pl.col("source_object").is_in(names))
            .join(decisive, on="event_uuid", how="semi")
            .select(pl.col("created_date").unique())
        )
        days: Iterable[date] = followers.collect(engine="streaming").to_series() if later else []
        touched.update((day, arrival_date) for day in days)
    return touched


def _lost(damaged: Iterable[DataFile]) -> set[tuple[date, date]]:
    """Return the (created_date, arrival_date) that files held records of which cannot be read any more."""
    return {
        (first + timedelta(days=number), file.partition)
        for file in damaged
        if (first := file.minimum.get("created_date")) is not None
        for number in range((file.maximum["created_date"] - first).days + 1)
    }


def _sound(lake: Lake, files: list[DataFile]) -> pl.LazyFrame:
    return _scan(lake, files).filter(pl.col("corruption_reason").is_null())


def _scan(lake: Lake, files: list[DataFile]) -> pl.LazyFrame:
    return scan_files(files, RAW_SCHEMA, "arrival_date", lake.storage)
