"""What an alert says about the likely cause of a failed check, asset or run, and what to do."""

from event_platform.defs.checks import conformance, conservation, gaps, rates, uniqueness, volume

CAUSES = {
    conservation.NAME: "rows were deleted, or a table was written by something else. `event-platform status` "
    "names the days; `event-platform replay` loads them again from landing, which is never changed.",
    uniqueness.NAME: "rows were written twice by something else. Materialize the day again.",
    rates.CORRUPTION: "a producer's release, a broken upload, or a rule that is too strict. Look at the bodies: "
    "select corruption_reason, body from corrupt_events.",
    rates.DUPLICATION: "a producer sends again without need, or uses one event_uuid for two events (conflict). Look "
    "at duplicate_events.",
    rates.UNREGISTERED: "an event was released without its schema, its name is misspelt, or its schema was taken out "
    "of the catalog. Add the schema to the catalog; the next run moves the events to their table.",
    conformance.NAME: "a producer changed what it sends. Nothing is lost: see _rescued. Extend the schema, or talk to "
    "the producer.",
    gaps.NAME: "the delivery stream stood still, or objects came under another prefix. Look at its errors; what is "
    "delivered late is found and loaded.",
    volume.NAME: "a producer stopped or was doubled, a release changed when the event is sent, or the day is not "
    "delivered yet.",
    "run": "the message says what was expected. What was committed stays; the daily sweep asks for the rest again.",
    "asset": "its table or its schema was changed by hand, or the storage failed. The other assets are up to date; "
    "mend it, and materialize this one again.",
    "freshness": "nothing landed, or runs fail or wait: look at landing, at the sensors, and at the queue of runs.",
}
