"""Sensors: new objects in landing → arrival dates; records in raw_events → the created dates that they touched.

Neither remembers what was done: that is in the tables. A cursor only says what need not be looked at again. Where S3
tells a queue of objects, landing is listed where that points, and every ten minutes as without one.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from event_platform.events.catalog import Catalog
from event_platform.events.errors import LandingError
from event_platform.graph import own_assets_of
from event_platform.lake.explained import explained
from event_platform.lake.ledger import deliveries
from event_platform.lake.notifications import Heard, LandingQueue, days_of
from event_platform.lake.staleness import due_arrival_dates, due_created_dates
from event_platform.operations.downstream import Together, due_whole, together
from event_platform.operations.requests import is_under_way, run_requests, warned, whole_request
from event_platform.resources import LakeResource, LandingResource
from event_platform.steps.shipped import shipped_assets

_SECONDS_BETWEEN_TICKS = 15

#: Days that every tick lists: today and those into which Firehose may still deliver.
_RECENT_DAYS = 3

#: Days of the past that a tick lists as well, in turn: a year is looked round in ten minutes.
_PAST_DAYS_IN_A_TICK = 10

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
    @explained()
    def landing_sensor(
        context: dg.SensorEvaluationContext, landing: LandingResource, lake: LakeResource
    ) -> dg.SensorResult | dg.SkipReason:
        if is_under_way(context.instance, "raw"):
            return dg.SkipReason("a run is loading already")
        now, cursor = datetime.now(UTC), context.cursor
        today, days = now.date(), list[date]()
        heard = _heard(queue, context.log)
        if heard is None or is_time_to_look(cursor, now):
            days, position = days_to_list((cursor or "").partition(" ")[0], first_date, today)
            cursor = position if queue is None else _stamped(position, now)
        elif not heard.names:
            _settle(queue, heard, (), context.log)
            return dg.SkipReason("the queue tells of no object; landing is listed every ten minutes")
        told = days_of(heard.names) if heard else set[date]()
        looked_at = None if told is None else sorted({*days, *told})
        tables = lake.open()
        tables.storage.check()
        due = deliveries(tables.raw_events.snapshot(), landing.open(), looked_at).due
        # What lies outside the partitions is not loaded, and the sweep tells of it: no message has to wait for that.
        _settle(queue, heard, [each.name for each in due if first_date <= each.arrival_date <= today], context.log)
        wanted = {landed.arrival_date for landed in due} | set(due_arrival_dates(tables))
        wanted = {day for day in wanted if first_date <= day <= today}
        state = _digest(f"{landed.name}:{landed.size}:{landed.etag}" for landed in due)
        requests = run_requests("raw", wanted, state, assets)
        reason = None if requests else f"nothing new on {'any day' if looked_at is None else f'{len(looked_at)} days'}"
        return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=cursor)

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
    @explained()
    def touched_dates_sensor(
        context: dg.SensorEvaluationContext, lake: LakeResource
    ) -> dg.SensorResult | dg.SkipReason:
        # While records are being loaded, more dates may come due: they go into one batch.
        if any(is_under_way(context.instance, part) for part in ("raw", "created")):
            return dg.SkipReason("a run is at work; what comes due meanwhile is asked for together")
        tables, types, now = lake.open(), _digest(catalog.by_key), datetime.now(UTC)
        tables.storage.check()
        since = version_in(context.cursor, types)
        # What is left are rows that somebody deleted: to look for them opens a hundred tables.
        if since == tables.raw_events.snapshot().version and not is_time_to_look(context.cursor, now):
            return dg.SkipReason("nothing new in raw_events; the rows of all tables are counted every ten minutes")
        own = own_assets_of(context, shipped_assets(catalog, first_date))
        due = due_created_dates(tables, catalog, since, own)
        if since > due.version:  # another table than the one that the cursor is about
            due = due_created_dates(tables, catalog, own=own)
        warned(context.log, [due.warning])
        state = _digest([f"{due.version}", *catalog.by_key])
        requests = [
            request
            for each in together(due, own, assets, first_date, now.date())
            for request in run_requests("created", each.days, _digest([state, *_causes(each)]), each.assets)
        ]
        requests += [whole_request("created", state, key) for key in due_whole(due, own)]
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=context.cursor)
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


def days_to_list(cursor: str | None, first_date: date, today: date) -> tuple[list[date], str]:
    """Return the days whose objects are listed now, and the cursor for the next time.

    The latest days are listed each time, the others in turn: late deliveries into an old folder are found, and the
    cost of a tick does not grow with the age of the stream. A cursor that cannot be read begins anew.
    """
    recent = [today - timedelta(days=back) for back in range(_RECENT_DAYS)]
    oldest = max(first_date, date.min + timedelta(days=_RECENT_DAYS))
    position = _position(cursor, recent[-1] - timedelta(days=1))
    past = []
    for _ in range(_PAST_DAYS_IN_A_TICK):
        position = position if oldest <= position < recent[-1] else recent[-1] - timedelta(days=1)
        past.append(position)
        position -= timedelta(days=1)
    return sorted({day for day in (*recent, *past) if first_date <= day <= today}), position.isoformat()


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


def _causes(each: Together) -> list[str]:
    return [*(key.to_user_string() for key in each.assets), *(f"{day}: {why}" for day, why in each.days.items())]


def _stamped(cursor: str, now: datetime) -> str:
    return f"{cursor} {int(now.timestamp())}"


def _position(cursor: str | None, otherwise: date) -> date:
    try:
        return date.fromisoformat(cursor or "")
    except ValueError:
        return otherwise


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]
