"""The platform runs by itself: what is due is asked for, once, and nothing else is."""

import errno
import os
import re
import uuid
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.errors import ScheduleExecutionError
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.launcher import WorkerStatus
from deltalake import DeltaTable

from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.defs.automation.changed_dates_sensor import version_in
from event_platform.defs.automation.requests import PART, date_ranges, next_try
from event_platform.defs.instance.launcher import WatchfulRunLauncher
from event_platform.events.errors import LandingError
from event_platform.landing.folder import FolderLanding
from event_platform_tests.support.world import MONDAY, World, event, ndjson, noon, write_catalog

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
        return definitions.resolve_schedule_def("daily_reconciliation").evaluate_tick(context)


def asked(result: dg.SensorResult) -> list[tuple[str, str]]:
    """Return the ranges of days that were asked for."""
    return [(request.tags[FIRST], request.tags[LAST]) for request in result.run_requests or []]


def carry_out(world: World, result: dg.SensorResult, instance: dg.DagsterInstance | None = None) -> None:
    """Do what was asked for, as the daemon does: a key that a run had is dropped, and tags go to the run."""
    for request in result.run_requests or []:
        keys = request.asset_selection
        assert keys is not None
        if instance and instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": str(request.run_key)})):
            continue
        first, last = (date.fromisoformat(request.tags[tag]) for tag in (FIRST, LAST))
        done = world.materialize(
            first, last, selection=dg.AssetSelection.assets(*keys), instance=instance, raise_on_error=instance is None
        )
        if instance:
            instance.add_run_tags(done.run_id, {**request.tags, "dagster/run_key": str(request.run_key)})


def half_a_minute_later(result: dg.SensorResult) -> str:
    """Return the cursor of a tick, as if that had been so long ago."""
    position, _, then = (result.cursor or "").partition(" ")
    return f"{position} {int(then) - 30}"


