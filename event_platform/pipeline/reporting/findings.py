"""What the checks find of the days of a lake, from quality_report and its history."""

from collections.abc import Collection
from datetime import date, timedelta

from event_platform.checks.judging import Figures, judge_day
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.pipeline.reporting.history import read_history

#: Days after a day that its checks look at.
AFTER = timedelta(days=1)


def lake_findings(
    lake: Lake, catalog: Catalog, thresholds: Thresholds, today: date, days: Collection[date] | None = None
) -> list[Finding]:
    """Return what every check that is not blocking finds of `days` (by default, of all that have a report).

    Passed ones are among them. A file of the history is read for each month, and the report itself of days that this
    lacks. Days without a report have no findings.
    """
    report = lake.quality_report.snapshot()
    reported = sorted(day for day in report.rows_by_date() if days is None or day in days)
    if not reported:
        return []
    figures = Figures.of(read_history(report, reported[0] - thresholds.history, reported[-1] + AFTER))
    return [each for day in reported for each in judge_day(figures, catalog, thresholds, day, today)]
