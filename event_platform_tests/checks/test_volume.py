"""A day with far fewer or far more events of a type than its weekday had before is told."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from event_platform.checks import volume
from event_platform.checks.bands import weekdays_before
from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, event

WEEKS = weekdays_before(MONDAY, 8)


def evaluate_checks(rows: int, *before: int, today: date = TUESDAY, deviations: float | None = 4.5) -> Result:
    """Judge Monday by its rows and those of the Mondays before, the latest first."""
    counts = {MONDAY: rows, **dict(zip(WEEKS, before, strict=False))}
    return volume.check_day(MONDAY, counts, today, deviations=deviations)


@pytest.mark.parametrize(
    ("rows", "before", "passed"),
    [
        (1000, (1000,) * 8, True),
        (750, (1000,) * 8, True),
        (600, (1000,) * 8, False),
        (1300, (1000,) * 8, True),
        (1500, (1000,) * 8, False),
        (0, (1000,) * 8, False),
        (1000, (1000, 1000, 90_000, 3, 1000, 1000, 1000, 1000), True),
        (1000, (1000, 0, 0, 1000), True),
        (600, (1000, 0, 0, 1000), False),
        (1_000_000, (1_000_000,) * 8, True),
        (770_000, (1_000_000,) * 8, False),
        (1_300_000, (1_000_000,) * 8, False),
        (0, (5,) * 8, True),
        (0, (7,) * 8, False),
        (14, (4,) * 8, True),
        (22, (4,) * 8, False),
        (600, (1000, 600, 1100, 500, 1000, 700), True),
    ],
)
def test_a_count_outside_of_what_is_usual_warns(rows: int, before: tuple[int, ...], passed: bool) -> None:
    """Relative to the median of the weeks with events; small counts and unsteady series may vary."""
    verdict = evaluate_checks(rows, *before)
    assert (verdict.passed, verdict.severity) == (passed, Severity.WARN)


@pytest.mark.parametrize("before", [(), (1000,), (0, 0, 1000, 0)])
def test_without_two_weeks_to_compare_with_every_volume_passes_and_says_so(before: tuple[int, ...]) -> None:
    """A type that is new has no expectation yet."""
    verdict = evaluate_checks(5, *before)
    weeks = len([rows for rows in before if rows])
    assert (verdict.passed, verdict.bands) == (True, {})
    assert verdict.description == f"5 events; not compared: {weeks} of the last 8 weeks have events on this day"


@pytest.mark.parametrize(("rows", "passed"), [(0, True), (499, True), (2001, False)])
def test_today_may_still_have_too_few_but_not_too_many(rows: int, passed: bool) -> None:
    """It is not over."""
    assert evaluate_checks(rows, 1000, 1000, today=MONDAY).passed is passed


def test_the_figures_say_what_was_expected_and_why() -> None:
    """Every week by its date, and the band for plots."""
    verdict = evaluate_checks(90, 1000, 800)
    band = verdict.bands["volume"]
    assert verdict.description == "90 events, 10% of the 900 expected for this weekday; 168 to 3,314 are usual"
    assert verdict.metadata == {
        "rows": 90,
        "expected": 900.0,
        "low": band.low,
        "high": band.high,
        "ratio": 0.1,
        "weeks": {"2025-05-26": 1000, "2025-05-19": 800},
    }
    assert verdict.faults == {Fault.TOO_FEW_EVENTS: 810}
    assert evaluate_checks(9_000, 1000, 800).faults == {Fault.TOO_MANY_EVENTS: 8_100}


def test_a_type_is_compared_more_or_less_strictly_or_not_at_all() -> None:
    """As its schema says."""
    assert not evaluate_checks(600, *(1000,) * 8).passed
    assert evaluate_checks(600, *(1000,) * 8, deviations=10).passed
    verdict = evaluate_checks(0, *(1000,) * 8, deviations=None)
    assert (verdict.passed, verdict.description) == (True, "0 events; not compared: x-volume is off")


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
        (evaluation.asset_key.to_user_string(), evaluation.partition, evaluation.description)
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == "volume" and not evaluation.passed
    }
    assert failed == {
        ("events/lesson_started", "2025-06-02", "2 events, 5% of the 40 expected for this weekday; 10 to 91 are usual"),
        (
            "events/account_created",
            "2025-06-03",
            "100 events, 250% of the 40 expected for this weekday; 10 to 91 are usual",
        ),
    }


def test_a_schema_says_how_strictly_its_type_is_compared(tmp_path: Path) -> None:
    """`x-volume`: with a number of its own, or not at all; the others with that of the rules."""
    schemas = {key: dict(schema) for key, schema in SCHEMAS.items()}
    schemas["account_created"]["x-volume"] = False
    schemas["lesson_started"]["x-volume"] = {"deviations": 100}
    world = World(tmp_path, schemas)
    for number, day in enumerate((WEEKS[1], WEEKS[0], MONDAY)):
        for name in ("account:created", "lesson:started", "payment:order:completed"):
            events = [event(f"{name}{day}{each}", day, name, user="usr_1") for each in range(0 if number == 2 else 60)]
            world.deliver(day, f"{name[0]}{number}", *events, event(f"{name}{day}", day, name, user="usr_1"))
    result = world.materialize(WEEKS[1], MONDAY)
    failed = [
        evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == "volume" and not evaluation.passed
    ]
    assert [each.asset_key.to_user_string() for each in failed] == ["events/payment_order_completed"]
