"""The daily reconciliation asks for everything that is left, and tells what nobody can load."""

from datetime import date, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.errors import ScheduleExecutionError

from event_platform.defs.automation.requests import PART
from event_platform.events.errors import LandingError
from event_platform_tests.defs.automation.requests.ticking import (
    FIRST,
    LAST,
    RAW,
    carry_out,
    end,
    fail_listing,
    reconcile,
    tick,
)
from event_platform_tests.support.world import World, event


def test_the_reconciliation_asks_for_everything_that_is_left(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Objects of any day, and dates that were loaded and not built."""
    old, older = today - timedelta(days=15), today - timedelta(days=20)
    world.deliver(older, "a", event("u1", older))
    world.load(older)
    world.deliver(old, "a", event("u2", old))
    requests = reconcile(world, instance).run_requests
    assert [(request.tags[PART], request.tags[FIRST]) for request in requests or []] == [
        ("raw", str(old)),
        ("created", str(older)),
    ]


def test_the_reconciliation_asks_for_no_day_that_is_being_written(world: World, today: date) -> None:
    """By whoever; and for what failed under a sensor without a pause."""
    old = today - timedelta(days=5)
    for day in (old, today):
        world.deliver(day, "a", event(f"{day}", day))
    with dg.instance_for_test() as instance:
        end(tick(world, "landing_sensor", instance), instance, dg.DagsterRunStatus.FAILURE)
        started = dg.DagsterRunStatus.STARTED
        run = dg.DagsterRun("__ASSET_JOB", asset_selection=frozenset([RAW]), status=started, tags={FIRST: str(old)})
        instance.add_run(run._replace(tags={FIRST: str(old), LAST: str(old)}))
        assert [request.tags[FIRST] for request in reconcile(world, instance).run_requests or []] == [str(today)]
        world.build(today)
        assert f"{old}: run {run.run_id[:8]} is at work there" in (reconcile(world, instance).skip_message or "")


@pytest.mark.parametrize("days", [-400, 400], ids=["before the first partition", "in the future"])
def test_objects_outside_the_partitions_are_told_by_the_reconciliation(
    world: World, instance: dg.DagsterInstance, today: date, capsys: pytest.CaptureFixture[str], days: int
) -> None:
    """Whether it asks for something besides or not; they are not loaded."""
    day = today + timedelta(days=days)
    world.deliver(day, "a", event("u1", today))
    message = f"landing holds objects of 1 day outside the partitions, such as {day}"
    assert message in (reconcile(world, instance).skip_message or "")
    world.deliver(today, "b", event("u2", today))
    capsys.readouterr()
    requests = reconcile(world, instance).run_requests
    assert [request.tags[FIRST] for request in requests or []] == [str(today)]
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("asks", ["landing_sensor", "daily_reconciliation"])
def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_asked_for(
    world: World,
    instance: dg.DagsterInstance,
    today: date,
    asks: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the log of the tick, and in its reason if it requests nothing."""

    def ask() -> tuple[list[str], str]:
        tick_result = reconcile(world, instance) if asks == "daily_reconciliation" else tick(world, asks, instance)
        message = (
            tick_result.skip_message if isinstance(tick_result, ScheduleExecutionData) else str(tick_result.skip_reason)
        )
        return [request.tags[FIRST] for request in tick_result.run_requests or []], message or ""

    for hour in (1, 2, 3):
        world.deliver(today, "a", event(f"u{hour}", today), hour=hour)
    with monkeypatch.context() as failing:
        broken = fail_listing(failing, world, today)
        assert ask()[0] == [str(today)]
        assert f"{broken}: Input/output error. It is left out" in capsys.readouterr().err
        with pytest.raises(LandingError, match=f"^{broken}: Input/output error"):
            world.materialize(today)
        assert world.raw().height == 2
        carry_out(world, tick(world, "changed_dates_sensor", instance))
        assert f"{broken}: Input/output error" in ask()[1]
    assert ask()[0] == [str(today)]
    world.materialize(today)
    assert world.raw().height == 3


@pytest.mark.parametrize("asks", ["landing_sensor", "daily_reconciliation"])
def test_landing_that_is_not_there_fails_the_tick(world: World, instance: dg.DagsterInstance, asks: str) -> None:
    """It is a wrong setting, or a disk that is not mounted; the message says what to do."""
    (world.root / "landing").rmdir()
    with pytest.raises((LandingError, ScheduleExecutionError)) as raised:
        _ = reconcile(world, instance) if asks == "daily_reconciliation" else tick(world, asks, instance)
    cause = raised.value.__cause__ if asks == "daily_reconciliation" else raised.value
    assert str(cause).startswith(f"{world.root / 'landing'}: no such folder. Expected the folder that objects land in")


def test_hidden_objects_are_told_by_the_reconciliation(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """Not markers; how many, and one of them."""
    world.deliver(today, "_SUCCESS", event("u1", today))
    world.deliver(today, "_a", event("u1", today))
    message = f"landing holds 1 hidden object, such as {today:%Y/%m/%d}/12/_a"
    assert message in (reconcile(world, instance).skip_message or "")
