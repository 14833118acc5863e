"""deduplicated_events and the tables derived from it → quality_report and its pages, by created_date."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

import polars as pl

from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.derived import made_of_id
from event_platform.lake.files import DataFile
from event_platform.lake.lake import Lake
from event_platform.lake.ledger import has_other_zones
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import CommitResult, TableCommit
from event_platform.lake.tables import Table
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.cpu_time import cpu_seconds
from event_platform.pipeline.reporting.arrivals import count_arrivals
from event_platform.pipeline.reporting.corrupt import count_corrupt
from event_platform.pipeline.reporting.overview import Overview
from event_platform.pipeline.reporting.pages import WrittenPage, write_day
from event_platform.pipeline.reporting.rows import DATED_SCHEMA, PARTITION, ROW_SCHEMA
from event_platform.pipeline.reporting.sources import ReportSources
from event_platform.pipeline.reporting.tasks import Sources, count_day
from event_platform.pipeline.reporting.typed import count_event_tables
from event_platform.storage.threads import map_threads

#: Counting a day and drawing its page takes as long as counting this number of additional rows.
_ROWS_OF_A_DAY = 2_000


@dataclass(frozen=True)
class QualityReport:
    """The counts of one created_date, its page, and its rows in the table."""

    created_date: date
    figures: pl.DataFrame  # figure, event_name, label, value
    page: WrittenPage
    commit_result: CommitResult
    findings: Sequence[Finding]  # of the checks


def report_quality(
    context: PipelineContext,
    catalog: Catalog,
    thresholds: Thresholds,
    dates: Sequence[date],
    start: date,
    *,
    with_filtered: bool = False,
) -> dict[date, QualityReport]:
    """Count the given created_dates as they are now, and write their pages. Returns the counts.

    `start` is the first partition: times before it are explained. `with_filtered`, the ledger on the lake's page
    includes the events that the stream's filter dropped.
    """
    return retry_on_conflict(lambda: _report_quality(context, catalog, thresholds, dates, start, with_filtered))


def _report_quality(
    context: PipelineContext,
    catalog: Catalog,
    thresholds: Thresholds,
    dates: Sequence[date],
    start: date,
    with_filtered: bool,  # noqa: FBT001 - named by its caller
) -> dict[date, QualityReport]:
    lake = context.lake
    # The target is pinned before the sources: a commit of a faster run in between is a conflict. The sources are the
    # snapshots that this process saw last, each derived from the one before: a report of older versions is due again.
    target = lake.quality_report.snapshot_to_write()
    report_sources = _open_sources(lake, catalog)
    sources = _sources(report_sources, dates, start)
    tasks = [(lake.to_write(target), each, catalog.names) for each in sources]
    counted_days = context.run_tasks(count_day, tasks, "quality reports", small=_is_small(context, sources))
    # Before the commit: if a run is killed in between, the day is due, and its pages are drawn again.
    overview = Overview.read(target, catalog, thresholds, counted_days)
    filtered_counts = lake.filtered_events.recent_snapshot().rows_by_date() if with_filtered else None
    pages = _write_pages(context, target, report_sources, overview, sources, filtered_counts)
    adds = [each.add for each in counted_days if each.add is not None]
    made_of = {made_of_id(day): number for day, number in report_sources.fingerprints(dates).items()}
    changes = TableCommit(target, transactions=made_of | overview.transactions)
    changes.rebuild(dates, adds, report_sources.deduplicated.source_versions(dates))
    commit_results = changes.commit()
    overview.store(lake.storage)
    return {
        each.created_date: QualityReport(
            each.created_date,
            each.figures,
            page,
            commit_results[each.created_date],
            overview.findings[each.created_date],
        )
        for each, page in zip(counted_days, pages, strict=True)
    }


def _write_pages(
    context: PipelineContext,
    report: Snapshot,
    report_sources: ReportSources,
    overview: Overview,
    sources: Sequence[Sources],
    filtered_counts: Mapping[date, int] | None,
) -> list[WrittenPage]:
    """Write the pages of days, of the lake, and of changed event types; return those of the days."""
    tables = list(zip(report_sources.catalog.event_types, report_sources.event_tables, strict=True))
    drawn = [(each.created_date, overview.day_figures[each.created_date], each.corrupt) for each in sources]
    drawn += [
        (day, _figures_of(report, day), tuple(report_sources.corrupt.files([day])))
        for day in sorted(overview.linked_days)
    ]
    tasks = [(context.lake, overview.page_sources(*each, tables)) for each in drawn]
    pages = context.run_tasks(write_day, tasks, "pages of the quality report", small=_is_small(context, sources))
    steps = (report_sources.raw, report_sources.deduplicated, report_sources.unregistered)
    overview.write(context.lake.storage, cpu_seconds(steps, overview.reported_days), tables, filtered_counts)
    return pages[: len(sources)]


def _figures_of(report: Snapshot, day: date) -> pl.DataFrame:
    return report.scan([day]).drop(PARTITION).sort("figure", "event_name", "label").collect()


def _is_small(context: PipelineContext, sources: Sequence[Sources]) -> bool:
    """Return whether the driver reports the days itself: the imports of a process take as long as drawing ten pages."""
    rows = sum(file.rows for each in sources for file in (*each.deduplicated, *each.duplicates, *each.corrupt))
    return context.is_small(rows + _ROWS_OF_A_DAY * len(sources))


def _open_sources(lake: Lake, catalog: Catalog) -> ReportSources:
    raw, deduplicated = lake.raw_events.recent_snapshot(), lake.deduplicated_events.recent_snapshot()
    tables = [lake.duplicate_events, lake.corrupt_events, lake.unregistered_events]
    tables += map(lake.event_table, catalog.event_types)
    duplicates, corrupt, unregistered, *event_tables = map_threads(Table.recent_snapshot, tables)
    return ReportSources(catalog, raw, deduplicated, duplicates, corrupt, unregistered, event_tables)


def _sources(report_sources: ReportSources, dates: Sequence[date], start: date) -> list[Sources]:
    hours_are_utc = not has_other_zones(report_sources.raw)
    files = {snapshot.table.name: snapshot.files(dates) for snapshot in report_sources.tables}
    footer_rows = _count_from_footers(report_sources, files, dates, start, hours_are_utc=hours_are_utc)
    snapshots = (
        report_sources.deduplicated,
        report_sources.duplicates,
        report_sources.corrupt,
        report_sources.unregistered,
    )
    deduplicated, duplicates, corrupt, unregistered = (_by_date(files[snapshot.table.name]) for snapshot in snapshots)
    return [
        Sources(
            created_date=day,
            hours_are_utc=hours_are_utc,
            deduplicated=deduplicated.get(day, ()),
            duplicates=duplicates.get(day, ()),
            corrupt=corrupt.get(day, ()),
            unregistered=unregistered.get(day, ()),
            footer_rows=footer_rows.get(day, ROW_SCHEMA.to_frame()),
        )
        for day in dates
    ]


def _count_from_footers(
    report_sources: ReportSources,
    files: Mapping[str, Sequence[DataFile]],
    dates: Sequence[date],
    start: date,
    *,
    hours_are_utc: bool,
) -> dict[date, pl.DataFrame]:
    """Return the rows of each date that footers and statistics give."""
    event_tables = zip(report_sources.catalog.event_types, report_sources.event_tables, strict=True)
    rows = [
        count_arrivals(report_sources.raw, dates, hours_are_utc=hours_are_utc),
        count_corrupt(report_sources.corrupt, dates, report_sources.catalog.envelope, start),
        count_event_tables((event_type, table, files[table.table.name]) for event_type, table in event_tables),
        _sizes(chain.from_iterable(files.values())),
    ]
    rows_by_day = pl.concat(rows).partition_by(PARTITION, as_dict=True, include_key=False)
    return {day: part for (day,), part in rows_by_day.items()}


def _sizes(files: Iterable[DataFile]) -> pl.DataFrame:
    """Return the rows and bytes of each date."""
    sizes = Counter[tuple[date, str]]()
    for file in files:
        sizes[file.partition, "bytes"] += file.size
        sizes[file.partition, "rows"] += file.rows
    rows = [(day, figure, None, None, value) for (day, figure), value in sizes.items()]
    return pl.DataFrame(rows, schema=DATED_SCHEMA, orient="row")


def _by_date(files: Sequence[DataFile]) -> Mapping[date, tuple[DataFile, ...]]:
    return {day: tuple(file for file in files if file.partition == day) for day in {file.partition for file in files}}
