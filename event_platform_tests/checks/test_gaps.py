"""An hour in which nothing arrived, between hours in which something did, is told."""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg
import pytest

from event_platform.checks import gaps
from event_platform.checks.result import Result, Severity
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event

DAY = set(range(24))
SUNDAY = MONDAY - timedelta(days=1)


def found(sunday: Iterable[int], monday: Iterable[int], tuesday: Iterable[int] = ()) -> Result:
    """Judge Monday by the hours of three days that have an object."""
    hours = {SUNDAY: sunday, MONDAY: monday, TUESDAY: tuesday}
    return gaps.check_day(MONDAY, {day: dict.fromkeys(hour, 2) for day, hour in hours.items()})


@pytest.mark.parametrize(
    ("sunday", "monday", "tuesday", "listed"),
    [
        (DAY, DAY - {5}, DAY, "05"),
        ((), DAY - {5, 6, 17}, (), "05, 06, 17"),
        (DAY, range(2, 24), (), "00, 01"),
        ((), range(22), [1, 2], "22, 23"),
        (DAY, (), DAY, ", ".join(f"{hour:02d}" for hour in range(24))),
    ],
    ids=["one hour", "no other days", "from the day before", "until the day after", "all day"],
)
def test_an_hour_without_objects_between_busy_ones_warns(
    sunday: Iterable[int], monday: Iterable[int], tuesday: Iterable[int], listed: str
) -> None:
    """Across midnight as well; the hours are named."""
    verdict = found(sunday, monday, tuesday)
    assert (verdict.passed, verdict.severity) == (False, Severity.WARN)
    assert verdict.description.endswith(f"; none in hours {listed}, although objects arrived before and after")


@pytest.mark.parametrize(
    ("sunday", "monday", "tuesday"),
    [
        (DAY, DAY, DAY),
        ((), (), ()),
        (DAY, range(11), ()),
        ((), range(11, 24), DAY),
        ([12], [12], [12]),
        ((), [3, 9, 15], ()),
        (DAY - {7}, DAY, DAY - {7}),
    ],
    ids=["all", "nothing", "today so far", "the stream begins", "once a day", "quiet", "gaps of other days"],
)
def test_hours_that_need_no_objects_pass(sunday: Iterable[int], monday: Iterable[int], tuesday: Iterable[int]) -> None:
    """Hours before the first or after the last object, and hours of a stream that rarely delivers."""
    assert found(sunday, monday, tuesday).passed


def test_the_figures_are_those_of_the_day_itself() -> None:
    """By the hour; the days around it have their own."""
    assert found(DAY, [3, 4], DAY).metadata == {"objects_by_hour": {"03": 2, "04": 2}}


def test_hours_are_those_of_the_folders_that_objects_are_in(world: World) -> None:
    """Objects without an hour in their path, and dates within their names, do not count."""
    world.deliver(MONDAY, "a", event("1"), event("2"), hour=9)
    world.deliver(MONDAY, "b.gz", event("3"), hour=9)
    world.deliver(TUESDAY, "a", event("4", TUESDAY), hour=0)
    world.deliver(WEDNESDAY, "2025/06/04/x", event("5", WEDNESDAY), hour=23)
    flat = world.root / "landing" / "2025" / "06" / "02" / "c"
    flat.write_bytes(world.deliver(MONDAY, "a2", event("6"), hour=9).read_bytes())
    odd = world.root / "landing" / "2025" / "06" / "02" / "2025" / "06" / "03" / "11" / "d"
    odd.parent.mkdir(parents=True)
    odd.write_bytes(flat.read_bytes())
    world.load(MONDAY, TUESDAY, WEDNESDAY)
    raw = world.lake.raw_events.snapshot()
    assert gaps.objects_by_hour(raw, [MONDAY]) == {MONDAY: {9: 3}, TUESDAY: {0: 1}}
    assert gaps.objects_by_hour(raw, [TUESDAY]) == {MONDAY: {9: 3}, TUESDAY: {0: 1}, WEDNESDAY: {23: 1}}


def test_each_day_of_a_range_run_has_its_own_gaps(world: World) -> None:
    """As a warning, which stops nothing."""
    for day, hours in ((MONDAY, DAY - {5}), (TUESDAY, DAY), (WEDNESDAY, DAY - {0, 1})):
        for hour in hours:
            world.deliver(day, "a", event(f"{day}-{hour}", day), hour=hour)
    result = world.materialize(MONDAY, WEDNESDAY)
    assert result.success
    checks = [
        evaluation for evaluation in result.get_asset_check_evaluations() if evaluation.check_name == "arrival_gaps"
    ]
    assert {check.partition: check.description for check in checks} == {
        "2025-06-02": "23 objects in 23 hours; none in hours 05, although objects arrived before and after",
        "2025-06-03": "24 objects in 24 hours",
        "2025-06-04": "22 objects in 22 hours; none in hours 00, 01, although objects arrived before and after",
    }
    assert {check.severity for check in checks} == {dg.AssetCheckSeverity.WARN}
