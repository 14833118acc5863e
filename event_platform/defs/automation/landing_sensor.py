"""The landing sensor: requests the arrival dates of new and changed objects.

Events that arrive today were mostly created today. If nothing else has landed, one run loads them and builds the tables
of that created date. Other created dates are left to the sensor of changed dates.

What was loaded is recorded only in the tables; the cursor only saves repeated look-ups. Most ticks list only today's
folder; every half minute, one tick lists the other days. If S3 notifies a queue of objects, the days of its messages
are listed instead, and all of landing every ten minutes.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

import dagster as dg

from event_platform.defs.automation.downstream import built_beside
from event_platform.defs.automation.looking import as_cursor, look, look_at, position_in
from event_platform.defs.automation.requests import ask, digest, is_under_way, log_warnings
from event_platform.defs.automation.ticks import is_time_to_look, stamp_cursor, tick_result
from event_platform.defs.automation.under_way import are_under_way
from event_platform.defs.graph import own_assets_of
from event_platform.defs.resources.platform import LakeResource, LandingResource
from event_platform.events.catalog import Catalog
from event_platform.events.errors import StorageError
from event_platform.lake.ledger import deliveries
from event_platform.landing.notifications import LandingQueue, ReceivedMessages, days_of
from event_platform.pipeline.due_arrivals import due_arrivals
from event_platform.sample.own_assets import shipped_assets
from event_platform.storage.polars_errors import translate_errors

#: Dagster's daemon evaluates its sensors every five seconds. An interval of five would skip the next round whenever a
#: tick starts slightly late.
_SECONDS_BETWEEN_TICKS = 4

#: Seconds after which a tick without a queue looks at all days.
_SECONDS_BETWEEN_LOOKS = 30


def build_landing_sensor(
    raw: Sequence[dg.AssetKey],
    downstream: Sequence[dg.AssetKey],
    catalog: Catalog,
    first_date: date,
    queue: LandingQueue | None = None,
) -> dg.SensorDefinition:
    """Return the sensor that requests the arrival dates of new and changed objects.

    `raw` are the assets of arrival dates; `downstream` are the platform's assets derived from them. With a queue, most
    ticks list only the days of its messages, and nothing without messages.
    """

    @dg.sensor(
        name="landing_sensor",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the arrival dates that new, changed and late-delivered objects belong to.",
    )
    @translate_errors()
    def landing_sensor(
        context: dg.SensorEvaluationContext, landing: LandingResource, lake: LakeResource
    ) -> dg.SensorResult | dg.SkipReason:
        now, cursor = datetime.now(UTC), context.cursor
        if is_under_way(context.instance, "raw", now):
            return dg.SkipReason("a run is loading already")
        today, received = now.date(), _receive(queue, context.log)
        looks = is_time_to_look(cursor, now) if received else is_time_to_look(cursor, now, _SECONDS_BETWEEN_LOOKS)
        if not looks and received is not None and not received.names:
            _delete_settled(queue, received, (), context.log)
            return dg.SkipReason("the queue has no message about an object; landing is listed every ten minutes")
        tables, source = lake.open(), landing.open()
        days = days_of(received.names, source.zone) if received else set[date]()
        tables.storage.check()
        ledger, position = tables.raw_events.snapshot(), position_in(cursor)
        if days is not None and looks:
            view = look(ledger, source, position, days, first_date, today)
            delivery, position, looked_at = view.delivery, view.position, f"{view.listed} of {view.days} days"
        elif received:
            delivery, looked_at = deliveries(ledger, source, days), "any day" if days is None else f"{len(days)} days"
        else:
            delivery, looked_at = look_at(ledger, source, today), f"{today}"
        if looks:
            cursor = stamp_cursor(as_cursor(position), now)
        due, left_out = delivery.due, log_warnings(context.log, delivery.omissions.warnings)
        # Objects outside of the partitions are not loaded, and the reconciliation reports them: messages do not wait
        # for them.
        _delete_settled(
            queue,
            received,
            [arrival.name for arrival in due if first_date <= arrival.arrival_date <= today],
            context.log,
        )
        notes = [note for note in [delivery.omissions.undated_note] if note]
        if not (due or looks):
            return dg.SkipReason("; ".join([f"nothing new on {looked_at}", *left_out, *notes]))
        arrivals = due_arrivals(tables, due, first_date, today)
        states = {day: digest(causes) for day, causes in arrivals.causes.items()}
        own = built_beside(own_assets_of(context, shipped_assets(catalog, first_date)))
        is_live = states.keys() == {today} and not are_under_way(context.instance, [*downstream, *own], now)
        assets = [*raw, *downstream, *own] if is_live else raw
        requested = ask(context.instance, "raw", states, assets, now)
        reasons = [
            f"nothing {'else ' if requested.waiting else ''}new on {looked_at}",
            *requested.waiting,
            *left_out,
            *notes,
        ]
        return tick_result(context, requested, "; ".join(reasons), cursor)

    return landing_sensor


def _receive(queue: LandingQueue | None, log: logging.Logger) -> ReceivedMessages | None:
    """Return the messages of a queue; None if there is no queue, or it does not answer."""
    if queue is None:
        return None
    try:
        received = queue.receive()
    except StorageError as error:
        log_warnings(log, [f"{error} Landing is listed instead"])
        return None
    log_warnings(log, received.faults)
    return received


def _delete_settled(
    queue: LandingQueue | None, received: ReceivedMessages | None, waiting: Iterable[str], log: logging.Logger
) -> None:
    """Delete the messages whose objects are all loaded. The others are delivered again."""
    if queue is None or received is None:
        return
    names = frozenset(waiting)
    try:
        queue.delete([message for message in received.messages if names.isdisjoint(message.names)])
    except StorageError as error:
        log_warnings(log, [str(error)])
