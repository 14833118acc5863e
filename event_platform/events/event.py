"""The vocabulary that every other module shares: reasons, kinds and the columns of a record."""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

UTC_DATETIME = pl.Datetime("us", "UTC")

#: What Kinesis accepts at most in one record; a longer one cannot have come from the stream whole.
MAX_RECORD_BYTES = 10 * 1024 * 1024

#: Bytes of an oversized record that are kept beside its reason; the rest stays in landing.
KEPT_BYTES_OF_OVERSIZED_RECORD = 4096

#: Longer identifiers are taken for damage: the longest in use (URN, ULID, UUID, hash) stay far below.
MAX_UUID_LENGTH = 256
MAX_NAME_LENGTH = 256


class CorruptionReason(StrEnum):
    """Why a record is in `corrupt_events`. A record with several faults gets the first one in this order."""

    RECORD_TOO_LARGE = "record_too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_EVENT_UUID = "missing_event_uuid"
    MISSING_EVENT_NAME = "missing_event_name"
    INVALID_EVENT_NAME = "invalid_event_name"
    MISSING_CREATED_AT = "missing_created_at"
    INVALID_CREATED_AT = "invalid_created_at"
    CREATED_AT_OUT_OF_RANGE = "created_at_out_of_range"
    UNREADABLE_OBJECT = "unreadable_object"


class DuplicateKind(StrEnum):
    """How a duplicate differs from its survivor."""

    REDELIVERY = "redelivery"  # the same body: a retry somewhere on the way
    CONFLICT = "conflict"  # another body under the same uuid: a producer's bug


@dataclass(frozen=True)
class ColumnSpec:
    """A column of a table. Its comment is in the table's log and in Dagster, its nullability in Dagster alone."""

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

#: What every event has, whatever its type.
EVENT_COLUMNS = columns_by_name(
    ColumnSpec("event_uuid", pl.String, nullable=False, comment="Unique identifier of the event"),
    ColumnSpec("event_name", pl.String, nullable=False, comment="What happened, in parts joined with colons"),
    ColumnSpec("created_at", pl.Float64, nullable=False, comment="Unix time in seconds at which the event was created"),
    ColumnSpec("created_datetime", UTC_DATETIME, nullable=False, comment="created_at as a timestamp (UTC)"),
    ColumnSpec("created_date", pl.Date, nullable=False, comment="Day (UTC) on which the event was created"),
    ColumnSpec("event_type", pl.String, nullable=False, comment="First part of the name"),
    ColumnSpec("event_subtype", pl.String, comment="Second part of the name"),
)

#: Holds, as one JSON object, what found no place in a typed column.
RESCUED = ColumnSpec("_rescued", pl.String, comment="JSON object of what found no place in a typed column, by field")
RESCUED_COLUMN = RESCUED.name

#: Names that a payload's columns cannot take, lower case: most Delta readers ignore case.
RESERVED_COLUMNS = frozenset({*SOURCE_COLUMNS, *EVENT_COLUMNS, RESCUED_COLUMN, "body"})
