"""What is due is asked for once: not while somebody is at work on it, nor again and again where it fails."""

import re
import uuid
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.launcher import WorkerStatus

from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.defs.automation.requests import PART, next_try
from event_platform.defs.instance.dagster_internals import name_location_of_runs
from event_platform.defs.instance.launcher import WatchfulRunLauncher
from event_platform_tests.defs.automation.requests.ticking import (
    FIRST,
    LAST,
    RAW,
    TYPED,
    asked,
    end,
    reconcile,
    said,
    tick,
)
from event_platform_tests.support.world import World, event


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
    """The ticks until then say so; what else comes due does not wait, nor does the daily reconciliation."""
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
    assert [request.tags[FIRST] for request in reconcile(world, instance).run_requests or []] == [str(yesterday)]
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
    message = tick(world, sensor, instance)
    assert bool(asked(message)) is not holds
    if holds:
        assert re.search(rf"{days[2]}: run \w{{8}} is at work there", said(message))


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
    """It selects no assets, so its plan determines them. If it was killed, nobody ends it, so its silence counts."""
    name_location_of_runs(instance, "event_platform", "__repository__")
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


def test_run_monitoring_does_not_end_a_run_of_the_command_line(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Only its terminal knows whether it is alive, and its assets would be requested again meanwhile."""
    name_location_of_runs(instance, "event_platform", "__repository__")
    done = world.materialize(today, selection=dg.AssetSelection.assets(RAW, "corrupt_events"), instance=instance)
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    assert run.remote_job_origin is not None
    started = run._replace(status=dg.DagsterRunStatus.STARTED)
    for each in (started, started._replace(remote_job_origin=None)):
        assert WatchfulRunLauncher().check_run_worker_health(each).status is WorkerStatus.RUNNING


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
    """For its assets, until they are done or it has ended."""
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
    tick_result = tick(world, "landing_sensor", instance)
    assert bool(asked(tick_result)) is not holds
    assert ("backfill ofthe-ui is at work there" in said(tick_result)) is holds
    data = backfill.asset_backfill_data
    assert data is not None
    done = backfill._replace(asset_backfill_data=data._replace(materialized_subset=data.target_subset))
    instance.update_backfill(done._replace(status=status))
    assert asked(tick(world, "landing_sensor", instance)) == [(str(today), str(today))]
