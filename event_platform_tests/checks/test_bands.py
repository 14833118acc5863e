"""What is usual: a band that chance leaves rarely, and half and double of it often."""

import math
import random
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from event_platform.checks import volume
from event_platform.checks.bands import DEVIATIONS, Band, Scale, days_before, usual_band, weekdays_before
from event_platform_tests.support.world import MONDAY

TODAY = MONDAY + timedelta(days=30)
DAY = timedelta(days=1)
PLAIN = Scale(lambda value: value, lambda value: value, noise=1.0)

#: Events of each day of a week, in parts of the mean.
_WEEK = (1.12, 1.18, 1.23, 1.18, 1.06, 0.67, 0.62)

#: Types and days in each simulation. Its seed makes it the same on every machine.
_TYPES, _WEEKS = 40, 30


def poisson(mean: float, chance: random.Random) -> int:
    """Draw a count of chance."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    left, count = chance.random(), 0
    while left > math.exp(-mean):
        left, count = left * chance.random(), count + 1
    return count


def series(mean: float, variation: float) -> Iterator[dict[date, int]]:
    """Yield the counts of each type by day, which vary by chance and by a share of the day's mean."""
    chance = random.Random(f"{mean} {variation}")  # noqa: S311 - a simulation
    for _ in range(_TYPES):
        days = (MONDAY - number * DAY for number in range(7 * _WEEKS))
        yield {day: poisson(mean * _WEEK[day.weekday()] * math.exp(chance.gauss(0, variation)), chance) for day in days}


def alarms(mean: float, variation: float, factor: float = 1.0) -> float:
    """Return the share of days on which the check warns, if each day's count is multiplied after the others."""
    days = [MONDAY - number * DAY for number in range(7 * (_WEEKS - 8))]
    verdicts = [
        volume.check_day(day, {**counts, day: round(factor * counts.get(day, 0))}, TODAY).passed
        for counts in series(mean, variation)
        for day in days[:: 2 if factor == 1 else 10]
    ]
    return 1 - sum(verdicts) / len(verdicts)


@pytest.mark.parametrize(
    ("mean", "variation"), [(5, 0), (30, 0.1), (100, 0), (100, 0.1), (1_000, 0.1), (10_000, 0.15), (100_000, 0.05)]
)
def test_chance_alone_warns_on_fewer_than_one_day_in_a_thousand(mean: float, variation: float) -> None:
    """Small types, large ones, quiet ones and noisy ones, with a weekly pattern."""
    assert alarms(mean, variation) <= 0.001


@pytest.mark.parametrize(
    ("mean", "variation", "half", "double"),
    [(100, 0, 0.6, 0.85), (200, 0.05, 0.8, 0.95), (1_000, 0.05, 0.99, 0.99), (10_000, 0.1, 0.85, 0.85)],
)
def test_half_and_double_warn(mean: float, variation: float, half: float, double: float) -> None:
    """The more events a type has, and the less they vary, the surer."""
    assert alarms(mean, variation, 0.5) >= half
    assert alarms(mean, variation, 2.0) >= double


def test_the_band_is_around_the_median_of_the_weekday() -> None:
    """As wide as days change from week to week, and never narrower than chance."""
    values = {each: float(each.weekday()) for each in days_before(MONDAY, 8)}
    width = DEVIATIONS * math.sqrt(1 + math.pi / 16)
    assert usual_band(MONDAY, values, PLAIN, 8, DEVIATIONS) == Band(-width, width, 0.0)
    alternating = {each: 100.0 * (number // 7 % 2) for number, each in enumerate(days_before(MONDAY, 8))}
    band = usual_band(MONDAY, alternating, PLAIN, 8, DEVIATIONS)
    assert band is not None
    assert band.expected == 50.0
    assert band.high - band.low == pytest.approx(2 * width * 1.4826 * 100 / math.sqrt(2))


def test_one_outlier_changes_nothing() -> None:
    """Neither the middle nor the width."""
    values = dict.fromkeys(days_before(MONDAY, 8), 7.0)
    band = usual_band(MONDAY, values, PLAIN, 8, DEVIATIONS)
    assert usual_band(MONDAY, values | {weekdays_before(MONDAY, 8)[0]: 1e9}, PLAIN, 8, DEVIATIONS) == band


def test_without_two_such_weekdays_there_is_no_band() -> None:
    """However many other days there are, and whatever is before the weeks that are compared."""
    days = [each for each in days_before(MONDAY, 8) if each.weekday() != MONDAY.weekday()]
    others = dict.fromkeys(days, 1.0) | {
        MONDAY: 1.0,
        MONDAY - timedelta(weeks=1): 1.0,
        MONDAY - timedelta(weeks=9): 1.0,
    }
    assert usual_band(MONDAY, others, PLAIN, 8, DEVIATIONS) is None
    assert usual_band(MONDAY, others | {MONDAY - timedelta(weeks=8): 1.0}, PLAIN, 8, DEVIATIONS) is not None
