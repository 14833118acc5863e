"""Corruption reasons, kinds of duplicates, and the columns that every event has."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import polars as pl

UTC_DATETIME = pl.Datetime("us", "UTC")

#: The largest record that Kinesis accepts. A longer one cannot have come through the stream whole.
MAX_RECORD_BYTES = 10 * 1024 * 1024

#: Bytes of an oversized record that are kept beside its reason; the rest stays in landing.
KEPT_BYTES_OF_OVERSIZED_RECORD = 4096

#: Longer identifiers are treated as damage. Those in use (UUID, ULID, URN, hash) are far shorter.
MAX_UUID_LENGTH = 256
MAX_NAME_LENGTH = 200

#: Stands for an id or a name of a wrong type. No valid one contains it.
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


class DuplicateKind(StrEnum):
    """How a duplicate differs from its survivor."""

    REDELIVERY = "redelivery"  # the same body: a retry by a producer, Kinesis or Firehose
    CONFLICT = "conflict"  # another body under the same uuid: a producer's bug


@dataclass(frozen=True)
class ColumnSpec:
    """A column of a table. The comment is stored in the Delta log; Dagster shows it, and whether nulls occur."""

    name: str
    type: pl.DataType | type[pl.DataType]
    nullable: bool = True
    comment: str = ""


def columns_by_name(*columns: ColumnSpec) -> dict[str, ColumnSpec]:
    """Return columns by their names, in the same order."""
    return {column.name: column for column in columns}


#: Where a record came from. Together (arrival_date, source_object, source_offset) is the order of arrival.
SOURCE_COLUMNS = columns_by_name(
    ColumnSpec("arrival_date", pl.Date, nullable=False, comment="Day (UTC) on which the record landed"),
    ColumnSpec(
        "source_object",
        pl.String,
        nullable=False,
        comment="Landed object that the record is in, below the root of landing",
    ),
    ColumnSpec("source_offset", pl.Int64, nullable=False, comment="Number of the record in its object, from 0"),
)

#: Columns of every event, whatever its type.
EVENT_COLUMNS = columns_by_name(
    ColumnSpec("event_uuid", pl.String, nullable=False, comment="Unique identifier of the event"),
    ColumnSpec("event_name", pl.String, nullable=False, comment="What happened, in parts joined with colons"),
    ColumnSpec("created_at", pl.Float64, nullable=False, comment="Unix time in seconds at which the event was created"),
    ColumnSpec("created_datetime", UTC_DATETIME, nullable=False, comment="created_at as a timestamp (UTC)"),
    ColumnSpec("created_date", pl.Date, nullable=False, comment="Day (UTC) on which the event was created"),
    ColumnSpec("event_type", pl.String, nullable=False, comment="First part of the name"),
    ColumnSpec("event_subtype", pl.String, comment="Second part of the name"),
)

#: One JSON object with the values that do not fit a typed column.
RESCUED = ColumnSpec("_rescued", pl.String, comment="JSON object of what found no place in a typed column, by field")
RESCUED_COLUMN = RESCUED.name

#: Lower-case names that payload columns cannot have. Most Delta readers ignore case.
RESERVED_COLUMNS = frozenset({*SOURCE_COLUMNS, *EVENT_COLUMNS, RESCUED_COLUMN, "body"})
