"""A day with far fewer or far more events of a type than its weekday had before is told."""

from datetime import date, timedelta

import pytest

from event_platform.checks import volume
from event_platform.checks.result import Result, Severity
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

WEEKS = [MONDAY - timedelta(weeks=number) for number in (1, 2, 3, 4)]


def evaluate_checks(rows: int, *before: int, today: date = TUESDAY) -> Result:
    """Judge Monday by its rows and those of the Mondays before, the latest first."""
    counts = {MONDAY: rows, **dict(zip(WEEKS, before, strict=False))}
    return volume.check_day(MONDAY, counts, today)


@pytest.mark.parametrize(
    ("rows", "before", "passed"),
    [
        (1000, (1000, 1000, 1000, 1000), True),
        (500, (1000, 1000, 1000, 1000), True),
        (499, (1000, 1000, 1000, 1000), False),
        (2000, (1000, 1000, 1000, 1000), True),
        (2001, (1000, 1000, 1000, 1000), False),
        (0, (1000, 1000, 1000, 1000), False),
        (1000, (1000, 1000, 90_000, 3), True),
        (1000, (2000, 0, 0, 2000), True),
        (999, (2000, 0, 0, 2000), False),
        (0, (16, 16, 16, 16), True),
        (0, (17, 17, 17, 17), False),
        (12, (4, 4, 4, 4), True),
        (13, (4, 4, 4, 4), False),
    ],
)
def test_less_than_half_or_more_than_double_of_what_is_expected_warns(
    rows: int, before: tuple[int, ...], passed: bool
) -> None:
    """The median of the weeks that have any, so that one odd week changes nothing; small counts may stray."""
    verdict = evaluate_checks(rows, *before)
    assert (verdict.passed, verdict.severity) == (passed, Severity.WARN)


@pytest.mark.parametrize("before", [(), (1000,), (0, 0, 1000, 0)])
def test_without_two_weeks_to_compare_with_every_volume_passes_and_says_so(before: tuple[int, ...]) -> None:
    """A type that is new has no expectation yet."""
    verdict = evaluate_checks(5, *before)
    weeks = len([rows for rows in before if rows])
    assert verdict.passed
    assert verdict.description == f"5 events; not compared: {weeks} of the last 4 weeks have events on this day"


@pytest.mark.parametrize(("rows", "passed"), [(0, True), (499, True), (2001, False)])
def test_today_may_still_have_too_few_but_not_too_many(rows: int, passed: bool) -> None:
    """It is not over."""
    assert evaluate_checks(rows, 1000, 1000, today=MONDAY).passed is passed


def test_the_figures_say_what_was_expected_and_why() -> None:
    """Each week by its date."""
    verdict = evaluate_checks(450, 1000, 800)
    assert verdict.description == "450 events, 50% of the 900 expected for this weekday"
    assert verdict.metadata == {
        "rows": 450,
        "expected": 900.0,
        "ratio": 0.5,
        "weeks": {"2025-05-26": 1000, "2025-05-19": 800},
    }


def test_each_type_and_day_is_compared_with_its_own_weekdays(world: World) -> None:
    """Of one type too few on Monday, of another too many on Tuesday; nothing is stopped."""
    for day in (*WEEKS[:2], MONDAY, TUESDAY, *(week + timedelta(days=1) for week in WEEKS[:2])):
        lessons = 2 if day == MONDAY else 40
        accounts = 100 if day == TUESDAY else 40
        world.deliver(
            day, "a", *(event(f"l{day}{number}", day, "lesson:started", user="u") for number in range(lessons))
        )
        world.deliver(day, "b", *(event(f"a{day}{number}", day) for number in range(accounts)))
    for week in (WEEKS[1], WEEKS[0]):
        assert world.materialize(week, week + timedelta(days=1)).success
    result = world.materialize(MONDAY, TUESDAY)
    assert result.success
    failed = {
        (each.asset_key.to_user_string(), each.partition, each.description)
        for each in result.get_asset_check_evaluations()
        if each.check_name == "volume" and not each.passed
    }
    assert failed == {
        ("events/lesson_started", "2025-06-02", "2 events, 5% of the 40 expected for this weekday"),
        ("events/account_created", "2025-06-03", "100 events, 250% of the 40 expected for this weekday"),
    }
