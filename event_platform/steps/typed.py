"""deduplicated_events → the event tables and unregistered_events, partition by partition of created_date."""

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date

from deltalake.transaction import AddAction

from event_platform.events.catalog import Catalog
from event_platform.events.errors import EventPlatformError, StorageError
from event_platform.lake.files import Written
from event_platform.lake.lake import Lake
from event_platform.lake.tables import ConflictError, Snapshot, Table, each_at_once
from event_platform.steps.running import Progress, run_tasks, until_no_conflict
from event_platform.tasks.typed import Typed, count_names, plan, type_events

#: The key under which the results of unregistered_events are reported; no event type can have it.
UNREGISTERED = ""


@dataclass
class TypedReport:
    """What became of one event type (or of the unregistered names): rows by created_date, or an error."""

    rows: dict[date, int]
    rescued: dict[date, int]
    error: str | None = None
    may_pass: bool = False  # the error is the storage's
    conflict: bool = False
    results: list[Typed] = field(default_factory=list)
    written: dict[date, Written] = field(default_factory=dict)


def type_all(
    lake: Lake,
    catalog: Catalog,
    keys: Collection[str],
    dates: Sequence[date],
    executor: Executor,
    progress: Progress,
) -> dict[str, TypedReport]:
    """Rebuild the created_dates given of some event tables (by key; UNREGISTERED for the rest of the names).

    One type's failure is in its report and leaves its table as it was; the others go on.
    """
    reports: dict[str, TypedReport] = {}

    def attempt() -> None:
        left = [key for key in keys if key not in reports or reports[key].conflict]
        reports.update(_type_some(lake, catalog, left, dates, executor, progress))
        lost = [key for key, report in reports.items() if report.conflict]
        if lost:
            raise ConflictError(f"{', '.join(lost)}: written by another run at the same time")

    until_no_conflict(attempt)
    return reports


def _type_some(
    lake: Lake,
    catalog: Catalog,
    keys: Collection[str],
    dates: Sequence[date],
    executor: Executor,
    progress: Progress,
) -> dict[str, TypedReport]:
    reports = {key: TypedReport(dict.fromkeys(dates, 0), dict.fromkeys(dates, 0)) for key in keys}
    tables = {
        key: lake.unregistered_events if key == UNREGISTERED else lake.event_table(catalog.by_key[key]) for key in keys
    }
    # The targets are pinned before the source, so that newer rows of a faster run are never overwritten.
    opened = each_at_once(lambda key: _open(tables[key], reports[key]), keys)
    targets = {key: target for key, target in zip(keys, opened, strict=True) if target is not None}
    retired = _open_retired(lake, catalog, reports[UNREGISTERED]) if UNREGISTERED in keys else []
    source = lake.deduplicated_events.snapshot()
    for result in _run(lake, catalog, targets, source, dates, executor, progress):
        _add(reports[UNREGISTERED if result.key is None else result.key], result)
    marks = source.marks(dates)
    sound = [key for key in targets if reports[key].error is None]
    each_at_once(lambda key: _commit_type(targets[key], reports[key], dates, marks), sound)
    if UNREGISTERED in sound:
        _move_out(retired, reports[UNREGISTERED], dates)
    return reports


def _open(table: Table, report: TypedReport) -> Snapshot | None:
    try:
        return table.snapshot_to_write()
    except EventPlatformError as error:
        _fail(report, error)
        return None


def _open_retired(lake: Lake, catalog: Catalog, report: TypedReport) -> list[Snapshot]:
    try:
        return [table.snapshot_to_write() for table in lake.retired_tables(catalog.event_types)]
    except EventPlatformError as error:
        _fail(report, error)
        return []


def _move_out(retired: Sequence[Snapshot], report: TypedReport, dates: Sequence[date]) -> None:
    """Take the rows that are in unregistered_events now out of the tables of types that the catalog has no more.

    Their days are marked as never built, so that they are due if the type comes back.
    """
    for snapshot in retired:
        days = sorted(snapshot.rows_by_date(dates))
        if days and not report.conflict and report.error is None:
            _commit(snapshot, report, [], days, dict.fromkeys(days, -1))


def _run(
    lake: Lake,
    catalog: Catalog,
    keys: Collection[str],
    source: Snapshot,
    dates: Sequence[date],
    executor: Executor,
    progress: Progress,
) -> list[Typed]:
    files = source.files(dates)
    counts = count_names(lake.storage, files)
    wanted = {catalog.by_key[key].name for key in keys if key != UNREGISTERED}
    if UNREGISTERED in keys:
        wanted |= set(counts["event_name"]) - catalog.names
    by_name = {event_type.name: event_type for event_type in catalog.event_types}
    tasks = [
        (lake.storage, unit, {name: by_name[name] for name in unit.names if name in by_name}, catalog.envelope)
        # The largest first, so that no core is left alone with one at the end.
        for unit in sorted(plan(files, counts, wanted), key=lambda unit: -unit.rows)
    ]
    return [typed for result in run_tasks(executor, type_events, tasks, progress, "event tables") for typed in result]


def _add(report: TypedReport, result: Typed) -> None:
    report.results.append(result)
    report.rows[result.created_date] += result.rows
    report.rescued[result.created_date] += result.rescued
    report.error = report.error or result.error
    report.may_pass = report.may_pass or result.may_pass


def _commit_type(target: Snapshot, report: TypedReport, dates: Sequence[date], marks: dict[date, int]) -> None:
    report.written = _commit(target, report, [add for each in report.results for add in each.adds], dates, marks)


def _commit(
    target: Snapshot, report: TypedReport, adds: Sequence[AddAction], dates: Sequence[date], marks: dict[date, int]
) -> dict[date, Written]:
    """Return what was written; where nothing was, `report` says why."""
    try:
        return target.replace(dates, adds, marks)
    except ConflictError:
        report.conflict = True
    except EventPlatformError as error:
        _fail(report, error)
    return {}


def _fail(report: TypedReport, error: EventPlatformError) -> None:
    report.error, report.may_pass = str(error), isinstance(error, StorageError)
