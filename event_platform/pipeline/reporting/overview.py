"""The history of a lake including the days of a run, and the findings of checks for the days on pages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain, pairwise

import polars as pl

from event_platform.checks.judging import Figures, judge_day
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog, EventType
from event_platform.lake.derived import contents, digest
from event_platform.lake.files import DataFile
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.reporting.findings import days_compared
from event_platform.pipeline.reporting.history import (
    Month,
    known_rows,
    read_months,
    replace_days,
    rows_of,
    store_months,
)
from event_platform.pipeline.reporting.judged import (
    DayFindings,
    Months,
    current_findings,
    read_findings,
    store_findings,
)
from event_platform.pipeline.reporting.pages import (
    INDEX_DAYS,
    TYPE_DAYS,
    PageSources,
    changed_names,
    names_of,
    write_index,
    write_types,
)
from event_platform.pipeline.reporting.rows import PARTITION
from event_platform.pipeline.reporting.samples import EventFiles, read_example
from event_platform.pipeline.reporting.sources import schema_id, with_other_schema
from event_platform.pipeline.reporting.statuses import read_statuses, store_statuses
from event_platform.pipeline.reporting.tasks import CountedDay
from event_platform.quality.failures import Status, status_of
from event_platform.storage.storage import Storage


@dataclass(frozen=True)
class Overview:
    """The days of a run, and the last days of the lake, as pages show them."""

    catalog: Catalog
    thresholds: Thresholds
    day_figures: Mapping[date, pl.DataFrame]  # by the run
    reported_days: Collection[date]
    linked_days: Collection[date]  # days before and after that had no page, and get links now
    months: Sequence[Month]  # including the days that the run has counted
    history: pl.DataFrame  # the rows of `months`
    other_schemas: Sequence[EventType]  # types whose pages were drawn from other schemas
    changed_names: set[str]  # event names of other_schemas, and those with changed figures on complete days
    findings: Mapping[date, Sequence[Finding]]  # of the days that are shown
    stored_findings: Months  # earlier findings
    new_findings: Mapping[date, DayFindings]  # present findings
    older_statuses: Mapping[date, Status]  # of the days that only the calendar shows
    statuses: Mapping[date, Status] | None  # to be stored
    today: date

    @classmethod
    def read(
        cls, report: Snapshot, catalog: Catalog, thresholds: Thresholds, counted_days: Sequence[CountedDay]
    ) -> "Overview":
        """Read the history of a report, add the days of a run that are not in it yet, and judge its days."""
        storage, today = report.table.storage, datetime.now(UTC).date()
        days = {each.created_date for each in counted_days}
        before_run = set(report.rows_by_date())
        reported_days = before_run | days
        linked_days = _neighbours(days - before_run, reported_days) - days
        last_day = max(reported_days)
        older_days = {day for day in reported_days if day <= last_day - INDEX_DAYS}
        shown_days, statuses = reported_days - older_days, read_statuses(storage) if older_days else {}
        needed_days = shown_days | days | linked_days | (older_days - statuses.keys())
        stored_findings = read_findings(storage, needed_days)
        current = current_findings(stored_findings, report, thresholds, today)
        known_findings = {day: day_statuses for day, day_statuses in current.items() if day in needed_days}
        judged_days = sorted(days | (needed_days - known_findings.keys()))
        compared_days = days_compared(judged_days, thresholds)
        old_months = read_months(report, shown_days | compared_days)
        months = replace_days(old_months, days, _rows(counted_days))
        old_history, history = rows_of(old_months), rows_of(months)
        figures = Figures.of(history.filter(pl.col(PARTITION).is_in(compared_days)))
        new_findings = {day: judge_day(figures, catalog, thresholds, day, today) for day in judged_days}
        day_statuses = {day: status_of(each) for day, each in (known_findings | new_findings).items()}
        other_schemas = with_other_schema(report, catalog.event_types)
        files = contents(report) | {each.created_date: digest([each.add.path]) for each in counted_days if each.add}
        return cls(
            catalog=catalog,
            thresholds=thresholds,
            day_figures={each.created_date: each.figures for each in counted_days},
            reported_days=reported_days,
            linked_days=linked_days,
            months=months,
            history=history,
            other_schemas=other_schemas,
            changed_names={each.name for each in other_schemas}
            | changed_names(old_history, history, {day for day in days if day > last_day - TYPE_DAYS} - {today})
            | names_of(history, {day for day in judged_days if last_day - TYPE_DAYS < day < today} - days),
            findings=known_findings | new_findings,
            stored_findings=stored_findings,
            new_findings={
                day: DayFindings(files.get(day, 0), thresholds, today, findings)
                for day, findings in new_findings.items()
            },
            older_statuses={day: day_statuses.get(day) or statuses[day] for day in older_days},
            statuses=None if not older_days or statuses.items() >= day_statuses.items() else statuses | day_statuses,
            today=today,
        )

    @property
    def transactions(self) -> dict[str, int]:
        """The app transactions to store with the report: the schemas behind its pages of event types."""
        return {schema_id(each): each.schema_digest for each in self.other_schemas}

    def page_sources(
        self,
        day: date,
        figures: pl.DataFrame,
        corrupt: Sequence[DataFile],
        tables: Sequence[tuple[EventType, Snapshot]],
    ) -> PageSources:
        """Return the sources of the page of a day, either of the run or one that is linked."""
        broken = {*figures.filter(pl.col("figure") == "broken_rule")["event_name"]}
        return PageSources(
            day=day,
            figures=figures,
            corrupt=corrupt,
            event_files=[
                EventFiles(event_type, table.table, table.schema, table.files([day]))
                for event_type, table in tables
                if event_type.name in broken
            ],
            findings=self.findings[day],
            thresholds=self.thresholds,
            keys={name: event_type.key for name, event_type in self.catalog.by_name.items()},
            days=self.reported_days,
        )

    def write(
        self,
        storage: Storage,
        cpu: Mapping[date, float],
        tables: Sequence[tuple[EventType, Snapshot]],
        filtered_counts: Mapping[date, int] | None,
    ) -> None:
        """Write the page of the lake, and the pages of event types that have changed or are missing.

        `cpu` are the CPU seconds of each day; `filtered_counts` the events that the filter dropped, if there is one.
        """
        last_day = max(self.reported_days)
        history = self.history.filter(pl.col(PARTITION).is_between(last_day - INDEX_DAYS, last_day, closed="right"))
        write_index(
            storage, self.catalog, history, self.findings, self.older_statuses, self.today, cpu, filtered_counts
        )
        by_key = {event_type.key: table for event_type, table in tables}

        def example(event_type: EventType) -> str:
            return read_example(event_type, by_key[event_type.key], self.today)

        write_types(storage, self.catalog, history, self.findings, self.changed_names, example)

    def store(self, storage: Storage) -> None:
        """Store months, findings and statuses for the next run. Call it after the run's figures are committed."""
        store_months(storage, self.months)
        store_findings(storage, self.stored_findings, self.new_findings)
        if self.statuses is not None:
            store_statuses(storage, self.statuses)


def _neighbours(days: Collection[date], reported_days: Collection[date]) -> set[date]:
    """Return the reported days before and after some days."""
    in_order = sorted(reported_days)
    return {neighbour for day, neighbour in chain(pairwise(in_order), pairwise(reversed(in_order))) if day in days}


def _rows(counted_days: Sequence[CountedDay]) -> pl.DataFrame:
    return known_rows((each.created_date, each.figures, each.add.path) for each in counted_days if each.add is not None)
