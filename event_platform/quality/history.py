"""The daily history (created_date, figure, event_name, label, value) → values by day."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import polars as pl

_DAY = timedelta(days=1)
_WEEKS = [timedelta(weeks=number) for number in (1, 2, 3, 4)]
_FEWEST_WEEKS = 2

#: Values in `_rescued` by outcome, except those that the schema expects there.
RESCUED = ("unknown_field", "rescued_field", "repeated_key")

#: Figures with rows for each column of each type: most of a history, and of no use in sums.
_BY_COLUMN = ("null", "sampled", "distinct", "value")

#: Values of a day by figure.
Totals = Mapping[str, Mapping[date, int]]


def sum_days(history: pl.DataFrame) -> Totals:
    """Return the sum of each figure by day. Figures by column are left out."""
    sums = (
        history.lazy()
        .filter(~pl.col("figure").is_in(_BY_COLUMN))
        .group_by("figure", "created_date")
        .agg(pl.col("value").sum())
        .collect()
    )
    by_figure: dict[str, dict[date, int]] = {}
    for figure, day, value in sums.iter_rows():
        by_figure.setdefault(figure, {})[day] = value
    return by_figure


def sum_figures(totals: Totals, *figures: str) -> dict[date, int]:
    """Return the sum of some figures by day."""
    sums: dict[date, int] = {}
    for figure in figures:
        for day, value in totals.get(figure, {}).items():
            sums[day] = sums.get(day, 0) + value
    return sums


def days_of(days: Iterable[date]) -> list[date]:
    """Return every day from the first to the last one."""
    named_days = list(days)
    if not named_days:
        return []
    first = min(named_days)
    return [first + number * _DAY for number in range((max(named_days) - first).days + 1)]


def days_before(last: date, count: int) -> list[date]:
    """Return the last days up to one."""
    return [last - number * _DAY for number in reversed(range(count))]


def usual_of(values: Mapping[date, float], day: date) -> float | None:
    """Return the median of the same weekday in the four weeks before; None with fewer than two values."""
    before = [values[day - week] for week in _WEEKS if day - week in values]
    return statistics.median(before) if len(before) >= _FEWEST_WEEKS else None


def usual(values: Mapping[date, float], days: Sequence[date]) -> dict[date, float]:
    """Return the usual value of each day that has one: the median of the same weekday."""
    by_day = {day: usual_of(values, day) for day in days}
    return {day: value for day, value in by_day.items() if value is not None}
