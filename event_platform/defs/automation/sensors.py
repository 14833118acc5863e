"""Sensors: new objects in landing → arrival dates; records in raw_events → the created dates that they touched.

Neither remembers what was done: that is in the tables. A cursor only says what need not be looked at again. Where S3
tells a queue of objects, landing is listed where that points, and every ten minutes as without one.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

import dagster as dg

from event_platform.defs.automation.downstream import due_whole, states, together
from event_platform.defs.automation.looking import as_cursor, look, position_in
from event_platform.defs.automation.requests import Asked, ask, ask_whole, digest, is_under_way, join, warned
from event_platform.defs.graph import own_assets_of
from event_platform.defs.resources.platform import LakeResource, LandingResource
from event_platform.events.catalog import Catalog
from event_platform.events.errors import LandingError
from event_platform.lake.ledger import deliveries
from event_platform.landing.notifications import Heard, LandingQueue, days_of
from event_platform.pipeline.due import due_arrival_dates, due_created_dates
from event_platform.sample.own_assets import shipped_assets
from event_platform.storage.polars_errors import translate_errors

_SECONDS_BETWEEN_TICKS = 15

#: Seconds after which a tick looks although nothing told it to: messages can be lost, and rows be deleted.
_SECONDS_BETWEEN_LOOKS = 600


def build_landing_sensor(
    assets: Sequence[dg.AssetKey], first_date: date, queue: LandingQueue | None = None
) -> dg.SensorDefinition:
    """Return the sensor that asks for the arrival dates of new and changed objects.

    With a queue, most ticks look only at the days that its messages tell of, and at nothing where there is none.
    """

    @dg.sensor(
        name="landing_sensor",
        target=dg.AssetSelection.assets(*assets),
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
        today, heard = now.date(), _heard(queue, context.log)
        looks = heard is None or is_time_to_look(cursor, now)
        if not looks and heard is not None and not heard.names:
            _settle(queue, heard, (), context.log)
            return dg.SkipReason("the queue tells of no object; landing is listed every ten minutes")
        told = days_of(heard.names) if heard else set[date]()
        tables, here = lake.open(), landing.open()
        tables.storage.check()
        raw, position = tables.raw_events.snapshot(), position_in(cursor)
        if told is None or not looks:
            delivery, looked_at = deliveries(raw, here, told), "any day" if told is None else f"{len(told)} days"
        else:
            seen = look(raw, here, position, told, first_date, today)
            delivery, position, looked_at = seen.delivery, seen.position, f"{seen.listed} of {seen.days} days"
        if looks:
            cursor = as_cursor(position) if queue is None else _stamped(as_cursor(position), now)
        due, left_out = delivery.due, warned(context.log, delivery.omissions.warnings)
        # What lies outside the partitions is not loaded, and the sweep tells of it: no message has to wait for that.
        _settle(queue, heard, [each.name for each in due if first_date <= each.arrival_date <= today], context.log)
        objects = defaultdict[date, list[str]](list, {day: ["corrupt_events"] for day in due_arrival_dates(tables)})
        for landed in due:
            objects[landed.arrival_date].append(f"{landed.name}:{landed.size}:{landed.etag}")
        wanted = {day: digest(names) for day, names in objects.items() if first_date <= day <= today}
        asked = ask(context.instance, "raw", wanted, assets, now)
        reasons = [f"nothing {'else ' if asked.waiting else ''}new on {looked_at}", *asked.waiting, *left_out]
        return _result(context, asked, "; ".join(reasons), cursor)

    return landing_sensor


def build_touched_dates_sensor(
    assets: Sequence[dg.AssetKey], catalog: Catalog, first_date: date
) -> dg.SensorDefinition:
    """Return the sensor that asks for the created dates that are older than raw_events, or than what they are made of.

    Of assets that people add as well, as the code location has them. The automation sensor then finds them built.
    """

    @dg.sensor(
        name="touched_dates_sensor",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for exactly the created dates that new records touched, in one batch.",
    )
    @translate_errors()
    def touched_dates_sensor(
        context: dg.SensorEvaluationContext, lake: LakeResource
    ) -> dg.SensorResult | dg.SkipReason:
        # While records are being loaded, more dates may come due: they go into one batch.
        now = datetime.now(UTC)
        if any(is_under_way(context.instance, part, now) for part in ("raw", "created")):
            return dg.SkipReason("a run is at work; what comes due meanwhile is asked for together")
        tables, types = lake.open(), digest(catalog.by_key)
        tables.storage.check()
        since = version_in(context.cursor, types)
        # What is left is what somebody else changed: to look for it opens a hundred tables.
        look_for_files = is_time_to_look(context.cursor, now)
        if since == tables.raw_events.snapshot().version and not look_for_files:
            return dg.SkipReason("nothing new in raw_events; the rows of all tables are counted every ten minutes")
        own = own_assets_of(context, shipped_assets(catalog, first_date))
        due = due_created_dates(tables, catalog, since, own, look_for_files=look_for_files)
        if since > due.version:  # another table than the one that the cursor is about
            due = due_created_dates(tables, catalog, own=own, look_for_files=look_for_files)
        warned(context.log, [due.warning])
        state = digest([f"{due.version}", *catalog.by_key])
        asked = join(
            [
                *(
                    ask(context.instance, "created", states(each, state), each.assets, now)
                    for each in together(due, own, assets, first_date, now.date())
                ),
                *(ask_whole(context.instance, "created", state, key, now) for key in due_whole(due, own)),
            ]
        )
        if asked.requests or asked.waiting:
            return _result(context, asked, "; ".join(asked.waiting), context.cursor)
        if any(day > now.date() for day in due.days):  # no partitions yet; they stay due
            return dg.SensorResult(skip_reason="what is due is in the future", cursor=context.cursor)
        return dg.SensorResult(skip_reason="every date is up to date", cursor=_stamped(f"{types}:{due.version}", now))

    return touched_dates_sensor


def build_automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that heeds automation conditions, also those of assets that people add.

    The one that Dagster makes by itself would have to be switched on first.
    """
    return dg.AutomationConditionSensorDefinition(
        "automation_sensor",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Materializes assets as their automation conditions say, such as the days of late data.",
    )


