"""The daily reconciliation: objects of any day, and dates that failed runs have left."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from event_platform.defs.automation.downstream import due_downstream
from event_platform.defs.automation.publishing_sensor import ask_publication, iceberg_status_of
from event_platform.defs.automation.requests import ask, join, log_warnings
from event_platform.defs.graph import own_assets_of, with_checks
from event_platform.defs.resources.platform import LakeResource, LandingResource, PublishingResource
from event_platform.events.catalog import Catalog
from event_platform.lake.ledger import deliveries
from event_platform.pipeline.due_arrivals import due_arrivals
from event_platform.sample.own_assets import shipped_assets
from event_platform.storage.polars_errors import translate_errors
from event_platform.storage.queue import Queue
from event_platform.stream.redeliveries import are_redeliveries_waiting


def build_daily_reconciliation(
    raw: Sequence[dg.AssetKey],
    downstream: Sequence[dg.AssetKey],
    catalog: Catalog,
    first_date: date,
    redeliveries: Queue | None = None,
) -> dg.ScheduleDefinition:
    """Return the schedule that requests everything that the sensors have missed or given up.

    With a queue of `redeliveries`, it also requests a run of today, which takes the messages, if no day is due.
    """

    @dg.schedule(
        name="daily_reconciliation",
        target=dg.AssetSelection.all(),
        cron_schedule="0 4 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Asks once a day for objects of any day that are not loaded, and for dates that failed.",
    )
    @translate_errors()
    def daily_reconciliation(
        context: dg.ScheduleEvaluationContext,
        landing: LandingResource,
        lake: LakeResource,
        publishing: PublishingResource,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        tables, now = lake.open(), datetime.now(UTC)
        tables.storage.check()
        delivery = deliveries(tables.raw_events.snapshot(), landing.open(), None)
        arrivals = due_arrivals(tables, delivery.due, first_date, now.date(), look_for_files=True)
        own = own_assets_of(context, shipped_assets(catalog, first_date))
        due = due_downstream(tables, catalog, own, downstream, first_date, now.date(), look_for_files=True)
        iceberg = iceberg_status_of(publishing, tables, catalog)
        warnings = log_warnings(
            context.log, [arrivals.warning, *due.dates.warnings, iceberg.fault, *delivery.omissions.warnings]
        )
        # A state of its own each day: the reconciliation does not wait for the pause of a sensor.
        state, instance = f"reconciliation-{context.scheduled_execution_time:%Y-%m-%d}", _instance_of(context)
        days = [*arrivals.causes] or ([now.date()] if are_redeliveries_waiting(redeliveries) else [])
        requested = join(
            [
                ask(instance, "raw", dict.fromkeys(days, state), raw, now),
                due.ask(instance, state, now),
                ask_publication(instance, state, iceberg, now),
            ]
        )
        if requested.requests:
            log_warnings(context.log, requested.waiting)
            return with_checks(context, requested.requests)
        reasons = requested.waiting or ["everything is loaded, and every date is up to date"]
        return dg.SkipReason("; ".join([*reasons, *warnings]))

    return daily_reconciliation


def _instance_of(context: dg.ScheduleEvaluationContext) -> dg.DagsterInstance:
    """Return the instance of a schedule. An ephemeral instance is not passed to schedules; it has no runs either."""
    try:
        return context.instance
    except dg.DagsterInvariantViolationError:
        return dg.DagsterInstance.ephemeral()
