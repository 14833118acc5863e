"""A daily look at everything: objects of any day, and dates that a failed run has left."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from event_platform.events.catalog import Catalog
from event_platform.graph import own_assets_of
from event_platform.lake.explained import explained
from event_platform.lake.ledger import deliveries
from event_platform.lake.staleness import due_arrival_dates, due_created_dates
from event_platform.operations.downstream import due_whole, together
from event_platform.operations.requests import run_requests, unreachable, warned, whole_request
from event_platform.resources import LakeResource, LandingResource
from event_platform.steps.shipped import shipped_assets


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
    @explained()
    def daily_sweep(
        context: dg.ScheduleEvaluationContext, landing: LandingResource, lake: LakeResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        tables, today = lake.open(), datetime.now(UTC).date()
        tables.storage.check()
        due = deliveries(tables.raw_events.snapshot(), landing.open(), None).due
        arrivals = {landed.arrival_date for landed in due} | set(due_arrival_dates(tables))
        own = own_assets_of(context, shipped_assets(catalog, first_date))
        created = due_created_dates(tables, catalog, own=own)
        told = warned(context.log, [unreachable(arrivals, first_date, today), created.warning])
        state = f"sweep-{context.scheduled_execution_time:%Y-%m-%d}"
        requests = [
            *run_requests("raw", {day for day in arrivals if first_date <= day <= today}, state, raw),
            *(
                request
                for each in together(created, own, downstream, first_date, today)
                for request in run_requests("created", each.days, f"{state}:{_names(each.assets)}", each.assets)
            ),
            *(whole_request("created", state, key) for key in due_whole(created, own)),
        ]
        return requests or dg.SkipReason("; ".join(["everything is loaded, and every date is up to date", *told]))

    return daily_sweep


def _names(assets: Sequence[dg.AssetKey]) -> str:
    return ",".join(key.to_user_string() for key in assets)
