"""Ticks of sensors: their interval, when to check without a trigger, and their result."""

from datetime import datetime

import dagster as dg

from event_platform.defs.automation.requests import RunRequests, log_warnings
from event_platform.defs.graph import with_checks

SECONDS_BETWEEN_TICKS = 30

#: Seconds after which a tick checks without a trigger, because messages may be lost and rows deleted.
_SECONDS_BETWEEN_LOOKS = 600


def is_time_to_look(cursor: str | None, now: datetime, seconds: int = _SECONDS_BETWEEN_LOOKS) -> bool:
    """Return whether the last check, by the cursor, is at least `seconds` ago, or unknown."""
    then = (cursor or "").partition(" ")[2]
    is_time = then.isascii() and then.isdecimal()
    return not is_time or not 0 <= now.timestamp() - int(then) < seconds


def tick_result(
    context: dg.SensorEvaluationContext, requested: RunRequests, reason: str, cursor: str | None
) -> dg.SensorResult:
    """Return the run requests of a tick, or else the reason. Waiting work is logged."""
    if requests := with_checks(context, requested.requests):
        log_warnings(context.log, requested.waiting)
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    return dg.SensorResult(skip_reason=reason, cursor=cursor)


def stamp_cursor(cursor: str, now: datetime) -> str:
    """Return a cursor with the time of the check."""
    return f"{cursor} {int(now.timestamp())}"
