"""The kinds of failure that checks find, with the likely cause and what to do, as alerts, commands and pages say it."""

from enum import StrEnum
from typing import Self


class Fault(StrEnum):
    """A kind of failure, with its likely cause and the next step."""

    cause: str
    remedy: str

    def __new__(cls, value: str, cause: str, remedy: str) -> Self:
        """Create a fault from its name, its likely cause and its remedy."""
        fault = str.__new__(cls, value)
        fault._value_ = value
        fault.cause = cause
        fault.remedy = remedy
        return fault

    LOST_OR_REPEATED_ROWS = (
        "lost_or_repeated_rows",
        "Rows were deleted, or something else wrote to a table.",
        "`event-platform status` names the days; `event-platform replay` loads them again from landing.",
    )
    REPEATED_UUIDS = (
        "repeated_uuids",
        "Something else wrote rows twice.",
        "Materialize the day again.",
    )
    CORRUPT_RECORDS = (
        "corrupt_records",
        "A producer's release, a broken upload, or a rule that is too strict.",
        'Look at the bodies: `event-platform query "select corruption_reason, body from corrupt_events limit 20"`.',
    )
    REDELIVERIES = (
        "redeliveries",
        "A producer retries without need.",
        "Look at `duplicate_events` by event name.",
    )
    CONFLICTS = (
        "conflicts",
        "A producer uses one event_uuid for two events.",
        "Look at `duplicate_events` where kind is conflict, and ask the producer.",
    )
    UNREGISTERED_NAMES = (
        "unregistered_names",
        "A new event has no schema, its name is misspelled, or its schema was removed from the catalog.",
        "Add the schema; the next run moves the events to their table.",
    )
    MISSING_REQUIRED = (
        "missing_required",
        "A producer leaves out a field that the schema requires.",
        "Ask the producer, or remove the field from `required`.",
    )
    BROKEN_RULES = (
        "broken_rules",
        "A producer sends values outside of the schema's rules.",
        "Ask the producer, or change the rule. The values are in their columns.",
    )
    RESCUED_VALUES = (
        "rescued_values",
        "A producer changed the type of a field.",
        "Nothing is lost: the values are in _rescued. Change the schema, or ask the producer.",
    )
    UNKNOWN_FIELDS = (
        "unknown_fields",
        "A producer added fields that the schema lacks.",
        "Nothing is lost: the values are in _rescued. Add the fields to the schema.",
    )
    REPEATED_KEYS = (
        "repeated_keys",
        "A producer writes a key twice in one record.",
        "The whole record is in _rescued. Ask the producer.",
    )
    ARRIVAL_GAP = (
        "arrival_gap",
        "The delivery stream stopped, or objects were written under another prefix.",
        "Check its errors; objects that arrive late are loaded.",
    )
    TOO_FEW_EVENTS = (
        "too_few_events",
        "A producer stopped, a release changed when the event is sent, or the day is not delivered yet.",
        "Compare with the releases of that day; ask the producer.",
    )
    TOO_MANY_EVENTS = (
        "too_many_events",
        "A producer sends twice, or a release changed when the event is sent.",
        "Compare with the releases of that day; ask the producer.",
    )
