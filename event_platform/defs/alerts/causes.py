"""The likely cause of each kind of failure, and what to do. Alerts quote it."""

from collections.abc import Iterable

from event_platform.checks import conformance, conservation, gaps, rates, uniqueness, volume

CAUSES = {
    conservation.NAME: "rows were deleted, or something else wrote to a table. `event-platform status` "
    "names the days; `event-platform replay` loads them again from landing.",
    uniqueness.NAME: "something else wrote rows twice. Materialize the day again.",
    rates.CORRUPTION: "a producer's release, a broken upload, or a rule that is too strict. Look at the bodies: "
    "select corruption_reason, body from corrupt_events.",
    rates.DUPLICATION: "a producer retries without need, or uses one event_uuid for two events (conflict). See "
    "duplicate_events.",
    rates.UNREGISTERED: "a new event has no schema, its name is misspelled, or its schema was removed from the "
    "catalog. Add the schema; the next run moves the events to their table.",
    conformance.NAME: "a producer changed its events. Nothing is lost: the values are in _rescued. Extend the schema, "
    "or ask the producer.",
    gaps.NAME: "the delivery stream stopped, or objects were written under another prefix. Check its errors; "
    "objects that arrive late are loaded.",
    volume.NAME: "a producer stopped or sends twice, a release changed when the event is sent, or the day is not "
    "delivered yet.",
    "run": "see the message. What was committed stays; the daily reconciliation requests the rest again.",
    "asset": "its table or schema was changed by hand, or the storage failed. The other assets are up to "
    "date. Fix it, then materialize this asset again.",
    "freshness": "nothing landed, or runs fail or wait in the queue. Check landing, the sensors and the run queue.",
}


def require_causes(checks: Iterable[str]) -> None:
    """Raise TypeError for a check without a likely cause."""
    missing = sorted(set(checks) - CAUSES.keys())
    if missing:
        raise TypeError(f"{', '.join(missing)}: CAUSES has no likely cause for this check")
