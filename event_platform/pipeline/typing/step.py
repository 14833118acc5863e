"""deduplicated_events → the event tables and unregistered_events, partition by partition of created_date."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from event_platform.compute.tasks import Progress, run_tasks
from event_platform.events.catalog import Catalog
from event_platform.events.columns import shape_of
from event_platform.events.errors import EventPlatformError, StorageError, panics_as_errors
from event_platform.events.event import RESCUED_COLUMN
from event_platform.lake.changes import added_since_mark
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.deployments import as_metadata, deployment_of
from event_platform.lake.files import DataFile, Written
from event_platform.lake.foreign import altered_dates
from event_platform.lake.lake import Lake
from event_platform.lake.tables import ConflictError, Snapshot, Table
from event_platform.pipeline.compaction.step import each_compacted
from event_platform.pipeline.fingerprint import rules_number
from event_platform.pipeline.typing.tasks import Typed, count_names, plan, type_events
from event_platform.storage.errors import one_line
from event_platform.storage.polars_errors import translate_errors
from event_platform.storage.threads import map_threads

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
    *,
    rebuild: bool = False,
) -> dict[str, TypedReport]:
    """Bring the created_dates given of some event tables up to date (by key; UNREGISTERED for the rest of the names).

    One type's failure is in its report and leaves its table as it was; the others go on. With `rebuild` all partitions
    are built whole, where they might grow as well.
    """
    reports: dict[str, TypedReport] = {}

    def attempt() -> None:
        left = [key for key in keys if key not in reports or reports[key].conflict]
        reports.update(_type_some(lake, catalog, left, dates, executor, progress, rebuild=rebuild))
        lost = [key for key, report in reports.items() if report.conflict]
        if lost:
            raise ConflictError(f"{', '.join(lost)}: written by another run at the same time")

    retry_on_conflict(attempt)
    return reports


def _type_some(
    lake: Lake,
    catalog: Catalog,
    keys: Collection[str],
    dates: Sequence[date],
    executor: Executor,
    progress: Progress,
    *,
    rebuild: bool,
) -> dict[str, TypedReport]:
    reports = {key: TypedReport(dict.fromkeys(dates, 0), dict.fromkeys(dates, 0)) for key in keys}
    tables = {
        key: lake.unregistered_events if key == UNREGISTERED else lake.event_table(catalog.by_key[key]) for key in keys
    }
    # The targets are pinned before the source, so that newer rows of a faster run are never overwritten.
    opened = map_threads(lambda key: _open(tables[key], reports[key]), keys)
    targets = {key: target for key, target in zip(keys, opened, strict=True) if target is not None}
    retired = _open_retired(lake, catalog, reports[UNREGISTERED]) if UNREGISTERED in keys else []
    source = lake.deduplicated_events.snapshot()
    marks = source.marks(dates)
    rules = {key: _rules_of(catalog, key) for key in targets}
    partitions = [(key, day) for key in targets for day in dates]
    files = {day: source.files([day]) for day in dates}
    growing = {} if rebuild else _grown(source, files, targets, partitions, marks, rules)
    grown = _without_altered(growing, targets, reports)
    for result in _run(lake, catalog, files, partitions, grown, executor, progress):
        _add(reports[UNREGISTERED if result.key is None else result.key], result)
    sound = [key for key in targets if reports[key].error is None]
    more = {key: (targets[key], [day for day in dates if (key, day) in grown]) for key in sound}
    moved, failed = each_compacted(more, executor, progress)
    for key, error in failed.items():
        _fail(reports[key], error)
    sound = [key for key in sound if key not in failed]

    said = as_metadata(deployment_of(catalog))

    def commit(key: str) -> None:
        metadata = said if key == UNREGISTERED else {}
        _commit_type(targets[key], reports[key], dates, more[key][1], marks, rules[key], moved[key], metadata)

    map_threads(commit, sound)
    if UNREGISTERED in sound:
        _move_out(retired, reports[UNREGISTERED], dates)
    return reports


def _rules_of(catalog: Catalog, key: str) -> int:
    """Return a number that stands for what the rows of a table depend on beside the events."""
    rules: Any = sorted(catalog.names) if key == UNREGISTERED else shape_of(catalog.by_key[key].columns)
    return rules_number(rules, repr(catalog.envelope))


def _grown(
    source: Snapshot,
    files: Mapping[date, list[DataFile]],
    targets: Mapping[str, Snapshot],
    partitions: Iterable[tuple[str, date]],
    marks: Mapping[date, int],
    rules: Mapping[str, int],
) -> dict[tuple[str, date], list[DataFile]]:
    """Return the partitions that only lack the events that came since they were built, with the files of these.

    The others are rebuilt: events of theirs went, their rules are other ones, they are not as the platform left them,
    or somebody asks for them again.
    """

    @cache
    def came(day: date, mark: int) -> list[DataFile] | None:
        added = added_since_mark(source, day, mark)
        return None if added is None else [file for file in files[day] if file.path in added]

    found: dict[tuple[str, date], list[DataFile]] = {}
    for key, day in partitions:
        mark = targets[key].built_from(day)
        if mark is not None and 0 <= mark < marks[day] and targets[key].made_with(day) == rules[key]:
            new = came(day, mark)
            found |= {} if new is None else {(key, day): new}
    return found


def _without_altered(
    grown: Mapping[tuple[str, date], list[DataFile]],
    targets: Mapping[str, Snapshot],
    reports: Mapping[str, TypedReport],
) -> dict[tuple[str, date], list[DataFile]]:
    """Leave out the partitions that are not as the platform left them: those are rebuilt."""
    days: dict[str, list[date]] = {}
    for key, day in grown:
        days.setdefault(key, []).append(day)

    def altered(key: str) -> Collection[date]:
        with _keeping_errors(reports[key]):
            return altered_dates(targets[key], days[key])
        return days[key]

    found = dict(zip(days, map_threads(altered, days), strict=True))
    return {(key, day): files for (key, day), files in grown.items() if day not in found[key]}


def _open(table: Table, report: TypedReport) -> Snapshot | None:
    with _keeping_errors(report):
        return table.snapshot_to_write()
    return None


def _open_retired(lake: Lake, catalog: Catalog, report: TypedReport) -> list[Snapshot]:
    with _keeping_errors(report):
        return [table.snapshot_to_write() for table in lake.retired_tables(catalog.event_types)]
    return []


def _move_out(retired: Sequence[Snapshot], report: TypedReport, dates: Sequence[date]) -> None:
    """Take the rows that are in unregistered_events now out of the tables of types that the catalog has no more.

    Their days are marked as never built, so that they are due if the type comes back.
    """
    for snapshot in retired:
        days = sorted(snapshot.rows_by_date(dates))
        if days and not report.conflict and report.error is None:
            with _keeping_errors(report):
                snapshot.replace(days, [], dict.fromkeys(days, -1))


def _run(
    lake: Lake,
    catalog: Catalog,
    all_files: Mapping[date, list[DataFile]],
    partitions: Sequence[tuple[str, date]],
    grown: Mapping[tuple[str, date], list[DataFile]],
    executor: Executor,
    progress: Progress,
) -> list[Typed]:
    # Partitions that are made of the same files are made together.
    together: dict[tuple[str, ...], tuple[list[DataFile], list[str]]] = {}
    for key, day in partitions:
        files = grown.get((key, day), all_files[day])
        together.setdefault(tuple(file.path for file in files), (files, []))[1].append(key)
    counts = count_names(
        lake.storage, list({file.path: file for files, _ in together.values() for file in files}.values())
    )
    units = [
        unit for files, keys in together.values() for unit in plan(files, counts, _names(catalog, keys, files, counts))
    ]
    by_name = {event_type.name: event_type for event_type in catalog.event_types}
    tasks = [
        (lake.storage, unit, {name: by_name[name] for name in unit.names if name in by_name}, catalog.envelope)
        # The largest first, so that no core is left alone with one at the end.
        for unit in sorted(units, key=lambda unit: -unit.rows)
    ]
    return [typed for result in run_tasks(executor, type_events, tasks, progress, "event tables") for typed in result]


def _names(catalog: Catalog, keys: Collection[str], files: Iterable[DataFile], counts: pl.DataFrame) -> set[str]:
    """Return the event names whose events are in the tables `keys`, of those that are in `files`."""
    names = {catalog.by_key[key].name for key in keys if key != UNREGISTERED}
    if UNREGISTERED not in keys:
        return names
    return names | (set(counts.filter(pl.col("uri").is_in([file.uri for file in files]))["event_name"]) - catalog.names)


def _add(report: TypedReport, result: Typed) -> None:
    report.results.append(result)
    report.rows[result.created_date] += result.rows
    report.rescued[result.created_date] += result.rescued
    report.error = report.error or result.error
    report.may_pass = report.may_pass or result.may_pass


def _commit_type(
    target: Snapshot,
    report: TypedReport,
    dates: Sequence[date],
    more: Sequence[date],
    marks: Mapping[date, int],
    rules: int,
    moved: Sequence[AddAction | RemoveAction],
    metadata: Mapping[str, Any],
) -> None:
    whole = [day for day in dates if day not in more]
    adds = [add for each in report.results for add in each.adds]
    with _keeping_errors(report):
        grown = target.files(more)
        report.written |= target.replace(whole, adds, marks, rules, more, moved, metadata=metadata)
        for file in grown:
            report.rows[file.partition] += file.rows
            report.rescued[file.partition] += file.rows - file.nulls.get(RESCUED_COLUMN, file.rows)


@contextmanager
def _keeping_errors(report: TypedReport) -> Iterator[None]:
    """Keep what goes wrong with one table in its report: it must not stop the others."""
    try:
        with translate_errors(), panics_as_errors():
            yield
    except ConflictError:
        report.conflict = True
    except Exception as error:  # noqa: BLE001 - whatever it is
        _fail(report, error)


def _fail(report: TypedReport, error: Exception) -> None:
    report.error = str(error) if isinstance(error, EventPlatformError) else f"{type(error).__name__}: {one_line(error)}"
    # As of every step: what the storage says may pass, unless it says that it does not.
    report.may_pass = error.may_pass if isinstance(error, StorageError) else isinstance(error, OSError)
