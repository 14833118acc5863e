"""A daily look at everything: objects of any day, and dates that a failed run has left."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from event_platform.defs.automation.downstream import due_whole, states, together
from event_platform.defs.automation.requests import ask, ask_whole, join, unreachable, warned
from event_platform.defs.graph import own_assets_of
from event_platform.defs.resources.platform import LakeResource, LandingResource
from event_platform.events.catalog import Catalog
from event_platform.lake.ledger import deliveries
from event_platform.pipeline.due import due_arrival_dates, due_created_dates
from event_platform.sample.own_assets import shipped_assets
from event_platform.storage.polars_errors import translate_errors


def build_sweep(
    raw: Sequence[dg.AssetKey], downstream: Sequence[dg.AssetKey], catalog: Catalog, first_date: date
) -> dg.ScheduleDefinition:
    """Return the schedule that asks for whatever the sensors have missed or given up."""

    @dg.schedule(
        name="daily_sweep",
        target=dg.AssetSelection.all(),
        cron_schedule="0 4 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Asks once a day for objects of any day that are not loaded, and for dates that failed.",
    )
    @translate_errors()
    def daily_sweep(
        context: dg.ScheduleEvaluationContext, landing: LandingResource, lake: LakeResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        tables, today = lake.open(), datetime.now(UTC).date()
        tables.storage.check()
        delivery = deliveries(tables.raw_events.snapshot(), landing.open(), None)
        arrivals = {landed.arrival_date for landed in delivery.due} | {*due_arrival_dates(tables, look_for_files=True)}
        own = own_assets_of(context, shipped_assets(catalog, first_date))
        created = due_created_dates(tables, catalog, own=own, look_for_files=True)
        told = warned(
            context.log,
            [unreachable(arrivals, first_date, today), created.warning, *delivery.omissions.warnings],
        )
        # A state of its own each day: the sweep does not wait for the pause of a sensor.
        state, now = f"sweep-{context.scheduled_execution_time:%Y-%m-%d}", datetime.now(UTC)
        arrived = {day: state for day in arrivals if first_date <= day <= today}
        instance = _instance_of(context)
        asked = join(
            [
                ask(instance, "raw", arrived, raw, now),
                *(
                    ask(instance, "created", states(each, state), each.assets, now)
                    for each in together(created, own, downstream, first_date, today)
                ),
                *(ask_whole(instance, "created", state, key, now) for key in due_whole(created, own)),
            ]
        )
        if asked.requests:
            warned(context.log, asked.waiting)
            return asked.requests
        reasons = asked.waiting or ["everything is loaded, and every date is up to date"]
        return dg.SkipReason("; ".join([*reasons, *told]))

    return daily_sweep


def _instance_of(context: dg.ScheduleEvaluationContext) -> dg.DagsterInstance:
    """Return the instance of a schedule: one that is in memory alone is not handed on, and nothing runs there."""
    try:
        return context.instance
    except dg.DagsterInvariantViolationError:
        return dg.DagsterInstance.ephemeral()
