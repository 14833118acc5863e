"""Ticks of sensors: how often, when to look without a reason to, and what a tick returns."""

from datetime import datetime

import dagster as dg

from event_platform.defs.automation.requests import Asked, warned

SECONDS_BETWEEN_TICKS = 15

#: Seconds after which a tick looks without a reason to: messages can be lost, and rows be deleted.
_SECONDS_BETWEEN_LOOKS = 600


def is_time_to_look(cursor: str | None, now: datetime) -> bool:
    """Say whether it is time to look although nothing is new; also where the cursor does not say."""
    then = (cursor or "").partition(" ")[2]
    is_time = then.isascii() and then.isdecimal()
    return not is_time or not 0 <= now.timestamp() - int(then) < _SECONDS_BETWEEN_LOOKS


def tick_result(context: dg.SensorEvaluationContext, asked: Asked, reason: str, cursor: str | None) -> dg.SensorResult:
    """Return what a tick asks for, else why it asks for nothing; what has to wait is in its log where it asks."""
    if asked.requests:
        warned(context.log, asked.waiting)
        return dg.SensorResult(run_requests=asked.requests, cursor=cursor)
    return dg.SensorResult(skip_reason=reason, cursor=cursor)


def stamped(cursor: str, now: datetime) -> str:
    """Return a cursor with the time of the look that it is about."""
    return f"{cursor} {int(now.timestamp())}"
