"""The platform runs by itself: what is due is asked for, once, and nothing else is."""

import errno
import os
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.errors import ScheduleExecutionError
from deltalake import DeltaTable

from event_platform.events.errors import LandingError
from event_platform.operations.requests import PART, stretches
from event_platform.operations.sensors import days_to_list, version_in
from event_platform_tests.world import MONDAY, World, event, write_catalog

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def today() -> date:
    """The day of arrival of what is delivered now."""
    return datetime.now(UTC).date()


@pytest.fixture
def world(world: World, today: date) -> World:
    """A stream that began three weeks ago."""
    world.start_date = today - timedelta(days=21)
    return world


def tick(world: World, sensor: str, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """Evaluate a sensor once; what it says is the skip reason."""
    definitions = world.definitions()
    resources = {name: dict(definitions.resources or {})[name] for name in ("landing", "lake")}
    context = dg.build_sensor_context(instance, cursor=cursor, definitions=definitions, resources=resources)
    with context:
        data = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
    if data.skip_message:
        return dg.SensorResult(skip_reason=data.skip_message, cursor=data.cursor)
    return dg.SensorResult(run_requests=data.run_requests or [], cursor=data.cursor)


def sweep(world: World, instance: dg.DagsterInstance) -> ScheduleExecutionData:
    """Evaluate the daily sweep once."""
    definitions = world.definitions()
    resources = dict(definitions.resources or {})
    context = dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC), resources=resources)
    with context:
        return definitions.resolve_schedule_def("daily_sweep").evaluate_tick(context)


def asked(result: dg.SensorResult) -> list[tuple[str, str]]:
    """Return the ranges of days that were asked for."""
    return [(request.tags[FIRST], request.tags[LAST]) for request in result.run_requests or []]


def carry_out(world: World, result: dg.SensorResult) -> None:
    """Do what was asked for, as the daemon does."""
    for request in result.run_requests or []:
        keys = request.asset_selection
        assert keys is not None
        first, last = (date.fromisoformat(request.tags[tag]) for tag in (FIRST, LAST))
        world.materialize(first, last, selection=dg.AssetSelection.assets(*keys))


def settle(world: World, instance: dg.DagsterInstance) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Tick both sensors and carry out what they ask for; return what they asked for."""
    loads = tick(world, "landing_sensor", instance)
    carry_out(world, loads)
    builds = tick(world, "touched_dates_sensor", instance)
    carry_out(world, builds)
    return asked(loads), asked(builds)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Dagster, with nothing recorded."""
    return dg.DagsterInstance.ephemeral()


def test_nothing_is_asked_for_where_nothing_is_due(world: World, instance: dg.DagsterInstance) -> None:
    """Neither before the first object nor after everything is built."""
    assert settle(world, instance) == ([], [])


