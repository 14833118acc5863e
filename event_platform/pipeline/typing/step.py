"""deduplicated_events → the event tables and unregistered_events, partition by partition of created_date."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any

import polars as pl

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.derivation.column import reference_versions
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.deployments import as_metadata, deployment_of
from event_platform.lake.files import DataFile
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import ConflictError, TableCommit, adds_of
from event_platform.lake.tables import Table
from event_platform.pipeline.backfill.find import ROWS_EXAMINED, note_builds, unchanged_partitions
from event_platform.pipeline.backfill.verdicts import Budget
from event_platform.pipeline.compaction.step import compact_tables
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.cpu_time import add_step_time
from event_platform.pipeline.typing.appending import Partition, Source, find_appendable
from event_platform.pipeline.typing.report import TypingReport
from event_platform.pipeline.typing.rules import BuildRules, event_rules, unregistered_rules
from event_platform.pipeline.typing.tasks import TypedFile, Unit, count_names, plan, type_events
from event_platform.storage.threads import map_threads

#: Key of unregistered_events among the reports; no event type can have it.
UNREGISTERED = ""

#: Key in the commit info: the SHA-256 of each reference table behind the rows, by file name.
REFERENCE_TABLES = "reference_tables"


def type_all(
    context: PipelineContext,
    catalog: Catalog,
    keys: Collection[str],
    dates: Sequence[date],
    *,
    rebuild: bool = False,
) -> dict[str, TypingReport]:
    """Bring some event tables (by key; UNREGISTERED for all other names) up to date on the given created_dates.

    The failure of a type is stored in its report and leaves its table unchanged; the others continue. With `rebuild`
    all partitions are rebuilt, also those that could be appended to. If a column gets a wider type, every day of its
    table is rebuilt in the same commit: readers see either the old type or the new one.
    """
    reports: dict[str, TypingReport] = {}

    def attempt() -> None:
        pending_keys = [key for key in keys if key not in reports or reports[key].conflict]
        reports.update(_type_tables(context, catalog, pending_keys, dates, rebuild=rebuild))
        conflicting_keys = [key for key, report in reports.items() if report.conflict]
        if conflicting_keys:
            raise ConflictError(f"{', '.join(conflicting_keys)}: written by another run at the same time")

    retry_on_conflict(attempt)
    return reports


def _type_tables(
    context: PipelineContext, catalog: Catalog, keys: Collection[str], dates: Sequence[date], *, rebuild: bool
) -> dict[str, TypingReport]:
    lake = context.lake
    reports = {key: TypingReport.of(dates) for key in keys}
    # The targets are pinned before the source, so that newer rows of a faster run are never overwritten. They are the
    # snapshots that this process saw last: if another process has committed since, the commit conflicts.
    targets = _open_targets(lake, catalog, reports)
    retired_tables = _open_retired(lake, catalog, reports[UNREGISTERED]) if UNREGISTERED in keys else []
    snapshot = lake.deduplicated_events.snapshot()
    days = {key: _days_to_build(target, dates, reports[key]) for key, target in targets.items()}
    all_days = sorted({*dates, *chain(*days.values())})
    source = Source(snapshot, {day: snapshot.files([day]) for day in all_days}, snapshot.source_versions(all_days))
    rules = {key: _rules_of(catalog, key) for key in targets}
    fingerprints = {key: each.fingerprint for key, each in rules.items()}
    partitions = [(key, day) for key in targets for day in days[key]]
    may_append = [] if rebuild else [(key, day) for key, day in partitions if not reports[key].retyped]
    appended = find_appendable(source, targets, may_append, fingerprints, reports)
    for result in _run(context, catalog, targets, source.files, partitions, appended):
        reports[UNREGISTERED if result.key is None else result.key].add(result)
    _commit_tables(context, catalog, source, targets, days, appended, rules, reports)
    if UNREGISTERED in targets:
        _move_out(retired_tables, reports[UNREGISTERED], dates)
    return reports


def _days_to_build(target: Snapshot, dates: Sequence[date], report: TypingReport) -> Sequence[date]:
    """Return the days of a table to build: the requested ones, or all if a column gets a wider type."""
    if not target.retyped:
        return dates
    report.retyped = list(map(str, target.retyped))
    other_days = sorted(target.rows_by_date().keys() - set(dates))
    report.rows |= dict.fromkeys(other_days, 0)
    report.rescued |= dict.fromkeys(other_days, 0)
    return [*dates, *other_days]


def _commit_tables(
    context: PipelineContext,
    catalog: Catalog,
    source: Source,
    targets: Mapping[str, Snapshot],
    built: Mapping[str, Sequence[date]],
    appended: Collection[Partition],
    rules: Mapping[str, BuildRules],
    reports: Mapping[str, TypingReport],
) -> None:
    """Commit the new files of each table, unless it failed. Failures are stored in the table's report."""
    sound_keys = [key for key in targets if reports[key].error is None]
    days = {key: [day for day in built[key] if (key, day) in appended] for key in sound_keys}
    compactions, errors = compact_tables(context, {key: (targets[key], days[key]) for key in sound_keys})
    for key, error in errors.items():
        reports[key].fail(error)
    every_add = [add for key in sound_keys for add in reports[key].adds]
    # Not in a thread: threads do not know the time of the step.
    step_time = add_step_time(targets[UNREGISTERED], source.versions, every_add) if UNREGISTERED in sound_keys else {}
    deployment, budget = as_metadata(deployment_of(catalog)), Budget(ROWS_EXAMINED)

    def open_commit(key: str) -> TableCommit:
        target, build = targets[key], rules[key]
        if key == UNREGISTERED:
            return TableCommit(target, deployment, note_builds(target, build, {}) | step_time)
        unchanged_rules = unchanged_partitions(
            context.lake, catalog, source.snapshot, key, target, source.versions, budget
        )
        info = deployment | _reference_tables(catalog.by_key[key])
        return TableCommit(target, info, note_builds(target, build, dict(unchanged_rules)))

    def commit(key: str) -> None:
        report = reports[key]
        with report.catch_errors():
            changes, appended_to = open_commit(key), days[key]
            rebuilt = [day for day in built[key] if day not in appended_to]
            changes.rebuild(rebuilt, adds_of(rebuilt, report.adds), source.versions, rules[key].fingerprint)
            changes.append(appended_to, [*adds_of(appended_to, report.adds), *compactions[key]], source.versions)
            report.commit(changes, targets[key].files(appended_to))

    map_threads(commit, [key for key in sound_keys if key not in errors], context.lake.storage.threads)


