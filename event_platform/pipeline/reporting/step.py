"""deduplicated_events and the tables made of it → quality_report and its pages, by partitions of created_date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from event_platform.events.catalog import Catalog
from event_platform.events.event import RESCUED_COLUMN
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.derived import made_of_id
from event_platform.lake.files import DataFile
from event_platform.lake.lake import Lake
from event_platform.lake.ledger import has_other_zones
from event_platform.lake.registry import RAW_EVENTS
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import TableCommit, Written
from event_platform.lake.tables import RecentTable, Table
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.reporting.sources import ReportSources
from event_platform.pipeline.reporting.tasks import Reported, Sources, report_day
from event_platform.storage.threads import map_threads


@dataclass(frozen=True)
class QualityReport:
    """What was found of one created_date, and what the table has of it."""

    found: Reported
    written: Written


def report_quality(context: PipelineContext, catalog: Catalog, dates: Sequence[date]) -> dict[date, QualityReport]:
    """Count the created_dates given as they are now, and write a page for each. Returns what was found."""
    return retry_on_conflict(lambda: _report_quality(context, catalog, dates))


def _report_quality(context: PipelineContext, catalog: Catalog, dates: Sequence[date]) -> dict[date, QualityReport]:
    lake = context.lake
    # The target is pinned before the sources, and deduplicated_events before what is made of it: what a faster run
    # leaves in between is a conflict, or counted twice by a report that is due again, never missed.
    target = lake.quality_report.snapshot_to_write()
    source = lake.deduplicated_events.snapshot()
    pinned = _pinned(lake, catalog, source)
    sources = _sources(pinned, dates, hours_are_utc=not has_other_zones(_raw(lake)))
    fields = {name: frozenset(column.field for column in each.columns) for name, each in catalog.by_name.items()}
    tasks = [(lake, day, fields) for day in sources]
    reported = context.run_tasks(report_day, tasks, "quality reports", small=len(tasks) == 1)
    adds = [each.add for each in reported if each.add is not None]
    made_of = {made_of_id(day): number for day, number in pinned.fingerprints(dates).items()}
    commit = TableCommit(target, transactions=made_of).rebuild(dates, adds, source.source_versions(dates))
    written = commit.commit()
    return {each.created_date: QualityReport(each, written[each.created_date]) for each in reported}


def _raw(lake: Lake) -> Snapshot:
    """Return raw_events as this process has last seen it: how hours are written does not change from load to load."""
    return RecentTable(RAW_EVENTS, lake.storage).snapshot()


def _pinned(lake: Lake, catalog: Catalog, deduplicated: Snapshot) -> ReportSources:
    tables = [lake.duplicate_events, lake.corrupt_events, lake.unregistered_events]
    tables += map(lake.event_table, catalog.event_types)
    duplicates, corrupt, unregistered, *typed = map_threads(Table.snapshot, tables)
    return ReportSources(catalog, deduplicated, duplicates, corrupt, unregistered, typed)


def _sources(pinned: ReportSources, dates: Sequence[date], *, hours_are_utc: bool) -> list[Sources]:
    shared = [pinned.deduplicated, pinned.duplicates, pinned.corrupt, pinned.unregistered]
    deduplicated, duplicates, corrupt, unregistered = (_by_date(snapshot.files(dates)) for snapshot in shared)
    typed = {
        event_type.name: _by_date(snapshot.files(dates))
        for event_type, snapshot in zip(pinned.catalog.event_types, pinned.typed, strict=True)
        if snapshot.paths_by_date(dates, RESCUED_COLUMN)
    }
    return [
        Sources(
            created_date=day,
            hours_are_utc=hours_are_utc,
            deduplicated=deduplicated.get(day, ()),
            duplicates=duplicates.get(day, ()),
            corrupt=corrupt.get(day, ()),
            unregistered=unregistered.get(day, ()),
            rescued={
                name: rescued
                for name, files in typed.items()
                if (rescued := tuple(filter(_has_rescued, files.get(day, ()))))
            },
        )
        for day in dates
    ]


def _by_date(files: Sequence[DataFile]) -> Mapping[date, tuple[DataFile, ...]]:
    return {day: tuple(file for file in files if file.partition == day) for day in {file.partition for file in files}}


def _has_rescued(file: DataFile) -> bool:
    """Return whether a file may hold `_rescued` texts: most do not, and need not be read."""
    return file.nulls.get(RESCUED_COLUMN) != file.rows
