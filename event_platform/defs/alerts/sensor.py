"""The sensor that sends alerts for failed checks, failed runs and missed freshness, read from Dagster's event log.

If a tick is killed, the next one starts from the same cursor: an alert may be sent twice, but is never lost.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster import AssetCheckEvaluation, DagsterEventType

from event_platform.checks.result import Severity
from event_platform.defs.alerts.cursor import IDS_TO_LOOK_BACK, CursorState, load_cursor
from event_platform.defs.alerts.wording import (
    Alert,
    Finding,
    Level,
    check_alerts,
    freshness_alert,
    message,
    run_alerts,
)
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS, event_key
from event_platform.defs.automation.failures import cause_of
from event_platform.defs.checks.results import to_result
from event_platform.defs.instance.dagster_internals import FreshnessState
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog
from event_platform.events.wording import counted

_SECONDS_BETWEEN_TICKS = 30
_RUNS_IN_A_TICK = 50
_ENDINGS = (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE)
_BLOCKED = "DagsterAssetCheckFailedError"
_STALE = {FreshnessState.WARN: Level.WARN, FreshnessState.FAIL: Level.ERROR}

#: Owner of each asset that can fail separately; "" without an owner.
Owners = Mapping[str, str]


def build_alerts_sensor(
    environment: Environment, catalog: Catalog, with_freshness: Sequence[dg.AssetKey]
) -> dg.SensorDefinition:
    """Return the sensor that sends alerts to EVENT_PLATFORM_ALERT_URLS."""
    owners = {event_key(event_type).to_user_string(): event_type.owner or "" for event_type in catalog.event_types}
    owners[UNREGISTERED_EVENTS.to_user_string()] = ""

    def render(alert: Alert) -> tuple[str, str]:
        return message(alert, environment.name, environment.ui_url)

    @dg.sensor(
        name="alerts_sensor",
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends alerts for failed checks, failed runs and missed freshness to EVENT_PLATFORM_ALERT_URLS.",
    )
    def alerts_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not environment.alert_urls:
            return dg.SkipReason("EVENT_PLATFORM_ALERT_URLS is not set: failures are shown in this UI only")
        # Apprise takes a quarter of a second to import, which only this sensor needs.
        from event_platform.defs.alerts.outbox import deliver, parse_addresses, post  # noqa: PLC0415

        to, faults = parse_addresses(environment.alert_urls)
        state, fault = load_cursor(context.cursor, time.time())
        changes = [
            *_run_alerts(context.instance, state, owners),
            *_freshness_alerts(context.instance, state, with_freshness, owners),
        ]
        post(state.outbox, changes, to)
        messages = [f"{counted(deliver(state.outbox, to, render, time.time()), 'message')} sent"]
        messages += [f"addresses not reached: {len(state.outbox)}, retried later"] if state.outbox else []
        messages += [error for error in (fault, *faults) if error]
        return dg.SensorResult(skip_reason="; ".join(messages), cursor=state.as_cursor())

    return alerts_sensor


def _run_alerts(instance: dg.DagsterInstance, state: CursorState, owners: Owners) -> Iterator[Alert]:
    for ending in _unread_endings(instance, state):
        run_id = ending.run_id
        yield from check_alerts(state.changes(_evaluations(instance, run_id)), run_id, owners)
        if ending.event_log_entry.dagster_event_type is DagsterEventType.RUN_FAILURE:
            yield from _failure_alerts(instance, ending, owners)
        state.read(ending.storage_id)


def _unread_endings(instance: dg.DagsterInstance, state: CursorState) -> list[dg.EventLogRecord]:
    """Return the run endings that were not read yet, oldest first.

    Not a `@dg.run_status_sensor`: its cursor moves on even if the tick fails.
    """
    records = [
        record
        for ending in _ENDINGS
        for record in instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(
                ending,  # type: ignore[arg-type]
                after_timestamp=state.since,
                after_storage_id=max(state.last - IDS_TO_LOOK_BACK, 0),
            ),
            limit=_RUNS_IN_A_TICK + IDS_TO_LOOK_BACK,
            ascending=True,
        ).records
        if record.storage_id not in state.seen
    ]
    return sorted(records, key=lambda record: record.storage_id)[:_RUNS_IN_A_TICK]


def _evaluations(instance: dg.DagsterInstance, run_id: str) -> Iterator[Finding]:
    """Yield the check evaluations of a run, oldest first."""
    for event in _events(instance, run_id, DagsterEventType.ASSET_CHECK_EVALUATION):
        if isinstance(evaluation := event.event_specific_data, AssetCheckEvaluation):
            yield finding_of(evaluation)


def finding_of(evaluation: AssetCheckEvaluation) -> Finding:
    """Return the finding of an evaluation; Level.RECOVERED if it passed."""
    result = to_result(evaluation)
    failed = Level.ERROR if result.severity is Severity.ERROR else Level.WARN
    return Finding(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition or "",
        level=Level.RECOVERED if result.passed else failed,
        figures=result.description,
        faults=result.faults,
        hints=result.hints,
    )


def _failure_alerts(instance: dg.DagsterInstance, ending: dg.EventLogRecord, owners: Owners) -> list[Alert]:
    """Return the alerts of a failed run, without its blocking checks: these have their own alerts."""
    steps: dict[str, str] = {}
    assets: dict[str, str] = {}
    blocked = False
    for event in _events(instance, ending.run_id, DagsterEventType.STEP_FAILURE):
        failure = event.step_failure_data
        if failure.error is not None and failure.error.cls_name == _BLOCKED:
            blocked = True
        else:
            # A step of another author may have any metadata.
            metadata = failure.user_failure_data.metadata if failure.user_failure_data else {}
            errors = {name: str(value.value) for name, value in metadata.items() if name in owners}
            assets.update(errors)
            steps.update({} if errors else {event.step_key or "run": cause_of(failure.error)})
    if not steps and not assets and not blocked:
        steps["run"] = ending.event_log_entry.message or "it ended without a message: its process was killed"
    return run_alerts(ending.run_id, steps, assets, owners)


def _freshness_alerts(
    instance: dg.DagsterInstance, state: CursorState, assets: Sequence[dg.AssetKey], owners: Owners
) -> Iterator[Alert]:
    for key, record in sorted(instance.get_freshness_state_records(assets).items()):
        asset, level = key.to_user_string(), _STALE.get(record.freshness_state)
        before = state.stale.pop(asset, None)
        if level is not before:
            severity = level or before or Level.WARN
            yield freshness_alert(asset, level or Level.RECOVERED, severity, owners.get(asset, ""))
        state.stale.update({asset: level} if level else {})


def _events(instance: dg.DagsterInstance, run_id: str, of_type: DagsterEventType) -> Iterator[dg.DagsterEvent]:
    cursor, has_more = None, True
    while has_more:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=of_type, limit=1_000)
        yield from (record.event_log_entry.get_dagster_event() for record in page.records)
        cursor, has_more = page.cursor, page.has_more