def end(result: dg.SensorResult, instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> None:
    """Record runs for what was asked for that did nothing, and ended so."""
    assert result.run_requests
    for request in result.run_requests:
        known = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": str(request.run_key)}))
        assert known == []  # or the daemon would start nothing
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        instance.add_run(dg.DagsterRun(job_name="__ASSET_JOB", status=status, tags=tags))


def said(result: dg.SensorResult) -> str:
    """Return why a tick asked for nothing."""
    reason = result.skip_reason
    return str(reason.skip_message if isinstance(reason, dg.SkipReason) else reason)


def settle(world: World, instance: dg.DagsterInstance) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Tick both sensors and carry out what they ask for; return what they asked for."""
    loads = tick(world, "landing_sensor", instance)
    carry_out(world, loads)
    builds = tick(world, "changed_dates_sensor", instance)
    carry_out(world, builds)
    return asked(loads), asked(builds)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Dagster, with nothing recorded."""
    return dg.DagsterInstance.ephemeral()


def test_nothing_is_asked_for_where_nothing_is_due(world: World, instance: dg.DagsterInstance) -> None:
    """Neither before the first object nor after everything is built."""
    assert settle(world, instance) == ([], [])


def test_an_object_that_lands_is_loaded_and_its_date_is_built_by_one_run(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Once: the next ticks ask for nothing."""
    world.deliver(today, "a", event("u1", today))
    assert settle(world, instance) == ([(str(today), str(today))], [])
    assert world.events("account_created").height == 1
    assert settle(world, instance) == ([], [])


def test_a_run_that_is_asked_for_prints_no_line_for_each_event(
    world: World, instance: dg.DagsterInstance, today: date, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its records have them."""
    world.deliver(today, "a", event("u1", today))
    (request,) = tick(world, "landing_sensor", instance).run_requests or []
    definitions = world.definitions()
    done = dg.materialize(
        [*(definitions.assets or []), *(definitions.asset_checks or [])],  # type: ignore[list-item]
        selection=dg.AssetSelection.assets(RAW_EVENTS, CORRUPT_EVENTS),
        resources=dict(definitions.resources or {}),
        tags=dict(request.tags),
        run_config=request.run_config,
    )
    assert done.success
    printed = "".join(capfd.readouterr())
    assert "DEBUG" not in printed
    assert "STEP_SUCCESS" not in printed


def test_created_dates_of_other_days_are_left_to_the_changed_dates(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Of an object that arrives today, whose own date is built with it."""
    late = today - timedelta(days=2)
    world.deliver(today, "a", event("u1", today), event("u2", late))
    assert settle(world, instance) == ([(str(today), str(today))], [(str(late), str(late))])
    assert world.events("account_created").height == 2
    assert settle(world, instance) == ([], [])


def test_what_landed_on_an_earlier_day_is_loaded_alone(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """Its events may be of any date: only those that changed are built."""
    yesterday = today - timedelta(days=1)
    world.deliver(yesterday, "a", event("u1", yesterday - timedelta(days=1)))
    world.deliver(today, "b", event("u2", today))
    loads = tick(world, "landing_sensor", instance)
    assert [request.asset_selection for request in loads.run_requests or []] == [[RAW_EVENTS, CORRUPT_EVENTS]]
    assert asked(loads) == [(str(yesterday), str(today))]


def test_loading_does_not_wait_for_a_backfill_downstream(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Of any day, since a pool has room for one run: what lands meanwhile is loaded alone."""
    world.deliver(today, "a", event("u1", today))
    tags = {FIRST: str(today - timedelta(days=9)), LAST: str(today - timedelta(days=5))}
    selection = frozenset([dg.AssetKey(["events", "account_created"])])
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED, tags=tags, asset_selection=selection)
    instance.add_run(run)
    (request,) = tick(world, "landing_sensor", instance).run_requests or []
    assert request.asset_selection == [RAW_EVENTS, CORRUPT_EVENTS]


def test_a_date_that_cannot_be_built_is_asked_for_without_its_objects(
    world: World, instance: dg.DagsterInstance, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that has loaded them fails; what it has left is due as of any other run."""
    world.deliver(today, "a", event("u1", today))
    loads = tick(world, "landing_sensor", instance)
    with monkeypatch.context() as broken:
        broken.setattr("event_platform.defs.assets.deduplicated_events.deduplicate", _fail)
        carry_out(world, loads, instance)
    assert instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])) == 1
    assert world.raw().height == 1
    assert settle(world, instance) == ([], [(str(today), str(today))])
    assert world.events("account_created").height == 1


def _fail(*_: object, **__: object) -> None:
    raise ValueError("broken")


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


def test_history_is_found_at_once(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """Days of years ago that are copied into landing beside a running stream are asked for within half a minute."""
    world.start_date = date(2017, 7, 1)
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    cursor = half_a_minute_later(tick(world, "landing_sensor", instance))
    days = [world.start_date + timedelta(days=number) for number in range(5)]
    for day in days:
        world.deliver(day, "a", event(f"{day}", day))
    found = tick(world, "landing_sensor", instance, cursor)
    assert asked(found) == [(str(days[0]), str(days[-1]))]
    # Until it is loaded: a run may fail.
    again = tick(world, "landing_sensor", instance, half_a_minute_later(found))
    assert asked(again) == asked(found)
    carry_out(world, again)
    later = tick(world, "landing_sensor", instance, half_a_minute_later(again))
    assert (asked(later), said(later)) == ([], "nothing new on 6 of 6 days")


def test_an_object_delivered_late_into_an_old_folder_is_found(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Also where all that was there is loaded."""
    old = today - timedelta(days=17)
    world.deliver(old, "a", event("u1", old))
    settle(world, instance)
    cursor = half_a_minute_later(tick(world, "landing_sensor", instance))
    world.deliver(old, "b", event("u2", old))
    assert asked(tick(world, "landing_sensor", instance, cursor)) == [(str(old), str(old))]


def test_most_ticks_look_at_today_alone(
    world: World, instance: dg.DagsterInstance, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They list no other folder, and find what has landed in today's."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    cursor = tick(world, "landing_sensor", instance).cursor
    world.deliver(today - timedelta(days=1), "late", event("u2", today))
    monkeypatch.setattr(FolderLanding, "survey", _fail)
    quiet = tick(world, "landing_sensor", instance, cursor)
    assert (asked(quiet), said(quiet), quiet.cursor) == ([], f"nothing new on {today}", cursor)
    world.deliver(today, "b", event("u3", today))
    found = tick(world, "landing_sensor", instance, cursor)
    assert (asked(found), found.cursor) == ([(str(today), str(today))], cursor)


def test_an_object_without_a_date_in_its_path_is_asked_for_at_once(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Whatever the day of its last change: no folder of that day has to be there."""
    old = today - timedelta(days=17)
    (world.root / "landing" / "export.json").write_bytes(ndjson(event("u1", old)))
    os.utime(world.root / "landing" / "export.json", (noon(old), noon(old)))
    found = tick(world, "landing_sensor", instance)
    assert asked(found) == [(str(old), str(old))]
    carry_out(world, found)
    assert said(tick(world, "landing_sensor", instance, half_a_minute_later(found))) == (
        "nothing new on 0 of 0 days; 1 objects have no date in their path, such as export.json: each counts for the "
        "day on which it was last modified"
    )


@pytest.mark.parametrize(
    "cursor",
    ["", "not a date", '{"version": 1}', "0001-01-01", "9999-12-31", "2025-01-01;x/y", ";", "2025-01-01;2025-01-02/"],
)
def test_a_cursor_that_makes_no_sense_begins_anew(
    world: World, instance: dg.DagsterInstance, today: date, cursor: str
) -> None:
    """Nothing depends on it but where the look round goes on."""
    world.deliver(today, "a", event("u1", today))
    assert asked(tick(world, "landing_sensor", instance, cursor)) == [(str(today), str(today))]


@pytest.mark.parametrize("sensor", ["landing_sensor", "changed_dates_sensor"])
def test_nothing_is_asked_for_while_a_run_is_under_way(
    world: World, instance: dg.DagsterInstance, today: date, sensor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes due meanwhile is asked for together, when it has ended."""
    world.deliver(today, "a", event("u1", today))
    world.load(today)
    world.deliver(today, "b", event("u2", today))
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED, tags={PART: "raw"})
    instance.add_run(run)
    assert asked(tick(world, sensor, instance)) == []
    with monkeypatch.context() as later:  # a terminal that was killed
        later.setattr("event_platform.defs.automation.under_way._SILENCE", 0)
        assert asked(tick(world, sensor, instance)) == [(str(today), str(today))]
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


@pytest.mark.parametrize("sensor", ["landing_sensor", "changed_dates_sensor"])
def test_what_was_terminated_is_asked_for_again_by_the_next_tick(
    world: World, instance: dg.DagsterInstance, today: date, sensor: str
) -> None:
    """Under another key, however often; so is what was deleted from Dagster."""
    world.deliver(today, "a", event("u1", today))
    if sensor == "changed_dates_sensor":
        world.load(today)
    for _ in range(5):
        end(tick(world, sensor, instance), instance, dg.DagsterRunStatus.CANCELED)
    assert asked(tick(world, sensor, instance)) == [(str(today), str(today))]


@pytest.mark.parametrize("sensor", ["landing_sensor", "changed_dates_sensor"])
def test_what_failed_is_asked_for_again_after_a_pause(
    world: World, instance: dg.DagsterInstance, today: date, sensor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ticks until then say so; what else comes due does not wait, nor does the sweep."""
    yesterday, other = today - timedelta(days=1), today - timedelta(days=3)

    def land(day: date) -> None:
        world.deliver(day, f"{day}", event(f"{day}", day))
        if sensor == "changed_dates_sensor":
            world.load(day)

    land(yesterday)
    failing = tick(world, sensor, instance)
    end(failing, instance, dg.DagsterRunStatus.FAILURE)
    for _ in range(2):
        waiting = tick(world, sensor, instance)
        assert asked(waiting) == []
        assert re.search(rf"{yesterday}: run \w{{8}} failed; asked for again at \d\d:\d\d UTC, or when", said(waiting))
    assert [request.tags[FIRST] for request in sweep(world, instance).run_requests or []] == [str(yesterday)]
    with monkeypatch.context() as later:
        later.setattr("event_platform.defs.automation.requests._PAUSE", 0)
        again = tick(world, sensor, instance)
        assert asked(again) == asked(failing)
        end(again, instance, dg.DagsterRunStatus.FAILURE)
    assert asked(tick(world, sensor, instance)) == []
    land(other)
    assert (str(other), str(other)) in asked(tick(world, sensor, instance))


@pytest.mark.parametrize(
    ("ended", "wait"),
    [
        ("", None),
        ("c", None),
        ("f", 600),
        ("ff", 1200),
        ("fff", 2400),
        ("fcf", 1200),
        ("fs", 600),
        ("f" * 20, 4 * 3600),
        ("cfff", None),
        ("s", None),
        ("ssss", None),
        ("sssss", 600),
        ("ssssss", 1200),
        ("ssssfs", None),
    ],
)
def test_the_pause_grows_with_runs_that_fail_or_are_in_vain(ended: str, wait: int | None) -> None:
    """The last run first: f failed, c was cancelled, s succeeded and left due what it was asked for."""
    status = {"f": dg.DagsterRunStatus.FAILURE, "c": dg.DagsterRunStatus.CANCELED, "s": dg.DagsterRunStatus.SUCCESS}
    runs = [(status[each], 1_000_000.0 - 10 * number) for number, each in enumerate(ended)]
    assert next_try(runs) == (0 if wait is None else 1_000_000 + wait)


def test_rows_that_are_deleted_again_are_brought_back_again(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """The same ones, by a run of its own each time."""
    world.deliver(today, "a", event("u1", today))
    for sensor in ("landing_sensor", "changed_dates_sensor"):
        carry_out(world, tick(world, sensor, instance), instance)
    for _ in range(3):
        DeltaTable(world.event_table("account_created").uri).delete()
        carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
        assert world.events("account_created").height == 1
    for _ in range(3):
        DeltaTable(world.lake.raw_events.uri).delete()
        carry_out(world, tick(world, "landing_sensor", instance), instance)
        assert world.raw().height == 1


def test_a_type_that_is_removed_and_put_back_is_built(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """As often as that happens."""
    world.deliver(today, "a", event("u1", today))
    carry_out(world, tick(world, "landing_sensor", instance), instance)
    carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
    for number in range(2):
        (world.root / "catalog" / "account_created.yaml").unlink()
        world.deliver(today, f"{number}", event(f"v{number}", today))
        world.load(today)
        carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
        write_catalog(world.root / "catalog", world.schemas)
        carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
        assert world.events("account_created").height == number + 2
        assert asked(tick(world, "changed_dates_sensor", instance)) == []


def test_the_sweep_asks_for_no_day_that_is_being_written(world: World, today: date) -> None:
    """By whoever; and for what failed under a sensor without a pause."""
    old = today - timedelta(days=5)
    for day in (old, today):
        world.deliver(day, "a", event(f"{day}", day))
    with dg.instance_for_test() as instance:
        end(tick(world, "landing_sensor", instance), instance, dg.DagsterRunStatus.FAILURE)
        started = dg.DagsterRunStatus.STARTED
        run = dg.DagsterRun("__ASSET_JOB", asset_selection=frozenset([RAW]), status=started, tags={FIRST: str(old)})
        instance.add_run(run._replace(tags={FIRST: str(old), LAST: str(old)}))
        assert [request.tags[FIRST] for request in sweep(world, instance).run_requests or []] == [str(today)]
        world.build(today)
        assert f"{old}: run {run.run_id[:8]} is at work there" in (sweep(world, instance).skip_message or "")


RAW, TYPED = dg.AssetKey("raw_events"), dg.AssetKey(["events", "account_created"])


@pytest.mark.parametrize(
    ("status", "holds"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, True),
        (dg.DagsterRunStatus.STARTED, True),
        (dg.DagsterRunStatus.CANCELING, True),
        (dg.DagsterRunStatus.SUCCESS, False),
        (dg.DagsterRunStatus.CANCELED, False),
    ],
)
@pytest.mark.parametrize(("sensor", "asset"), [("landing_sensor", RAW), ("changed_dates_sensor", TYPED)])
def test_days_that_somebody_else_is_at_work_on_are_not_asked_for(
    world: World,
    instance: dg.DagsterInstance,
    today: date,
    sensor: str,
    asset: dg.AssetKey,
    status: dg.DagsterRunStatus,
    holds: bool,
) -> None:
    """A run from the UI, over one day or several, that waits or works; the other days are asked for."""
    days = [today - timedelta(days=back) for back in (9, 7, 5)]
    for day in days:
        world.deliver(day, "a", event(f"{day}", day))
    if sensor == "changed_dates_sensor":
        world.load(*days)
    chosen = frozenset([asset])
    for tags in ({"dagster/partition": str(days[0])}, {FIRST: str(days[1]), LAST: str(days[1] + timedelta(days=1))}):
        instance.add_run(dg.DagsterRun("__ASSET_JOB", asset_selection=chosen, status=status, tags=tags))
    found = asked(tick(world, sensor, instance))
    assert found == [(str(day), str(day)) for day in (days[2:] if holds else days)]
    instance.add_run(dg.DagsterRun("__ASSET_JOB", asset_selection=chosen, status=status))  # it does not say which days
    told = tick(world, sensor, instance)
    assert bool(asked(told)) is not holds
    if holds:
        assert re.search(rf"{days[2]}: run \w{{8}} is at work there", said(told))


def test_a_run_over_other_assets_or_days_holds_nothing_back(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Nor one that only evaluates checks, or has no assets."""
    world.deliver(today, "a", event("u1", today))
    started, here = dg.DagsterRunStatus.STARTED, {"dagster/partition": str(today)}
    there = {"dagster/partition": str(today - timedelta(days=1))}
    for assets, tags in (([TYPED], here), ([RAW], there), ([dg.AssetKey("daily_active_learners")], here), ([], here)):
        instance.add_run(dg.DagsterRun("__ASSET_JOB", asset_selection=frozenset(assets), status=started, tags=tags))
    instance.add_run(dg.DagsterRun("vacuum", status=started))
    assert asked(tick(world, "landing_sensor", instance)) == [(str(today), str(today))]


def test_a_run_of_the_command_line_holds_its_days_back(
    world: World, instance: dg.DagsterInstance, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It selects no assets: its plan tells what it writes. Where it was killed, nobody ends it: its silence tells."""
    world.deliver(today, "a", event("u1", today))
    done = world.materialize(today, selection=dg.AssetSelection.assets(RAW, "corrupt_events"), instance=instance)
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    instance.add_run(run._replace(run_id=str(uuid.uuid4()), asset_selection=None, status=dg.DagsterRunStatus.STARTED))
    world.deliver(today, "b", event("u2", today))
    assert "is at work there" in said(tick(world, "landing_sensor", instance))
    assert asked(tick(world, "changed_dates_sensor", instance)) == [(str(today), str(today))]
    monkeypatch.setattr("event_platform.defs.automation.under_way._SILENCE", 0)
    assert asked(tick(world, "landing_sensor", instance)) == [(str(today), str(today))]


def test_run_monitoring_does_not_end_a_run_of_the_command_line() -> None:
    """Nobody but its terminal knows whether it is worked on, and its assets would be asked for beside it."""
    run = dg.DagsterRun("__ephemeral_asset_job__", status=dg.DagsterRunStatus.STARTED)
    assert WatchfulRunLauncher().check_run_worker_health(run).status is WorkerStatus.RUNNING


@pytest.mark.parametrize(
    ("status", "assets", "back", "holds"),
    [
        (BulkActionStatus.REQUESTED, ["raw_events", "corrupt_events"], 0, True),
        (BulkActionStatus.REQUESTED, ["raw_events", "corrupt_events"], 1, False),
        (BulkActionStatus.REQUESTED, ["deduplicated_events", "duplicate_events"], 0, False),
        (BulkActionStatus.COMPLETED_SUCCESS, ["raw_events", "corrupt_events"], 0, False),
        (BulkActionStatus.CANCELED, ["raw_events", "corrupt_events"], 0, False),
    ],
)
def test_a_backfill_that_has_no_runs_yet_holds_its_days_back(
    world: World,
    instance: dg.DagsterInstance,
    today: date,
    status: BulkActionStatus,
    assets: list[str],
    back: int,
    holds: bool,
) -> None:
    """Of its assets, until they are done or it has ended."""
    world.deliver(today, "a", event("u1", today))
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="ofthe-ui",
        asset_graph=world.definitions().resolve_asset_graph(),
        partition_names=[str(today - timedelta(days=back))],
        asset_selection=[dg.AssetKey(name) for name in assets],
        backfill_timestamp=datetime.now(UTC).timestamp(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill._replace(status=status))
    found = tick(world, "landing_sensor", instance)
    assert bool(asked(found)) is not holds
    assert ("backfill ofthe-ui is at work there" in said(found)) is holds
    data = backfill.asset_backfill_data
    assert data is not None
    done = backfill._replace(asset_backfill_data=data._replace(materialized_subset=data.target_subset))
    instance.update_backfill(done._replace(status=status))
    assert asked(tick(world, "landing_sensor", instance)) == [(str(today), str(today))]


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
    first, again = (tick(world, "changed_dates_sensor", instance) for _ in range(2))
    assert asked(first) == asked(again) == [(str(today), str(today))]
    assert [request.run_key for request in first.run_requests or []] == [
        request.run_key for request in again.run_requests or []
    ]
    assert "1 created dates do not hold the rows that were written" in capsys.readouterr().err
    carry_out(world, first)
    assert world.events("account_created").height == 1
    assert asked(tick(world, "changed_dates_sensor", instance)) == []


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


@pytest.mark.parametrize("asks", ["landing_sensor", "daily_reconciliation"])
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
        found = sweep(world, instance) if asks == "daily_reconciliation" else tick(world, asks, instance)
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
        _ = sweep(world, instance) if asks == "daily_reconciliation" else tick(world, asks, instance)
    cause = raised.value.__cause__ if asks == "daily_reconciliation" else raised.value
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
    types, _, version = str(tick(world, "changed_dates_sensor", instance).cursor).partition(":")
    assert version.split()[0] == "-1"
    world.load(today)
    assert asked(tick(world, "changed_dates_sensor", instance, f"{types}:999")) == [(str(today), str(today))]
    assert asked(tick(world, "changed_dates_sensor", instance, cursor)) == [(str(today), str(today))]


def test_dates_that_were_up_to_date_are_not_looked_at_again(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Until they gain something; one that fails is asked for until it is built. Another catalog has all looked at."""
    yesterday = today - timedelta(days=1)
    world.deliver(yesterday, "a", event("u1", yesterday))
    settle(world, instance)
    cursor = tick(world, "changed_dates_sensor", instance).cursor
    world.deliver(today, "b", event("u2", today))
    world.load(today)
    for _ in range(2):  # it is not built meanwhile
        found = tick(world, "changed_dates_sensor", instance, cursor)
        assert (asked(found), found.cursor) == ([(str(today), str(today))], cursor)
    carry_out(world, found)
    later = tick(world, "changed_dates_sensor", instance, cursor)
    assert asked(later) == []
    types, version = str(later.cursor).split()[0].split(":")
    assert int(version) == world.lake.raw_events.snapshot().version
    assert [version_in(each, types) for each in (later.cursor, f"other:{version}", "nonsense", f"{types}:x", None)] == [
        int(version),
        *[0] * 4,
    ]
    write_catalog(world.root / "catalog", {"ping": {"title": "ping", "type": "object"}})
    assert asked(tick(world, "changed_dates_sensor", instance, later.cursor)) == [(str(yesterday), str(today))]


def test_rows_are_counted_every_ten_minutes_where_nothing_is_new(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Whoever deletes some waits for that; every tick would open every table, day and night."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    known = tick(world, "changed_dates_sensor", instance).cursor
    DeltaTable(world.event_table("account_created").uri).delete()
    skipped = tick(world, "changed_dates_sensor", instance, known)
    assert (asked(skipped), skipped.cursor) == ([], known)
    assert "nothing new in raw_events" in str(skipped.skip_reason)
    state, _, then = str(known).partition(" ")
    earlier = f"{state} {int(then) - 600}"
    assert asked(tick(world, "changed_dates_sensor", instance, earlier)) == [(str(today), str(today))]


def test_days_without_a_gap_are_one_run() -> None:
    """A gap is not rebuilt."""
    one, two, four = MONDAY, MONDAY + timedelta(days=1), MONDAY + timedelta(days=3)
    assert date_ranges([four, two, one]) == [(one, two), (four, four)]
    assert date_ranges([]) == []
