"""Ticks of sensors and of the daily reconciliation, and what becomes of what they ask for."""

import errno
import os
from datetime import UTC, date, datetime

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from event_platform_tests.support.world import World

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
RAW, TYPED = dg.AssetKey("raw_events"), dg.AssetKey(["events", "account_created"])


def tick(world: World, sensor: str, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """Evaluate a sensor once; what it says is the skip reason."""
    definitions = world.definitions()
    resources = {name: dict(definitions.resources or {})[name] for name in ("landing", "lake", "publishing")}
    context = dg.build_sensor_context(instance, cursor=cursor, definitions=definitions, resources=resources)
    with context:
        data = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
    if data.skip_message:
        return dg.SensorResult(skip_reason=data.skip_message, cursor=data.cursor)
    return dg.SensorResult(run_requests=data.run_requests or [], cursor=data.cursor)


def reconcile(world: World, instance: dg.DagsterInstance) -> ScheduleExecutionData:
    """Evaluate the daily reconciliation once."""
    definitions = world.definitions()
    resources = dict(definitions.resources or {})
    context = dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC), resources=resources)
    with context:
        return definitions.resolve_schedule_def("daily_reconciliation").evaluate_tick(context)


def asked(result: dg.SensorResult) -> list[tuple[str, str]]:
    """Return the ranges of days that were asked for."""
    return [(request.tags[FIRST], request.tags[LAST]) for request in result.run_requests or [] if FIRST in request.tags]


def carry_out(world: World, result: dg.SensorResult, instance: dg.DagsterInstance | None = None) -> None:
    """Do what was asked for, as the daemon does: a key that a run had is dropped, and tags go to the run."""
    for request in result.run_requests or []:
        keys = request.asset_selection
        if not keys:  # checks alone
            continue
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
    """Record runs for the requests, without any work, that ended with `status`."""
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
    """Tick both sensors and carry out their requests; return these."""
    loads = tick(world, "landing_sensor", instance)
    carry_out(world, loads)
    builds = tick(world, "changed_dates_sensor", instance)
    carry_out(world, builds)
    return asked(loads), asked(builds)


def fail(*_: object, **__: object) -> None:
    """Take the place of a step that fails."""
    raise ValueError("broken")


def fail_listing(monkeypatch: pytest.MonkeyPatch, world: World, day: date) -> str:
    """Have the second of three hours' folders fail when it is listed; return its path."""
    broken, listed = str(world.root / "landing" / f"{day:%Y/%m/%d}" / "02"), os.scandir

    def scandir(path: str) -> object:
        if str(path) == broken:
            raise OSError(errno.EIO, "Input/output error", broken)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return broken
