"""The days of given assets that an active run or backfill will write, whoever started it."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import date, datetime

import dagster as dg

from event_platform.defs.instance.dagster_internals import (
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
    is_launched,
)

_PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

#: Seconds without an event after which an unmonitored run counts as dead.
_SILENCE = 3600

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def days_under_way(
    instance: dg.DagsterInstance, assets: Collection[dg.AssetKey], days: Collection[date], now: datetime
) -> dict[date, str]:
    """Return the days that an active run or backfill will write for one of the assets, with that run or backfill."""
    run_by_day = dict[date, str]()
    for record in instance.get_run_records(dg.RunsFilter(statuses=ACTIVE)):
        run = record.dagster_run
        first, last = _range_of(run)
        concerned = [day for day in days if first <= day <= last]
        if concerned and not _assets_of(instance, run).isdisjoint(assets) and is_alive(instance, record, now):
            run_by_day.update(dict.fromkeys(concerned, f"run {run.run_id[:8]}"))
    # A requested backfill may have no runs yet.
    for backfill in _requested_backfills(instance):
        unwritten = _days_left(backfill, assets)
        run_by_day.update({day: f"backfill {backfill.backfill_id}" for day in days if day in unwritten})
    return run_by_day


def are_under_way(instance: dg.DagsterInstance, assets: Collection[dg.AssetKey], now: datetime) -> bool:
    """Return whether a run or backfill writes one of the assets, or is about to, on any day."""
    active = instance.get_run_records(dg.RunsFilter(statuses=ACTIVE))
    return any(
        not _assets_of(instance, record.dagster_run).isdisjoint(assets) and is_alive(instance, record, now)
        for record in active
    ) or any(_days_left(backfill, assets) for backfill in _requested_backfills(instance))


def is_alive(instance: dg.DagsterInstance, record: dg.RunRecord, now: datetime) -> bool:
    """Return whether a run is active. Run monitoring ends launched runs whose process has died.

    Runs of the command line are not monitored; they count as dead after an hour without an event.
    """
    if is_launched(record.dagster_run):
        return True
    last = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False).records
    last_sign = max([record.update_timestamp.timestamp(), *(entry.timestamp for entry in last)])
    return now.timestamp() - last_sign < _SILENCE


def _assets_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[dg.AssetKey]:
    """Return the assets that a run writes: its selection, else the outputs of its plan."""
    if run.asset_selection is not None:
        return frozenset(run.asset_selection)
    if run.execution_plan_snapshot_id is None:
        return frozenset()
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    steps = (step for step in plan.steps if step.key in plan.step_keys_to_execute)
    outputs = (output.properties for step in steps for output in step.outputs)
    return frozenset(output.asset_key for output in outputs if output is not None and output.asset_key is not None)


def _range_of(run: dg.DagsterRun) -> tuple[date, date]:
    """Return the first and last day of a run, or all days if its tags do not say."""
    with suppress(ValueError):
        if _PARTITION in run.tags:
            return date.fromisoformat(run.tags[_PARTITION]), date.fromisoformat(run.tags[_PARTITION])
        if _FIRST in run.tags and _LAST in run.tags:
            return date.fromisoformat(run.tags[_FIRST]), date.fromisoformat(run.tags[_LAST])
    return date.min, date.max


def _requested_backfills(instance: dg.DagsterInstance) -> Sequence[PartitionBackfill]:
    return instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))


def _days_left(backfill: PartitionBackfill, assets: Collection[dg.AssetKey]) -> set[date]:
    """Return the days on which a backfill has yet to write one of the assets."""
    data = backfill.asset_backfill_data
    if data is None:
        return set()
    unwritten = data.target_subset - data.materialized_subset - data.failed_and_downstream_subset
    subsets = (unwritten.partitions_subsets_by_asset_key.get(asset) for asset in assets)
    keys = {key for subset in subsets if subset is not None for key in subset.get_partition_keys()}
    return {date.fromisoformat(key) for key in keys}
