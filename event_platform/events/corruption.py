"""Why a record is corrupt, and the limits of a sound one."""

from enum import StrEnum
from typing import Self

import msgspec

_ANYTHING = msgspec.json.Decoder()

#: The largest record that Kinesis accepts. A longer one cannot have come through the stream whole.
MAX_RECORD_BYTES = 10 * 1024 * 1024

#: Bytes of an oversized record stored with its reason; the rest stays in landing.
KEPT_BYTES_OF_OVERSIZED_RECORD = 4096

#: Longer identifiers are treated as damage. Those in use (UUID, ULID, URN, hash) are far shorter.
MAX_UUID_LENGTH = 256
MAX_NAME_LENGTH = 200

#: Placeholder for an id or a name of a wrong type. No valid one contains it.
WRONG_TYPE = "\0"


class CorruptionReason(StrEnum):
    """Why a record is in `corrupt_events`, with its meaning. The first that applies, in this order, is given."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Create a reason from its name and its meaning."""
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.meaning = meaning
        return reason

    RECORD_TOO_LARGE = "record_too_large", "The record is larger than 10 MiB, the most that Kinesis accepts."
    NOT_UTF8 = "not_utf8", "The bytes are not UTF-8."
    NOT_JSON = "not_json", "The text is not JSON. Strict: no NaN, no trailing comma."
    NOT_AN_OBJECT = "not_an_object", "It is JSON, but an array, a string, a number, a boolean or null."
    MISSING_RECORDS = (
        "missing_records",
        "The wrapper, or an element of it, has no records in the field that `records` of the envelope names.",
    )
    MISSING_EVENT_UUID = (
        "missing_event_uuid",
        "The id, or a part of it, is absent, null or empty.",
    )
    INVALID_EVENT_UUID = (
        "invalid_event_uuid",
        "The id, or a part of it, is neither a text nor an integer, or the id is longer than 256 characters.",
    )
    MISSING_EVENT_NAME = "missing_event_name", "The name is absent, null or empty."
    INVALID_EVENT_NAME = (
        "invalid_event_name",
        "The name is neither a text nor an integer, is longer than 200 characters, or has some that cannot be printed.",
    )
    MISSING_CREATED_AT = "missing_created_at", "The time of creation is absent or null."
    INVALID_CREATED_AT = "invalid_created_at", "The time of creation is not in the unit that the envelope names."
    CREATED_AT_OUT_OF_RANGE = (
        "created_at_out_of_range",
        "Created before the first partition, or more than a day after arrival.",
    )
    UNREADABLE_OBJECT = (
        "unreadable_object",
        "The object is damaged or exceeds a limit. The records before that are loaded.",
    )
    UNSUPPORTED_FORMAT = (
        "unsupported_format",
        "The object is of a format that is not read; the body names it.",
    )


def is_name(name: str) -> bool:
    """Return whether a text is an event name: up to 200 characters that can be printed."""
    return 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable()


def fault_of_no_object(record: bytes) -> CorruptionReason:
    """Return why a text is no JSON object."""
    try:
        _ANYTHING.decode(record)
    except (msgspec.MsgspecError, RecursionError):
        return CorruptionReason.NOT_JSON
    return CorruptionReason.NOT_AN_OBJECT
