"""A daily look at everything: objects of any day, and dates that a failed run has left."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from event_platform.events.catalog import Catalog
from event_platform.lake.explained import explained
from event_platform.lake.ledger import deliveries
from event_platform.lake.staleness import due_arrival_dates, due_created_dates
from event_platform.operations.requests import run_requests, unreachable, warned
from event_platform.resources import LakeResource, LandingResource


def build_sweep(
    raw: Sequence[dg.AssetKey], downstream: Sequence[dg.AssetKey], catalog: Catalog, first_date: date
) -> dg.ScheduleDefinition:
    """Return the schedule that asks for whatever the sensors have missed or given up."""

    @dg.schedule(
        name="daily_sweep",
        target=dg.AssetSelection.assets(*raw, *downstream),
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
        delivery = deliveries(tables.raw_events.snapshot(), landing.open(), None)
        arrivals = {landed.arrival_date for landed in delivery.due} | set(due_arrival_dates(tables))
        created = due_created_dates(tables, catalog)
        told = warned(
            context.log,
            [unreachable(arrivals, first_date, today), created.warning, *delivery.omissions.warnings],
        )
        state = f"sweep-{context.scheduled_execution_time:%Y-%m-%d}"
        requests = [
            *run_requests("raw", {day for day in arrivals if first_date <= day <= today}, state, raw),
            *run_requests("created", {day for day in created.days if day >= first_date}, state, downstream),
        ]
        return requests or dg.SkipReason("; ".join(["everything is loaded, and every date is up to date", *told]))

    return daily_sweep