def _reference_tables(event_type: EventType) -> dict[str, Any]:
    """Return the commit info with the reference tables behind the rows."""
    versions = reference_versions(event_type.derived)
    return {REFERENCE_TABLES: versions} if versions else {}


def _rules_of(catalog: Catalog, key: str) -> BuildRules:
    """Return the build rules of a table: everything that its rows depend on, except the events."""
    return unregistered_rules(catalog) if key == UNREGISTERED else event_rules(catalog.by_key[key], catalog.envelope)


def _open_targets(lake: Lake, catalog: Catalog, reports: Mapping[str, TypingReport]) -> dict[str, Snapshot]:
    """Open the tables to write, by key, without those that fail."""

    def open_target(key: str) -> Snapshot | None:
        with reports[key].catch_errors():
            return table_of(lake, catalog, key).snapshot_to_write(may_be_recent=True)
        return None

    snapshots = map_threads(open_target, reports, lake.storage.threads)
    return {key: target for key, target in zip(reports, snapshots, strict=True) if target is not None}


def table_of(lake: Lake, catalog: Catalog, key: str) -> Table:
    """Return the event table of a key, or unregistered_events for UNREGISTERED."""
    return lake.unregistered_events if key == UNREGISTERED else lake.event_table(catalog.by_key[key])


def _open_retired(lake: Lake, catalog: Catalog, report: TypingReport) -> list[Snapshot]:
    with report.catch_errors():
        return [table.snapshot_to_write() for table in lake.retired_tables(catalog.event_types)]
    return []


def _move_out(retired_tables: Sequence[Snapshot], report: TypingReport, dates: Sequence[date]) -> None:
    """Remove from the tables of retired types the rows that are in unregistered_events now.

    Their days are marked as never built, so that they are due if the type comes back.
    """
    for snapshot in retired_tables:
        days = sorted(snapshot.rows_by_date(dates))
        if days and not report.conflict and report.error is None:
            with report.catch_errors():
                TableCommit(snapshot).rebuild(days, [], dict.fromkeys(days, -1)).commit()


def _run(
    context: PipelineContext,
    catalog: Catalog,
    targets: Mapping[str, Snapshot],
    all_files: Mapping[date, list[DataFile]],
    partitions: Sequence[Partition],
    appended: Mapping[Partition, list[DataFile]],
) -> list[TypedFile]:
    lake, sizing = context.lake, context.sizing
    # Partitions with the same source files are built by the same tasks.
    keys_by_files: dict[tuple[str, ...], tuple[list[DataFile], list[str]]] = {}
    for key, day in partitions:
        files = appended.get((key, day), all_files[day])
        keys_by_files.setdefault(tuple(file.path for file in files), (files, []))[1].append(key)
    counts = count_names(
        lake, list({file.path: file for files, _ in keys_by_files.values() for file in files}.values())
    )
    units = [
        unit
        for files, keys in keys_by_files.values()
        for unit in plan(files, counts, _names(catalog, keys, files, counts), sizing)
    ]
    by_name = catalog.by_name

    def task(unit: Unit) -> tuple[Any, ...]:
        event_types = {name: by_name[name] for name in unit.names if name in by_name}
        keys = {event_types[name].key if name in event_types else UNREGISTERED for name in unit.names}
        return lake.to_write(*map(targets.__getitem__, keys)), sizing, unit, event_types, catalog.envelope

    # The largest first, so that no core works alone at the end.
    tasks = [task(unit) for unit in sorted(units, key=lambda unit: -unit.rows)]
    small = context.is_small(sum(unit.rows for unit in units))
    return list(chain(*context.run_tasks(type_events, tasks, "event tables", small=small)))


def _names(catalog: Catalog, keys: Collection[str], files: Iterable[DataFile], counts: pl.DataFrame) -> set[str]:
    """Return the event names in `files` whose events belong to the tables `keys`."""
    names = {name for key in keys if key != UNREGISTERED for name in catalog.by_key[key].names}
    if UNREGISTERED not in keys:
        return names
    return names | (set(counts.filter(pl.col("uri").is_in([file.uri for file in files]))["event_name"]) - catalog.names)
