"""The vocabulary that every other module shares: reasons, kinds and the columns of a record."""

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


#: Where a record came from. Together (arrival_date, source_object, source_offset) is the order of arrival.
SOURCE_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "arrival_date": pl.Date,
    "source_object": pl.String,
    "source_offset": pl.Int64,
}

#: What every event has, whatever its type.
EVENT_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "event_uuid": pl.String,
    "event_name": pl.String,
    "created_at": pl.Float64,
    "created_datetime": UTC_DATETIME,
    "created_date": pl.Date,
    "event_type": pl.String,
    "event_subtype": pl.String,
}

#: Holds, as one JSON object, what found no place in a typed column.
RESCUED_COLUMN = "_rescued"

#: Names that a payload's columns cannot take, lower case: most Delta readers ignore case.
RESERVED_COLUMNS = frozenset({*SOURCE_COLUMNS, *EVENT_COLUMNS, RESCUED_COLUMN, "body"})
