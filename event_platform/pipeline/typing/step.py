"""deduplicated_events → the event tables and unregistered_events, partition by partition of created_date."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from itertools import chain
from typing import Any

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.catalog import Catalog
from event_platform.events.columns import storage_shape
from event_platform.events.errors import EventPlatformError, StorageError, raise_panics_as_errors
from event_platform.events.event import RESCUED_COLUMN
from event_platform.lake.changes import added_since_source_version
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.deployments import as_metadata, deployment_of
from event_platform.lake.files import DataFile
from event_platform.lake.foreign import altered_dates, listed_if_cheaper
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import ConflictError, TableCommit, Written, adds_of
from event_platform.lake.tables import Table
from event_platform.pipeline.compaction.step import compact_each
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.cpu_time import add_step_time
from event_platform.pipeline.fingerprint import build_fingerprint
from event_platform.pipeline.typing.tasks import Typed, Unit, count_names, plan, type_events
from event_platform.storage.errors import one_line
from event_platform.storage.polars_errors import translate_errors
from event_platform.storage.threads import map_threads

#: The key under which the results of unregistered_events are reported; no event type can have it.
UNREGISTERED = ""


@dataclass
class TypedReport:
    """The result for one event type (or for the unregistered names): rows by created_date, or an error."""

    rows: dict[date, int]
    rescued: dict[date, int]
    error: str | None = None
    transient: bool = False  # the error is the storage's
    conflict: bool = False
    results: list[Typed] = field(default_factory=list)
    written: dict[date, Written] = field(default_factory=dict)
    retyped: list[str] = field(default_factory=list)  # columns that got a wider type: every day was rebuilt

    @property
    def adds(self) -> list[AddAction]:
        """The files that were written."""
        return [add for result in self.results for add in result.adds]


def type_all(
    context: PipelineContext,
    catalog: Catalog,
    keys: Collection[str],
    dates: Sequence[date],
    *,
    rebuild: bool = False,
) -> dict[str, TypedReport]:
    """Bring the created_dates given of some event tables up to date (by key; UNREGISTERED for the rest of the names).

    One type's failure is in its report and leaves its table as it was; the others go on. With `rebuild` all partitions
    are rebuilt, also those that could be appended to. Where a column gets a wider type, every day of its table is
    rebuilt, in the same commit: readers see the old type or the new one.
    """
    reports: dict[str, TypedReport] = {}

    def attempt() -> None:
        left = [key for key in keys if key not in reports or reports[key].conflict]
        reports.update(_type_some(context, catalog, left, dates, rebuild=rebuild))
        lost = [key for key, report in reports.items() if report.conflict]
        if lost:
            raise ConflictError(f"{', '.join(lost)}: written by another run at the same time")

    retry_on_conflict(attempt)
    return reports


@dataclass(frozen=True)
class _Source:
    """deduplicated_events as it is typed from: its files and its source versions by created_date."""

    snapshot: Snapshot
    files: Mapping[date, list[DataFile]]
    versions: Mapping[date, int]


def _type_some(
    context: PipelineContext, catalog: Catalog, keys: Collection[str], dates: Sequence[date], *, rebuild: bool
) -> dict[str, TypedReport]:
    lake = context.lake
    reports = {key: TypedReport(dict.fromkeys(dates, 0), dict.fromkeys(dates, 0)) for key in keys}
    # The targets are pinned before the source, so that newer rows of a faster run are never overwritten.
    targets = _open_targets(lake, catalog, reports)
    retired = _open_retired(lake, catalog, reports[UNREGISTERED]) if UNREGISTERED in keys else []
    deduplicated = lake.deduplicated_events.snapshot()
    days = {key: _days_to_build(target, dates, reports[key]) for key, target in targets.items()}
    every_day = sorted({*dates, *chain(*days.values())})
    source = _Source(
        deduplicated, {day: deduplicated.files([day]) for day in every_day}, deduplicated.source_versions(every_day)
    )
    fingerprints = {key: _fingerprint_of(catalog, key) for key in targets}
    partitions = [(key, day) for key in targets for day in days[key]]
    may_append = [] if rebuild else [(key, day) for key, day in partitions if not reports[key].retyped]
    appendable = _appendable(source, targets, may_append, fingerprints)
    appended = _without_altered(appendable, targets, reports)
    for result in _run(context, catalog, targets, source.files, partitions, appended):
        _add(reports[UNREGISTERED if result.key is None else result.key], result)
    _commit_each(context, catalog, source, targets, days, appended, fingerprints, reports)
    if UNREGISTERED in targets:
        _move_out(retired, reports[UNREGISTERED], dates)
    return reports


def _days_to_build(target: Snapshot, dates: Sequence[date], report: TypedReport) -> Sequence[date]:
    """Return the days of a table to build: those that were asked for, or all where a column gets a wider type."""
    if not target.retyped:
        return dates
    report.retyped = list(map(str, target.retyped))
    others = sorted(target.rows_by_date().keys() - set(dates))
    report.rows |= dict.fromkeys(others, 0)
    report.rescued |= dict.fromkeys(others, 0)
    return [*dates, *others]


def _commit_each(
    context: PipelineContext,
    catalog: Catalog,
    source: _Source,
    targets: Mapping[str, Snapshot],
    built: Mapping[str, Sequence[date]],
    appended: Collection[tuple[str, date]],
    fingerprints: Mapping[str, int],
    reports: Mapping[str, TypedReport],
) -> None:
    """Commit what was written of each table, unless it failed. A failure is in the report of its table."""
    sound = [key for key in targets if reports[key].error is None]
    days = {key: [day for day in built[key] if (key, day) in appended] for key in sound}
    compactions, failed = compact_each(context, {key: (targets[key], days[key]) for key in sound})
    for key, error in failed.items():
        _fail(reports[key], error)
    metadata = as_metadata(deployment_of(catalog))
    every_add = [add for key in sound for add in reports[key].adds]

    def commit(key: str) -> None:
        with _keeping_errors(reports[key]):
            rebuilt, adds = [day for day in built[key] if day not in days[key]], reports[key].adds
            changes = (
                TableCommit(targets[key], metadata, add_step_time(targets[key], source.versions, every_add))
                if key == UNREGISTERED
                else TableCommit(targets[key])
            )
            changes.rebuild(rebuilt, adds_of(rebuilt, adds), source.versions, fingerprints[key])
            changes.append(days[key], [*adds_of(days[key], adds), *compactions[key]], source.versions)
            _commit(changes, reports[key], targets[key].files(days[key]))

    map_threads(commit, [key for key in sound if key not in failed])


def _fingerprint_of(catalog: Catalog, key: str) -> int:
    """Return the build fingerprint of a table: what its rows depend on beside the events."""
    if key == UNREGISTERED:
        rules: Any = sorted(catalog.names)
    else:
        event_type = catalog.by_key[key]
        rules = storage_shape(event_type.columns)
        rules += [["names", *event_type.other_names]] if event_type.other_names else []
    return build_fingerprint(rules, catalog.envelope.definition)


def _appendable(
    source: _Source,
    targets: Mapping[str, Snapshot],
    partitions: Iterable[tuple[str, date]],
    fingerprints: Mapping[str, int],
) -> dict[tuple[str, date], list[DataFile]]:
    """Return the partitions that only lack new events, each with the files of these.

    The others are rebuilt: events were removed from them, or their rules changed.
    """

    @cache
    def new_files(day: date, version: int) -> list[DataFile] | None:
        added = added_since_source_version(source.snapshot, day, version)
        return None if added is None else [file for file in source.files[day] if file.path in added]

    found: dict[tuple[str, date], list[DataFile]] = {}
    for key, day in partitions:
        target, version = targets[key], targets[key].source_version(day)
        is_older = version is not None and 0 <= version < source.versions[day]
        if version is not None and is_older and target.build_fingerprint(day) == fingerprints[key]:
            new = new_files(day, version)
            found |= {} if new is None else {(key, day): new}
    return found


def _without_altered(
    appendable: Mapping[tuple[str, date], list[DataFile]],
    targets: Mapping[str, Snapshot],
    reports: Mapping[str, TypedReport],
) -> dict[tuple[str, date], list[DataFile]]:
    """Leave out the partitions that are not as the platform left them: those are rebuilt."""
    days: dict[str, list[date]] = {}
    for key, day in appendable:
        days.setdefault(key, []).append(day)

    sizes = listed_if_cheaper([targets[key] for key in days], len(appendable))

    def altered(key: str) -> Collection[date]:
        with _keeping_errors(reports[key]):
            return altered_dates(targets[key], days[key], sizes)
        return days[key]

    found = dict(zip(days, map_threads(altered, days), strict=True))
    return {(key, day): files for (key, day), files in appendable.items() if day not in found[key]}


def _open_targets(lake: Lake, catalog: Catalog, reports: Mapping[str, TypedReport]) -> dict[str, Snapshot]:
    """Open the tables to write by their keys, but for those that fail."""

    def opened(key: str) -> Snapshot | None:
        with _keeping_errors(reports[key]):
            return table_of(lake, catalog, key).snapshot_to_write()
        return None

    snapshots = map_threads(opened, reports)
    return {key: target for key, target in zip(reports, snapshots, strict=True) if target is not None}


def table_of(lake: Lake, catalog: Catalog, key: str) -> Table:
    """Return the event table of a key, or unregistered_events for UNREGISTERED."""
    return lake.unregistered_events if key == UNREGISTERED else lake.event_table(catalog.by_key[key])


def _open_retired(lake: Lake, catalog: Catalog, report: TypedReport) -> list[Snapshot]:
    with _keeping_errors(report):
        return [table.snapshot_to_write() for table in lake.retired_tables(catalog.event_types)]
    return []


def _move_out(retired: Sequence[Snapshot], report: TypedReport, dates: Sequence[date]) -> None:
    """Take the rows that are in unregistered_events now out of the tables of types that the catalog has no more.

    Their days get the source version of what was never built, so that they are due if the type comes back.
    """
    for snapshot in retired:
        days = sorted(snapshot.rows_by_date(dates))
        if days and not report.conflict and report.error is None:
            with _keeping_errors(report):
                TableCommit(snapshot).rebuild(days, [], dict.fromkeys(days, -1)).commit()


def _run(
    context: PipelineContext,
    catalog: Catalog,
    targets: Mapping[str, Snapshot],
    all_files: Mapping[date, list[DataFile]],
    partitions: Sequence[tuple[str, date]],
    appended: Mapping[tuple[str, date], list[DataFile]],
) -> list[Typed]:
    lake, sizing = context.lake, context.sizing
    # Partitions that are made of the same files are made together.
    together: dict[tuple[str, ...], tuple[list[DataFile], list[str]]] = {}
    for key, day in partitions:
        files = appended.get((key, day), all_files[day])
        together.setdefault(tuple(file.path for file in files), (files, []))[1].append(key)
    counts = count_names(lake, list({file.path: file for files, _ in together.values() for file in files}.values()))
    units = [
        unit
        for files, keys in together.values()
        for unit in plan(files, counts, _names(catalog, keys, files, counts), sizing)
    ]
    by_name = catalog.by_name

    def task(unit: Unit) -> tuple[Any, ...]:
        event_types = {name: by_name[name] for name in unit.names if name in by_name}
        keys = {event_types[name].key if name in event_types else UNREGISTERED for name in unit.names}
        return lake.to_write(*map(targets.__getitem__, keys)), sizing, unit, event_types, catalog.envelope

    # The largest first, so that no core is left alone with one at the end.
    tasks = [task(unit) for unit in sorted(units, key=lambda unit: -unit.rows)]
    small = context.is_small(sum(unit.rows for unit in units))
    return list(chain(*context.run_tasks(type_events, tasks, "event tables", small=small)))


def _names(catalog: Catalog, keys: Collection[str], files: Iterable[DataFile], counts: pl.DataFrame) -> set[str]:
    """Return the event names whose events are in the tables `keys`, of those that are in `files`."""
    names = {name for key in keys if key != UNREGISTERED for name in catalog.by_key[key].names}
    if UNREGISTERED not in keys:
        return names
    return names | (set(counts.filter(pl.col("uri").is_in([file.uri for file in files]))["event_name"]) - catalog.names)


def _add(report: TypedReport, result: Typed) -> None:
    report.results.append(result)
    report.rows[result.created_date] += result.rows
    report.rescued[result.created_date] += result.rescued
    report.error = report.error or result.error
    report.transient = report.transient or result.transient


def _commit(changes: TableCommit, report: TypedReport, old_files: Iterable[DataFile]) -> None:
    """Commit, and count the rows that were in the appended partitions before."""
    report.written |= changes.commit()
    for file in old_files:
        report.rows[file.partition] += file.rows
        report.rescued[file.partition] += file.rows - file.nulls.get(RESCUED_COLUMN, file.rows)


@contextmanager
def _keeping_errors(report: TypedReport) -> Iterator[None]:
    """Keep what goes wrong with one table in its report: it must not stop the others."""
    try:
        with translate_errors(), raise_panics_as_errors():
            yield
    except ConflictError:
        report.conflict = True
    except Exception as error:  # noqa: BLE001 - whatever it is
        _fail(report, error)


def _fail(report: TypedReport, error: Exception) -> None:
    report.error = str(error) if isinstance(error, EventPlatformError) else f"{type(error).__name__}: {one_line(error)}"
    # As of every step: what the storage says may pass, unless it says that it does not.
    report.transient = error.transient if isinstance(error, StorageError) else isinstance(error, OSError)
