"""Samples of Dagster's records: active runs, the newest finished runs, and ticks."""

from collections.abc import Iterator

import dagster as dg

from event_platform.metrics.gauges import Gauge, Sample

_Status = dg.DagsterRunStatus
_ENDED = (_Status.SUCCESS, _Status.FAILURE, _Status.CANCELED)
_UNENDED = (_Status.QUEUED, _Status.NOT_STARTED, _Status.STARTING, _Status.STARTED, _Status.CANCELING)


def run_samples(instance: dg.DagsterInstance) -> Iterator[Sample]:
    """Yield the samples of an instance. Raises the errors of its storages."""
    yield from _unended_runs(instance)
    for status in _ENDED:
        yield from _last_run(instance, status)
    yield from _ticks(instance)


def _unended_runs(instance: dg.DagsterInstance) -> Iterator[Sample]:
    for status in _UNENDED:
        count = instance.get_runs_count(dg.RunsFilter(statuses=[status]))
        yield Sample(Gauge.RUNS, count, (status.value.lower(),))
    for oldest in instance.get_run_records(dg.RunsFilter(statuses=[*_UNENDED]), limit=1, ascending=True):
        yield Sample(Gauge.OLDEST_RUN, oldest.create_timestamp.timestamp())


def _last_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> Iterator[Sample]:
    for run in instance.get_run_records(dg.RunsFilter(statuses=[status]), limit=1):
        labels = (status.value.lower(),)
        if run.end_time is not None:
            yield Sample(Gauge.LAST_RUN, run.end_time, labels)
        if run.end_time is not None and run.start_time is not None:  # a run may end before it has started
            yield Sample(Gauge.LAST_RUN_DURATION, run.end_time - run.start_time, labels)


def _ticks(instance: dg.DagsterInstance) -> Iterator[Sample]:
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2)
        ended = [tick for tick in ticks if tick.is_completed]  # the newest may be at work
        for tick in ended[:1] if state.is_running else []:
            yield Sample(Gauge.TICK, tick.timestamp, (state.instigator_name,))
            yield Sample(Gauge.TICK_FAILED, tick.is_failure, (state.instigator_name,))
