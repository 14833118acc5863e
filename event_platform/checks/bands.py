"""The usual range of a daily value: a band around the median of the same weekday in the weeks before.

Its width is the median change from week to week over all days of these weeks. It is never narrower than the random
variation of equal days, so that a constant series is not an anomaly. Medians ignore single outliers.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

#: Weeks that are compared, and how many are needed: before, it is a cold start.
WEEKS, FEWEST_WEEKS = 8, 2

#: Standard deviations from the median to each side of the band. Where counts vary by up to 20 % from day to day, fewer
#: than 1 day in 1,000 is outside. Half and double of 1,000 events are outside on all days if they vary by 5 %, and on 4
#: days in 5 if by 10 %. See event_platform_tests/checks/test_bands.py.
DEVIATIONS = 4.5

_WEEK = timedelta(weeks=1)

#: A median absolute deviation as a standard deviation of normally distributed values.
_MAD = 1.4826

#: Variance of the median of a few values, by that of their mean.
_MEDIAN_VARIANCE = math.pi / 2


@dataclass(frozen=True)
class Band:
    """The usual range of a daily value. Values outside of `low` to `high` are anomalies."""

    low: float
    high: float
    expected: float


@dataclass(frozen=True)
class Scale:
    """A scale on which chance has the same width for every value: there and back, and the standard deviation on it."""

    there: Callable[[float], float]
    back: Callable[[float], float]
    noise: float


def weekdays_before(day: date, weeks: int) -> list[date]:
    """Return the same weekday of the weeks before, the latest first."""
    return [day - number * _WEEK for number in range(1, weeks + 1)]


def days_before(day: date, weeks: int) -> list[date]:
    """Return all days of the weeks before, the latest first."""
    return [day - timedelta(days=number) for number in range(1, 7 * weeks + 1)]


def usual_band(day: date, values: Mapping[date, float], scale: Scale, weeks: int, deviations: float) -> Band | None:
    """Return the band of a day; None if fewer than two earlier weeks have a value on its weekday.

    `values` are those of other days. Days without a value are skipped.
    """
    on_weekday = [values[past] for past in weekdays_before(day, weeks) if past in values]
    if len(on_weekday) < FEWEST_WEEKS:
        return None
    expected = statistics.median(on_weekday)
    middle = scale.there(expected)
    width = deviations * max(scale.noise, _spread(day, values, scale, weeks))
    width *= math.sqrt(1 + _MEDIAN_VARIANCE / len(on_weekday))
    return Band(scale.back(middle - width), scale.back(middle + width), expected)


def _spread(day: date, values: Mapping[date, float], scale: Scale, weeks: int) -> float:
    """Return the standard deviation of a day on the scale, from the median change from week to week."""
    last = day.toordinal()  # days as numbers: they are compared for each column of a type
    numbers = range(last - 7 * weeks, last)
    known = {number: value for past, value in values.items() if (number := past.toordinal()) in numbers}
    if len(set(known.values())) <= 1:
        return 0.0
    known = {number: scale.there(value) for number, value in known.items()}
    changes = [abs(value - known[number - 7]) for number, value in known.items() if number - 7 in known]
    return _MAD * statistics.median(changes) / math.sqrt(2) if changes else 0.0
