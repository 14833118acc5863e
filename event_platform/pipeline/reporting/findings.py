"""The findings of checks on the days of a lake, from quality_report and its history."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from event_platform.checks.judging import Figures, judge_day
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.pipeline.reporting.history import read_months, rows_of
from event_platform.pipeline.reporting.judged import current_findings, read_findings
from event_platform.pipeline.reporting.unreported import unreported_findings


def lake_findings(
    lake: Lake, catalog: Catalog, thresholds: Thresholds, days: Collection[date], start: date, today: date
) -> list[Finding]:
    """Return the findings of every non-blocking check on some days, passed ones included.

    Findings from the time of the report are read from a file per month; days missing there are judged from the history.
    For arrival dates without a report, on which nothing sound arrived, corrupt records are counted. `start` is the
    first partition.
    """
    report = lake.quality_report.snapshot()
    reported_days = sorted(day for day in report.rows_by_date() if day in days)
    findings = current_findings(read_findings(report.table.storage, reported_days), report, thresholds, today)
    unjudged_days = [day for day in reported_days if day not in findings]
    if unjudged_days:
        figures = Figures.of(rows_of(read_months(report, days_compared(unjudged_days, thresholds))))
        findings |= {day: judge_day(figures, catalog, thresholds, day, today) for day in unjudged_days}
    unreported = unreported_findings(lake, catalog.envelope, thresholds, set(days) - set(reported_days), start)
    return [*(each for day in reported_days for each in findings[day]), *unreported]


def days_compared(days: Iterable[date], thresholds: Thresholds) -> set[date]:
    """Return the days whose figures are needed to judge some days: the weeks before, the day, and the day after."""
    offsets = range(-thresholds.history.days, 2)
    return {day + timedelta(days=offset) for day in days for offset in offsets}
