"""The kinds of failure that checks find, each with the likely cause and the remedy in the words of alerts and pages."""

from enum import StrEnum
from typing import Self

_BODIES = 'Look at the bodies: `event-platform query "select corruption_reason, body from corrupt_events limit 20"`.'
_SOURCES = (
    'Compare the sources: `event-platform query "select event_name, source_object, survivor_source_object, count(*) n '
    'from duplicate_events group by 1, 2, 3 order by n desc"`.'
)
_PAIRS = "Show them to the producer: `event-platform query \"select * from duplicate_events where kind = 'conflict'\"`."


class Fault(StrEnum):
    """A kind of failure, with its likely cause and the next step.

    Details of a case, such as the producer at fault, are in the `hints` of the result.
    """

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
        "Materialize the day again: `event-platform run --rebuild --from … --to …`.",
    )
    MALFORMED_RECORDS = (
        "malformed_records",
        "An upload was cut off, or a producer writes text that is not a JSON object.",
        _BODIES,
    )
    WRONG_WRAPPER = (
        "wrong_wrapper",
        "`records` in `envelope.yaml` names a field that is not in the landed objects.",
        "Compare it with a body in `corrupt_events`, correct it, then `event-platform replay`.",
    )
    MISSING_EVENT_FIELDS = (
        "missing_event_fields",
        "A producer leaves out or renamed the id, the name or the time, or `envelope.yaml` names other fields.",
        f"{_BODIES} If the envelope is wrong, correct it, then `event-platform replay`.",
    )
    WRONG_TIME_UNIT = (
        "wrong_time_unit",
        "created_at is in another unit than `envelope.yaml` says.",
        "Correct `created_at` in `envelope.yaml`, then `event-platform replay`; or ask the producer.",
    )
    WRONG_TIME_FORM = (
        "wrong_time_form",
        "created_at is written in another form than `envelope.yaml` says.",
        "Correct `created_at` in `envelope.yaml`, then `event-platform replay`; or ask the producer.",
    )
    BEFORE_START_DATE = (
        "before_start_date",
        "The start date is later than the events, or a producer sends events from long ago.",
        "Set EVENT_PLATFORM_START_DATE to the first day that you want, then `event-platform replay`.",
    )
    WRONG_CLOCK = (
        "wrong_clock",
        "The clock of a device is wrong: created_at is more than a day after arrival, or before 2000.",
        "Ask the producer. The records stay in `corrupt_events`.",
    )
    OUT_OF_RANGE_TIMES = (
        "out_of_range_times",
        "created_at is in another unit than `envelope.yaml` says, before the start date, or of a wrong clock.",
        'Look at the times: `event-platform query "select created_at, body from corrupt_events limit 20"`.',
    )
    INVALID_TIMES = (
        "invalid_times",
        "A producer writes values into created_at that are no times, or in a form that `envelope.yaml` does not say.",
        f"{_BODIES} If the envelope is wrong, correct `created_at` in it, then `event-platform replay`.",
    )
    UNREADABLE_OBJECTS = (
        "unreadable_objects",
        "An upload was cut off, or an object is larger than `object_limit_bytes`.",
        "Upload the objects again, or raise the limit of the resource `rules`; what changed is loaded again.",
    )
    UNSUPPORTED_OBJECTS = (
        "unsupported_objects",
        "Files of another kind are in landing; their bodies in `corrupt_events` name the format.",
        "Convert them to NDJSON or Parquet, or keep them elsewhere.",
    )
    REDELIVERIES = (
        "redeliveries",
        "A producer retries without need, or objects were copied to landing twice.",
        f"{_SOURCES} No event is in a table twice.",
    )
    CONFLICTS = (
        "conflicts",
        "A producer uses one event_uuid for two events.",
        f"{_PAIRS} The first to arrive is in the tables.",
    )
    UNREGISTERED_NAMES = (
        "unregistered_names",
        "A new event has no schema, or its schema was removed from the catalog.",
        "Add a schema (`event-platform catalog draft` proposes one); the next run moves the events to their table.",
    )
    MISSPELLED_NAMES = (
        "misspelled_names",
        "A producer spells the name of a registered event differently.",
        "Ask the producer, or add the name to `x-names` of the schema; the next run moves the events to its table.",
    )
    NAMES_WITH_IDS = (
        "names_with_ids",
        "A producer writes ids into event names, or `event_name` in `envelope.yaml` names a field that holds ids.",
        "Ask the producer, or correct `event_name` in `envelope.yaml`, then `event-platform replay`.",
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
        "A producer added fields that are not in the schema.",
        "Nothing is lost: the values are in _rescued. Add the fields to the schema.",
    )
    REPEATED_KEYS = (
        "repeated_keys",
        "A producer writes a key twice in one record.",
        "The whole record is in _rescued. Ask the producer.",
    )
    FAILED_DERIVATIONS = (
        "failed_derivations",
        "The expression or function of a derived column fails for values that came.",
        "Correct `x-derive`; the next run rebuilds the days of these rows. Until then the column is null in them.",
    )
    CLASHING_COLUMNS = (
        "clashing_columns",
        "The catalog gives a column a type that is not wider than its table's, or a name that differs in case only.",
        "Write into the schema what the evaluation says of each column. Until then the next run fails for this type.",
    )
    WIDER_COLUMNS = (
        "wider_columns",
        "The catalog gives a column a wider type than its table has.",
        "Nothing to do: the next run rebuilds all days of the table in one commit.",
    )
    UNPUBLISHED_TABLES = (
        "unpublished_tables",
        "The Iceberg catalog does not answer or denies access, or a table has columns that Iceberg cannot have.",
        "`event-platform doctor` checks the catalog. The next run publishes again, or `event-platform publish`.",
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
    MORE_NULLS = (
        "more_nulls",
        "A producer stopped sending a field, renamed it, or sends it in another type.",
        "Compare with the releases of that day and with `schema_conformance`; ask the producer.",
    )
    FEWER_NULLS = (
        "fewer_nulls",
        "A producer fills a field that was often empty, or sends fewer of the events that lack it.",
        "Compare with the releases of that day; ask the producer.",
    )
    MORE_VALUES = (
        "more_values",
        "A producer writes ids, times or free text into a field that had few values, or repeats fewer events.",
        "Look at the values: `select <column>, count(*) n from events.<key> group by 1 order by n desc`.",
    )
    FEWER_VALUES = (
        "fewer_values",
        "A producer writes a default or a placeholder into a field, or one user or test sends most of the events.",
        "Look at the values: `select <column>, count(*) n from events.<key> group by 1 order by n desc`.",
    )