def test_an_object_that_lands_is_loaded_and_its_dates_are_built(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Once: the next ticks ask for nothing."""
    world.deliver(today, "a", event("u1", today))
    assert settle(world, instance) == ([(str(today), str(today))], [(str(today), str(today))])
    assert world.events("account_created").height == 1
    assert settle(world, instance) == ([], [])


def test_an_event_ten_days_late_rebuilds_only_its_own_day(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Whatever else the lake holds."""
    days = [today - timedelta(days=back) for back in (12, 11, 10, 9, 0)]
    for day in days:
        world.deliver(day, "a", event(f"u{day}", day))
    world.build(*days)
    world.deliver(today, "late", event("late", days[2]))
    assert settle(world, instance) == ([(str(today), str(today))], [(str(days[2]), str(days[2]))])


def test_a_changed_object_is_loaded_again(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """It differs in size or etag from what the ledger holds."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    world.deliver(today, "a", event("u1", today), event("u2", today))
    settle(world, instance)
    assert world.events("account_created")["event_uuid"].to_list() == ["u1", "u2"]


def test_an_object_delivered_late_into_an_old_folder_is_found(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """After a few ticks, each of which goes on where the last one stopped."""
    old = today - timedelta(days=17)
    world.deliver(old, "a", event("u1", old))
    cursor, found = None, list[tuple[str, str]]()
    for _ in range(3):
        result = tick(world, "landing_sensor", instance, cursor)
        cursor, found = result.cursor, found + asked(result)
    assert (str(old), str(old)) in found


@pytest.mark.parametrize("cursor", ["", "not a date", '{"version": 1}', "0001-01-01", "9999-12-31"])
def test_a_cursor_that_makes_no_sense_begins_anew(
    world: World, instance: dg.DagsterInstance, today: date, cursor: str
) -> None:
    """Nothing depends on it but where the look round goes on."""
    world.deliver(today, "a", event("u1", today))
    assert asked(tick(world, "landing_sensor", instance, cursor)) == [(str(today), str(today))]


@pytest.mark.parametrize("sensor", ["landing_sensor", "touched_dates_sensor"])
def test_nothing_is_asked_for_while_a_run_is_under_way(
    world: World, instance: dg.DagsterInstance, today: date, sensor: str
) -> None:
    """What comes due meanwhile is asked for together, when it has ended."""
    world.deliver(today, "a", event("u1", today))
    world.load(today)
    world.deliver(today, "b", event("u2", today))
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED, tags={PART: "raw"})
    instance.add_run(run)
    assert asked(tick(world, sensor, instance)) == []
    instance.delete_run(run.run_id)
    assert asked(tick(world, sensor, instance)) == [(str(today), str(today))]


def test_the_same_state_is_asked_for_under_the_same_key(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """So that a run that fails is not started again by every tick; another object is another state."""
    world.deliver(today, "a", event("u1", today))
    first, again = (tick(world, "landing_sensor", instance).run_requests for _ in range(2))
    world.deliver(today, "b", event("u2", today))
    other = tick(world, "landing_sensor", instance).run_requests
    assert first
    assert again
    assert other
    assert first[0].run_key == again[0].run_key != other[0].run_key


def test_the_sweep_asks_for_everything_that_is_left(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """Objects of any day, and dates that were loaded and not built."""
    old, older = today - timedelta(days=15), today - timedelta(days=20)
    world.deliver(older, "a", event("u1", older))
    world.load(older)
    world.deliver(old, "a", event("u2", old))
    requests = sweep(world, instance).run_requests
    assert [(request.tags[PART], request.tags[FIRST]) for request in requests or []] == [
        ("raw", str(old)),
        ("created", str(older)),
    ]


def test_a_day_whose_rows_somebody_deleted_is_asked_for_once_and_told(
    world: World, instance: dg.DagsterInstance, today: date, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is asked for is built; a run that fails on it is left to the sweep."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    DeltaTable(world.event_table("account_created").uri).delete()
    first, again = (tick(world, "touched_dates_sensor", instance) for _ in range(2))
    assert asked(first) == asked(again) == [(str(today), str(today))]
    assert [request.run_key for request in first.run_requests or []] == [
        request.run_key for request in again.run_requests or []
    ]
    assert "1 created dates do not hold the rows that were written" in capsys.readouterr().err
    carry_out(world, first)
    assert world.events("account_created").height == 1
    assert asked(tick(world, "touched_dates_sensor", instance)) == []


@pytest.mark.parametrize("days", [-400, 400], ids=["before the first partition", "in the future"])
def test_objects_outside_the_partitions_are_told_by_the_sweep(
    world: World, instance: dg.DagsterInstance, today: date, capsys: pytest.CaptureFixture[str], days: int
) -> None:
    """Whether it asks for something besides or not; they are not loaded."""
    day = today + timedelta(days=days)
    world.deliver(day, "a", event("u1", today))
    told = f"landing holds objects of 1 days outside the partitions, such as {day}"
    assert told in (sweep(world, instance).skip_message or "")
    world.deliver(today, "b", event("u2", today))
    capsys.readouterr()
    requests = sweep(world, instance).run_requests
    assert [request.tags[FIRST] for request in requests or []] == [str(today)]
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("asks", ["landing_sensor", "daily_sweep"])
def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_asked_for(
    world: World,
    instance: dg.DagsterInstance,
    today: date,
    asks: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the log of the tick, and in its reason where it asks for nothing."""

    def ask() -> tuple[list[str], str]:
        found = sweep(world, instance) if asks == "daily_sweep" else tick(world, asks, instance)
        told = found.skip_message if isinstance(found, ScheduleExecutionData) else str(found.skip_reason)
        return [request.tags[FIRST] for request in found.run_requests or []], told or ""

    for hour in (1, 2, 3):
        world.deliver(today, "a", event(f"u{hour}", today), hour=hour)
    with monkeypatch.context() as failing:
        broken = fail_listing(failing, world, today)
        assert ask()[0] == [str(today)]
        assert f"{broken}: Input/output error. It is left out" in capsys.readouterr().err
        with pytest.raises(LandingError, match=f"^{broken}: Input/output error"):
            world.materialize(today)
        assert world.raw().height == 2
        carry_out(world, tick(world, "touched_dates_sensor", instance))
        assert f"{broken}: Input/output error" in ask()[1]
    assert ask()[0] == [str(today)]
    world.materialize(today)
    assert world.raw().height == 3


@pytest.mark.parametrize("asks", ["landing_sensor", "daily_sweep"])
def test_landing_that_is_not_there_fails_the_tick(world: World, instance: dg.DagsterInstance, asks: str) -> None:
    """It is a wrong setting, or a disk that is not mounted; the message says what to do."""
    (world.root / "landing").rmdir()
    with pytest.raises((LandingError, ScheduleExecutionError)) as raised:
        _ = sweep(world, instance) if asks == "daily_sweep" else tick(world, asks, instance)
    cause = raised.value.__cause__ if asks == "daily_sweep" else raised.value
    assert str(cause).startswith(f"{world.root / 'landing'}: no such folder. Expected the folder that objects land in")


def test_hidden_objects_are_told_by_the_sweep(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """Not markers; how many, and one of them."""
    world.deliver(today, "_SUCCESS", event("u1", today))
    world.deliver(today, "_a", event("u1", today))
    told = f"landing holds 1 hidden objects, such as {today:%Y/%m/%d}/12/_a"
    assert told in (sweep(world, instance).skip_message or "")


def fail_listing(monkeypatch: pytest.MonkeyPatch, world: World, day: date) -> str:
    """Have the second of three hours' folders fail when it is listed; return its path."""
    broken, listed = str(world.root / "landing" / f"{day:%Y/%m/%d}" / "02"), os.scandir

    def scandir(path: str) -> object:
        if str(path) == broken:
            raise OSError(errno.EIO, "Input/output error", broken)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return broken


@pytest.mark.parametrize("cursor", ["", "nonsense", '{"version": 1, "raw": 17}'])
def test_the_touched_dates_need_no_cursor(world: World, instance: dg.DagsterInstance, today: date, cursor: str) -> None:
    """One that an older version has left changes nothing, nor one of another table that was here before."""
    world.deliver(today, "a", event("u1", today))
    types, _, version = str(tick(world, "touched_dates_sensor", instance).cursor).partition(":")
    assert version.split()[0] == "-1"
    world.load(today)
    assert asked(tick(world, "touched_dates_sensor", instance, f"{types}:999")) == [(str(today), str(today))]
    assert asked(tick(world, "touched_dates_sensor", instance, cursor)) == [(str(today), str(today))]


def test_dates_that_were_up_to_date_are_not_looked_at_again(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Until they gain something; one that fails is asked for until it is built. Another catalog has all looked at."""
    yesterday = today - timedelta(days=1)
    world.deliver(yesterday, "a", event("u1", yesterday))
    settle(world, instance)
    cursor = tick(world, "touched_dates_sensor", instance).cursor
    world.deliver(today, "b", event("u2", today))
    world.load(today)
    for _ in range(2):  # it is not built meanwhile
        found = tick(world, "touched_dates_sensor", instance, cursor)
        assert (asked(found), found.cursor) == ([(str(today), str(today))], cursor)
    carry_out(world, found)
    later = tick(world, "touched_dates_sensor", instance, cursor)
    assert asked(later) == []
    types, version = str(later.cursor).split()[0].split(":")
    assert int(version) == world.lake.raw_events.snapshot().version
    assert [version_in(each, types) for each in (later.cursor, f"other:{version}", "nonsense", f"{types}:x", None)] == [
        int(version),
        *[0] * 4,
    ]
    write_catalog(world.root / "catalog", {"ping": {"title": "ping", "type": "object"}})
    assert asked(tick(world, "touched_dates_sensor", instance, later.cursor)) == [(str(yesterday), str(today))]


def test_rows_are_counted_every_ten_minutes_where_nothing_is_new(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Whoever deletes some waits for that; every tick would open every table, day and night."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    known = tick(world, "touched_dates_sensor", instance).cursor
    DeltaTable(world.event_table("account_created").uri).delete()
    skipped = tick(world, "touched_dates_sensor", instance, known)
    assert (asked(skipped), skipped.cursor) == ([], known)
    assert "nothing new in raw_events" in str(skipped.skip_reason)
    state, _, then = str(known).partition(" ")
    earlier = f"{state} {int(then) - 600}"
    assert asked(tick(world, "touched_dates_sensor", instance, earlier)) == [(str(today), str(today))]


def test_a_tick_lists_the_latest_days_and_some_of_the_past_in_turn() -> None:
    """All of them after a while, never one outside the stream."""
    first, cursor, seen = MONDAY - timedelta(days=40), None, set[date]()
    for _ in range(4):
        days, cursor = days_to_list(cursor, first, MONDAY)
        assert {MONDAY, MONDAY - timedelta(days=2)} <= set(days)
        assert len(days) <= 13
        seen.update(days)
    assert seen == {first + timedelta(days=number) for number in range(41)}
    assert days_to_list(None, MONDAY, MONDAY)[0] == [MONDAY]


def test_days_without_a_gap_are_one_run() -> None:
    """A gap is not rebuilt."""
    one, two, four = MONDAY, MONDAY + timedelta(days=1), MONDAY + timedelta(days=3)
    assert stretches([four, two, one]) == [(one, two), (four, four)]
    assert stretches([]) == []
