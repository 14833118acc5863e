"""Judge a day by its rows of quality_report: the result of each non-blocking check.

The asset checks count the same figures in the tables when they run. The report has them for every day.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from event_platform.checks import conformance, gaps, rates, shares, volume
from event_platform.checks.conformance import Conformance
from event_platform.checks.corruption import Times
from event_platform.checks.faults import Fault
from event_platform.checks.result import Finding, Result, Severity
from event_platform.checks.shares import ColumnCounts
from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.event import DuplicateKind
from event_platform.lake.balance import DeduplicationBalance
from event_platform.lake.registry import DEDUPLICATED_EVENTS, RAW_EVENTS, UNREGISTERED_EVENTS, event_table_name

_DAY = timedelta(days=1)

#: Large figures of quality_report that no check uses.
_NOT_JUDGED = ["arrivals", "lateness", "lag", "late", "value"]

#: Event types that failed, in the description and in the metadata of their common result.
_TYPES_LISTED, _TYPES_KEPT = 5, 100

#: Values by label.
Labels = Mapping[str | None, int]


@dataclass(frozen=True)
class Series:
    """The values of an event type that are compared with other days: only days with events, or with a sample."""

    events: Mapping[date, int]
    nulls: Mapping[date, ColumnCounts]
    distinct: Mapping[date, ColumnCounts]


@dataclass(frozen=True)
class Figures:
    """Rows of quality_report by day, event_name, figure and label."""

    days: Mapping[date, Mapping[str | None, Mapping[str, Labels]]]
    _series: dict[str, Series] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "Figures":
        """Return rows (created_date, figure, event_name, label, value) for the checks."""
        days = defaultdict[date, dict[str | None, dict[str, dict[str | None, int]]]](dict)
        judged = rows.filter(~pl.col("figure").is_in(_NOT_JUDGED))
        for day, figure, name, label, value in judged.select(_COLUMNS).iter_rows():
            days[day].setdefault(name, {}).setdefault(figure, {})[label] = value
        return cls(days)

    def labels(self, day: date, figure: str, name: str | None = None) -> Labels:
        """Return the values of a figure of an event name by label."""
        return self.days.get(day, {}).get(name, {}).get(figure, {})

    def total(self, day: date, figure: str, name: str | None = None) -> int:
        """Return the sum of a figure of an event name."""
        return sum(self.labels(day, figure, name).values())

    def series(self, event_type: EventType) -> Series:
        """Return the compared values of an event type on all days. Cached, because each day is compared with others."""
        if event_type.key not in self._series:
            self._series[event_type.key] = self._make_series(event_type)
        return self._series[event_type.key]

    def _make_series(self, event_type: EventType) -> Series:
        name, columns = event_type.name, shares.compared_columns(event_type)
        events = {
            day: sum(self.total(day, "events", event_name) for event_name in event_type.names) for day in self.days
        }
        nulls, distinct = dict[date, ColumnCounts](), dict[date, ColumnCounts]()
        for day in self.days:
            if events[day]:
                labels = self.labels(day, "null", name)
                nulls[day] = ColumnCounts(events[day], {column: labels.get(column, 0) for column in columns})
            if sampled := self.total(day, "sampled", name):
                labels = self.labels(day, "distinct", name)
                distinct[day] = ColumnCounts(sampled, {str(column): count for column, count in labels.items()})
        return Series({day: count for day, count in events.items() if count}, nulls, distinct)

    def by_name(self, day: date, figure: str) -> dict[str | None, Labels]:
        """Return the values of a figure by event name."""
        return {name: figures[figure] for name, figures in self.days.get(day, {}).items() if figure in figures}


_COLUMNS = ("created_date", "figure", "event_name", "label", "value")


def judge(
    figures_of_day: pl.DataFrame,
    history: pl.DataFrame,
    catalog: Catalog,
    thresholds: Thresholds,
    day: date,
    today: date,
) -> list[Finding]:
    """Return the result of every non-blocking check on a day, passed ones included.

    `figures_of_day` are the day's rows of quality_report, with or without the date. `history` are the rows of the days
    before and after, with the date (see `pipeline.reporting.history`); rows of the day itself are ignored.
    """
    of_other_days = history.filter(pl.col("created_date") != day).select(_COLUMNS)
    of_day = figures_of_day.with_columns(created_date=pl.lit(day)).select(_COLUMNS)
    return judge_day(Figures.of(pl.concat([of_other_days, of_day])), catalog, thresholds, day, today)


def judge_day(figures: Figures, catalog: Catalog, thresholds: Thresholds, day: date, today: date) -> list[Finding]:
    """Return the result of every non-blocking check on a day, passed ones included."""
    results = [
        *_results_of_platform(figures, catalog, thresholds, day),
        *(
            finding
            for event_type in catalog.event_types
            for finding in _results_of_type(figures, event_type, thresholds, day, today)
        ),
    ]
    return [Finding(asset, check, day, result) for asset, check, result in results]


def join_types(findings: Iterable[Finding], check: str) -> Result:
    """Return the results of a check on all event types of a day as one result, the worst failures first."""
    of_check = [finding for finding in findings if finding.check == check]
    failed = [finding for finding in of_check if not finding.result.passed]
    failed.sort(key=lambda finding: (-sum(finding.result.faults.values()), finding.asset))
    if not failed:
        return Result(passed=True, description=f"no fault in {len(of_check)} event types", severity=Severity.WARN)
    faults = Counter[Fault]()
    for finding in failed:
        faults.update(finding.result.faults)
    listed = "; ".join(f"{finding.asset}: {finding.result.description}" for finding in failed[:_TYPES_LISTED])
    return Result(
        passed=False,
        description=f"{len(failed)} of {len(of_check)} event types: {listed}",
        metadata={"event_types": {finding.asset: finding.result.description for finding in failed[:_TYPES_KEPT]}},
        severity=Severity.WARN,
        faults=faults,
    )


def _results_of_platform(
    figures: Figures, catalog: Catalog, thresholds: Thresholds, day: date
) -> Iterator[tuple[str, str, Result]]:
    limits = thresholds.corruption_warn_above, thresholds.corruption_error_above
    times = Times.from_labels(figures.labels(day, "corrupt_time"))
    reasons = {str(reason): count for reason, count in figures.labels(day, "corrupt").items()}
    yield (
        RAW_EVENTS.name,
        rates.CORRUPTION,
        rates.check_corruption(figures.total(day, "landed"), reasons, *limits, times),
    )
    yield RAW_EVENTS.name, gaps.NAME, gaps.check_day(day, _objects(figures, day))
    balance = _balance(figures, day)
    yield (
        DEDUPLICATED_EVENTS.name,
        rates.DUPLICATION,
        rates.check_duplication(balance, thresholds.duplicates_warn_above, _duplicate_names(figures, day)),
    )
    yield UNREGISTERED_EVENTS.name, rates.UNREGISTERED, _check_unregistered(figures, catalog, day)


def _results_of_type(
    figures: Figures, event_type: EventType, thresholds: Thresholds, day: date, today: date
) -> Iterator[tuple[str, str, Result]]:
    asset = event_table_name(event_type)
    yield asset, conformance.NAME, conformance.check_day(Conformance.from_figures(_rows(figures, event_type, day)))
    weeks, deviations = thresholds.anomaly_weeks, thresholds.anomaly_deviations
    series = figures.series(event_type)
    yield asset, volume.NAME, volume.check_day(day, series.events, today, weeks, volume.allowed(event_type, deviations))
    yield asset, shares.NULLS, shares.check_nulls(day, series.nulls, today, weeks, deviations)
    yield asset, shares.DISTINCT, shares.check_distinct(day, series.distinct, today, weeks, deviations)


def _rows(figures: Figures, event_type: EventType, day: date) -> Iterable[conformance.Figure]:
    of_type = figures.days.get(day, {}).get(event_type.name, {})
    return ((figure, label, value) for figure, labels in of_type.items() for label, value in labels.items())


def _objects(figures: Figures, day: date) -> dict[date, dict[int, int]]:
    """Return the objects by hour of a day and its two neighbours, without days that have none."""
    objects: dict[date, dict[int, int]] = {}
    for arrival_date in (day - _DAY, day, day + _DAY):
        hours = {
            int(hour): count for hour, count in figures.labels(arrival_date, "objects").items() if hour is not None
        }
        objects |= {arrival_date: hours} if hours else {}
    return objects


def _balance(figures: Figures, day: date) -> DeduplicationBalance:
    duplicates = figures.by_name(day, "duplicates").values()
    redelivery, conflict = (
        sum(labels.get(kind.value, 0) for labels in duplicates)
        for kind in (DuplicateKind.REDELIVERY, DuplicateKind.CONFLICT)
    )
    events = sum(sum(labels.values()) for labels in figures.by_name(day, "events").values())
    return DeduplicationBalance(day, figures.total(day, "created"), events, redelivery, conflict)


def _duplicate_names(figures: Figures, day: date) -> dict[str, dict[str, int]]:
    """Return the duplicates of each kind by event name, without names that are not in the catalog."""
    names: dict[str, dict[str, int]] = {}
    for name, labels in figures.by_name(day, "duplicates").items():
        for kind, count in labels.items() if name is not None else ():
            names.setdefault(str(kind), {})[str(name)] = count
    return names


def _check_unregistered(figures: Figures, catalog: Catalog, day: date) -> Result:
    names = {name: sum(labels.values()) for name, labels in figures.by_name(day, "unregistered").items()}
    other_events = names.pop(None, 0)
    listed = {str(name): count for name, count in names.items()}
    unlisted = max(figures.total(day, "unregistered_names") - len(listed), 0)
    return rates.check_unregistered(listed, catalog.names, other_events, unlisted)
