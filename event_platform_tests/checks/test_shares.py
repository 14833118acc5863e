"""A column that has far more or fewer nulls or distinct values than is usual is an anomaly."""

import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from event_platform.checks.bands import days_before
from event_platform.checks.faults import Fault
from event_platform.checks.result import Result
from event_platform.checks.shares import ColumnCounts, check_distinct, check_nulls
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

DAYS = [MONDAY, *days_before(MONDAY, 8)]


def check(nulls: int, before: int, rows: int = 1_000, today: date = TUESDAY, of_today: int | None = None) -> Result:
    """Return the result of a Monday on which one column has `nulls` nulls, and another one none."""
    days = {day: ColumnCounts(rows, {"a": before, "b": 0}) for day in DAYS}
    days[MONDAY] = ColumnCounts(rows if of_today is None else of_today, {"a": nulls, "b": 0})
    return check_nulls(MONDAY, days, today)


@pytest.mark.parametrize(
    ("nulls", "before", "passed"),
    [
        (0, 0, True),
        (20, 0, True),
        (25, 0, False),
        (1_000, 0, False),
        (0, 10, True),
        (100, 100, True),
        (140, 100, True),
        (170, 100, False),
        (40, 100, False),
        (1_000, 1_000, True),
        (970, 1_000, True),
        (1_000, 999, True),
        (500, 999, False),
    ],
)
def test_a_share_outside_of_what_is_usual_warns(nulls: int, before: int, passed: bool) -> None:
    """Beyond chance, and by two percentage points at least. A column that was never filled has no usual share."""
    assert check(nulls, before).passed is passed


def test_the_figures_say_which_column_and_what_is_usual() -> None:
    """Bands are returned for the columns that changed, for plots."""
    result = check(400, 100)
    band = result.bands["a"]
    assert result.description == "nulls: a: 40.0%, expected 10.0% (5.8% to 15.1% are usual)"
    assert result.metadata == {
        "rows": 1_000,
        "columns": {"a": {"share": 0.4, "expected": 0.1, "low": band.low, "high": band.high}},
    }
    assert result.bands.keys() == {"a"}
    assert result.faults == {Fault.MORE_NULLS: 300}
    assert check(0, 500).faults == {Fault.FEWER_NULLS: 500}
    assert check(0, 0).description == "nulls are usual in 2 columns"


@pytest.mark.parametrize("distinct", [100, 900])
def test_distinct_values_are_compared_in_the_same_way(distinct: int) -> None:
    """With faults of their own."""
    days = {day: ColumnCounts(1_000, {"a": 500}) for day in DAYS} | {MONDAY: ColumnCounts(1_000, {"a": distinct})}
    fault = Fault.MORE_VALUES if distinct > 500 else Fault.FEWER_VALUES
    assert check_distinct(MONDAY, days, TUESDAY).faults == {fault: 400}


@pytest.mark.parametrize("before", [[], DAYS[1:7], DAYS[7:8]])
def test_without_two_weeks_nothing_is_compared_and_it_says_so(before: Sequence[date]) -> None:
    """And neither is a day without events, or a column that is new."""
    days = {day: ColumnCounts(1_000, {"a": 0}) for day in before} | {MONDAY: ColumnCounts(1_000, {"a": 1_000})}
    result = check_nulls(MONDAY, days, TUESDAY)
    assert (result.passed, result.bands) == (True, {})
    assert result.description == "nulls are not compared: no two of the last 8 weeks have events on this day"
    known = {day: ColumnCounts(1_000, {"a": 0}) for day in DAYS[1:]}
    assert check_nulls(MONDAY, known, TUESDAY).description == "nulls are not compared: no events"
    assert check_nulls(MONDAY, known | {MONDAY: ColumnCounts(10, {"new": 10})}, TUESDAY).passed


@pytest.mark.parametrize(("of_today", "passed"), [(0, True), (499, True), (500, False)])
def test_today_is_compared_when_half_of_it_is_there(of_today: int, passed: bool) -> None:
    """Its first events need not be like those of a day."""
    assert check(of_today, 0, today=MONDAY, of_today=of_today).passed is passed


@pytest.mark.parametrize(("share", "variation"), [(0.3, 0.0), (0.1, 0.02), (0.01, 0.005)])
def test_chance_alone_does_not_warn(share: float, variation: float) -> None:
    """With weekends that differ, and whatever number of rows: fewer than one column and day in a thousand."""
    chance, warnings = random.Random(f"{share}"), 0  # noqa: S311 - a simulation

    def counted(day: date) -> ColumnCounts:
        rows = chance.randrange(200, 400)
        mean = share * (1.5 if day.weekday() > 4 else 1) + chance.gauss(0, variation)
        return ColumnCounts(rows, {"a": sum(chance.random() < mean for _ in range(rows))})

    for _ in range(4):
        days = {MONDAY - timedelta(days=number): counted(MONDAY - timedelta(days=number)) for number in range(200)}
        warnings += sum(not check_nulls(day, days, TUESDAY).passed for day in sorted(days)[60:])
    assert warnings == 0


def test_the_nulls_of_tables_are_compared(world: World) -> None:
    """Of the log: a column that a producer stops sending, on its day."""
    for number in range(3):
        day = MONDAY + timedelta(weeks=number)
        plan = {} if number == 2 else {"plan": "pro"}
        world.deliver(day, "a", *(event(f"{day}{each}", day, **plan) for each in range(100)))
    result = world.materialize(MONDAY, MONDAY + timedelta(weeks=2))
    failed = {
        (evaluation.asset_key.to_user_string(), evaluation.partition, evaluation.description)
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == "null_share" and not evaluation.passed
    }
    expected = "nulls: plan: 100.0%, expected 0.0% (0.0% to 8.8% are usual)"
    assert failed == {("events/account_created", "2025-06-16", expected)}
