"""The figures of one event type → the table lines of its page: nulls, drift, values, days."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from event_platform.checks.result import Finding
from event_platform.events.catalog import EventType
from event_platform.events.columns import typed
from event_platform.quality.failures import Status, status_of
from event_platform.quality.plots import sparkline
from event_platform.quality.text import shown

_TEXT_LENGTH = 120
_DAY = timedelta(days=1)
_WEEK = 7
_VALUES_LISTED = 10
_DRIFT_LISTED = 50

#: Figures of drift, and their descriptions.
_DRIFT = {
    "unknown_field": "not in the schema",
    "rescued_field": "does not fit its column",
    "repeated_key": "a key was written twice",
    "broken_rule": "breaks a rule",
    "failed_derivation": "could not be derived",
}

_COLUMNS = ("event_name", "figure", "label", "created_date", "value")

#: Values by day, by figure and label.
TypeFigures = Mapping[tuple[str, str | None], Mapping[date, int]]


@dataclass(frozen=True)
class NullLine:
    """A column with nulls: their share on the last day and in the week before."""

    column: str
    share: float
    before: float | None
    trend: str


@dataclass(frozen=True)
class DriftLine:
    """A field with values that fit no column or break a rule. `since` is None if it had some on each known day."""

    what: str
    field: str
    last: int
    sum: int
    since: date | None
    trend: str


@dataclass(frozen=True)
class ValueLine:
    """A value, its share of the sample of the last day, and the shift against the week before, in points."""

    value: str
    share: float
    shift: float | None


@dataclass(frozen=True)
class DayLine:
    """A day of the type."""

    day: date
    status: Status
    events: int
    late: int
    duplicates: int
    drift: int


def read_figures(event_type: EventType, history: pl.DataFrame, days: Sequence[date]) -> TypeFigures:
    """Return the figures of a type on some days."""
    names, known = {*event_type.names}, {*days}
    by_type: dict[tuple[str, str | None], dict[date, int]] = {}
    # A query of polars takes longer than to look at each row of a type.
    for name, figure, label, day, value in zip(*(history[column] for column in _COLUMNS), strict=True):
        if name in names and day in known:
            by_day = by_type.setdefault((figure, label), {})
            by_day[day] = by_day.get(day, 0) + value
    return by_type


def sum_labels(figures: TypeFigures, *names: str) -> dict[date, int]:
    """Return the sum of some figures by day."""
    sums: dict[date, int] = {}
    for (figure, _), by_day in figures.items():
        if figure in names:
            for day, value in by_day.items():
                sums[day] = sums.get(day, 0) + value
    return sums


def share_of(part: Mapping[date, int], whole: Mapping[date, int], days: Sequence[date]) -> dict[date, float | None]:
    """Return the share of each day; None if the whole is missing."""
    return {day: part.get(day, 0) / whole[day] if whole.get(day) else None for day in days}


def _week_before(day: date) -> list[date]:
    return [day - number * _DAY for number in range(1, _WEEK + 1)]


def _share(part: Mapping[date, int], whole: Mapping[date, int], days: Sequence[date]) -> float | None:
    """Return the share over some days together."""
    events = sum(whole.get(day, 0) for day in days)
    return sum(part.get(day, 0) for day in days) / events if events else None


def list_nulls(
    event_type: EventType, figures: TypeFigures, events: Mapping[date, int], days: Sequence[date]
) -> list[NullLine]:
    """Return a line for each column with nulls on one of the days, the largest share first."""
    last = max((day for day in days if events.get(day)), default=None)
    if last is None:
        return []
    lines = [
        NullLine(
            column=column.name,
            share=_share(nulls, events, [last]) or 0.0,
            before=_share(nulls, events, _week_before(last)),
            trend=sparkline([round(1000 * (share or 0)) for share in share_of(nulls, events, days).values()]),
        )
        for column in typed(event_type.stored)
        if (nulls := figures.get(("null", column.name)))
    ]
    return sorted(lines, key=lambda line: (-line.share, line.column))


def list_drift(figures: TypeFigures, days: Sequence[date], known: Sequence[date]) -> list[DriftLine]:
    """Return a line for each field or rule with drift on one of the days, the newest first. `known` are all days."""
    lines = [
        _drift_line(_DRIFT[figure], label, by_day, days, known)
        for (figure, label), by_day in figures.items()
        if figure in _DRIFT and any(by_day.get(day) for day in days)
    ]
    ranked = sorted(lines, key=lambda line: (-(line.since or date.min).toordinal(), -line.sum, line.what, line.field))
    return ranked[:_DRIFT_LISTED]


def _drift_line(
    outcome: str, label: str | None, by_day: Mapping[date, int], days: Sequence[date], known: Sequence[date]
) -> DriftLine:
    first = min(day for day, value in by_day.items() if value)
    values = [by_day.get(day, 0) for day in days]
    field = shown(label or "", _TEXT_LENGTH)
    return DriftLine(outcome, field, values[-1], sum(values), first if first > known[0] else None, sparkline(values))


def list_values(figures: TypeFigures, days: Sequence[date]) -> dict[str, list[ValueLine]]:
    """Return the most frequent values of each column with few values, and how their shares changed."""
    sampled = sum_labels(figures, "sampled")
    last = max((day for day in days if sampled.get(day)), default=None)
    listed: dict[str, list[ValueLine]] = {}
    if last is None:
        return listed
    for column, value, by_day in _values(figures):
        share, before = _share(by_day, sampled, [last]) or 0.0, _share(by_day, sampled, _week_before(last))
        if share or before:
            listed.setdefault(column, []).append(ValueLine(value, share, None if before is None else share - before))
    ranked = {column: sorted(lines, key=lambda line: (-line.share, line.value)) for column, lines in listed.items()}
    return {column: ranked[column][:_VALUES_LISTED] for column in sorted(ranked)}


def _values(figures: TypeFigures) -> Iterator[tuple[str, str, Mapping[date, int]]]:
    """Yield column, value and rows by day. The name of a column has no equals sign."""
    for (figure, label), by_day in figures.items():
        if figure == "value" and label is not None:
            column, _, value = label.partition("=")
            yield shown(column, _TEXT_LENGTH), shown(value, _TEXT_LENGTH), by_day


def list_days(figures: TypeFigures, findings: Mapping[date, Sequence[Finding]], days: Sequence[date]) -> list[DayLine]:
    """Return a line for each day, the newest first."""
    events, late = sum_labels(figures, "events"), sum_labels(figures, "late")
    duplicates, drift = sum_labels(figures, "duplicates"), sum_labels(figures, *_DRIFT)
    return [
        DayLine(
            day, status_of(findings.get(day, ())), *(by_day.get(day, 0) for by_day in (events, late, duplicates, drift))
        )
        for day in reversed(days)
    ]