def is_time_to_look(cursor: str | None, now: datetime) -> bool:
    """Say whether it is time to look where nobody told of anything new; also where the cursor does not tell."""
    then = (cursor or "").partition(" ")[2]
    is_time = then.isascii() and then.isdecimal()
    return not is_time or not 0 <= now.timestamp() - int(then) < _SECONDS_BETWEEN_LOOKS


def version_in(cursor: str | None, types: str) -> int:
    """Return the version of raw_events up to which every date was up to date, with these event types; else 0.

    What failed after that is looked at until it is built; tables that are set back by hand are found by the sweep.
    """
    known, _, version = (cursor or "").partition(" ")[0].partition(":")
    return int(version) if known == types and version.isascii() and version.isdecimal() else 0


def _result(context: dg.SensorEvaluationContext, asked: Asked, reason: str, cursor: str | None) -> dg.SensorResult:
    """Return what a tick asks for, else why it asks for nothing; what has to wait is in its log where it asks."""
    if asked.requests:
        warned(context.log, asked.waiting)
        return dg.SensorResult(run_requests=asked.requests, cursor=cursor)
    return dg.SensorResult(skip_reason=reason, cursor=cursor)


def _heard(queue: LandingQueue | None, log: logging.Logger) -> Heard | None:
    """Return what a queue tells; None where there is none, or none that answers, and all is as if there were none."""
    if queue is None:
        return None
    try:
        heard = queue.receive()
    except LandingError as error:
        warned(log, [f"{error}. Landing is listed instead"])
        return None
    warned(log, heard.faults)
    return heard


def _settle(queue: LandingQueue | None, heard: Heard | None, waiting: Iterable[str], log: logging.Logger) -> None:
    """Delete the messages that tell of no object that waits to be loaded. The others come again."""
    if queue is None or heard is None:
        return
    names = frozenset(waiting)
    try:
        queue.delete([message for message in heard.messages if names.isdisjoint(message.names)])
    except LandingError as error:
        warned(log, [str(error)])


def _stamped(cursor: str, now: datetime) -> str:
    return f"{cursor} {int(now.timestamp())}"
