"""Records → rows of `raw_events`: sound, or corrupt with the first reason that applies."""

from datetime import date, timedelta
from typing import assert_never

import polars as pl

from event_platform.events.corruption import (
    MAX_UUID_LENGTH,
    WRONG_TYPE,
    CorruptionReason,
    is_name,
)
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.event import EVENT_COLUMNS, UTC_DATETIME
from event_platform.events.moments import to_microseconds

_LAST_MICROSECOND = 253_402_300_800_000_000  # the end of year 9999, the last that Python can show

_NAME_PARTS = pl.col("event_name").str.splitn(":", 3)

#: Event columns that are derived from others, for sound records only. Their types are in `EVENT_COLUMNS`.
_DERIVED_COLUMNS = {
    "created_datetime": pl.col("created_datetime"),
    "created_date": pl.col("created_date"),
    "event_type": _NAME_PARTS.struct.field("field_0"),
    "event_subtype": _NAME_PARTS.struct.field("field_1"),
}
if EVENT_COLUMNS.keys() != {"event_uuid", "event_name", "created_at", *_DERIVED_COLUMNS}:
    raise TypeError(f"EVENT_COLUMNS are {', '.join(EVENT_COLUMNS)}; derived are {', '.join(_DERIVED_COLUMNS)}")

#: Clocks run ahead, and midnight may fall between creation and arrival. More than this is a wrong unit or clock.
_MAX_AHEAD_OF_ARRIVAL = timedelta(days=1)


def classify(records: pl.DataFrame, envelope: Envelope, arrival_date: date, first_date: date) -> pl.DataFrame:
    """Add the event columns and the corruption_reason of each record.

    `records` is what `EnvelopeReader.read` returns. The result has body, event_uuid, event_name, created_at
    (Unix seconds), created_datetime, created_date, event_type, event_subtype, corruption_reason, row for row.
    Created dates from `first_date` to a day after `arrival_date` are in range. The derived columns of corrupt
    records are null, so that they belong to no created_date.
    """
    moments = to_microseconds(records["created_at"], envelope)
    is_seconds = envelope.unit is TimeUnit.SECONDS
    frame = records.with_columns(
        # Seconds are kept as written: multiplying and dividing would change the last digit of some.
        created_at=records["created_at"] if is_seconds else moments.cast(pl.Float64) / 1e6,
        created_datetime=_datetimes(moments),
        written=records["created_at"].is_not_null(),
        named=records["event_name"].is_in(_valid_names(records["event_name"]).implode()),
    ).with_columns(created_date=pl.col("created_datetime").dt.date())
    frame = frame.with_columns(corruption_reason=_reason(arrival_date, first_date)).with_columns(
        event_uuid=pl.when(pl.col("event_uuid") != WRONG_TYPE).then("event_uuid")
    )
    sound = pl.col("corruption_reason").is_null()
    derived = _DERIVED_COLUMNS
    if frame["corruption_reason"].null_count() < frame.height:
        derived = {name: pl.when(sound).then(value) for name, value in derived.items()}
    return frame.with_columns(**derived).select("body", *EVENT_COLUMNS, "corruption_reason")


def _datetimes(moments: pl.Series) -> pl.Series:
    inside = moments.is_between(-_LAST_MICROSECOND, _LAST_MICROSECOND, closed="none")
    whole = moments.round() if moments.dtype == pl.Float64 else moments
    return whole.set(~inside.fill_null(value=False), None).cast(pl.Int64).cast(UTC_DATETIME)


def _valid_names(names: pl.Series) -> pl.Series:
    distinct = names.unique().drop_nulls().to_list()
    return pl.Series(filter(is_name, distinct), dtype=pl.String)


def _reason(arrival_date: date, first_date: date) -> pl.Expr:
    """Return the first reason (in the order of `CorruptionReason`) why a record is corrupt; null if it is sound."""
    reason_so_far = pl.lit(None, dtype=pl.String)
    for reason in reversed(CorruptionReason):
        fault = _fault(reason, arrival_date, first_date)
        reason_so_far = (
            reason_so_far if fault is None else pl.when(fault).then(pl.lit(reason.value)).otherwise(reason_so_far)
        )
    return pl.coalesce("fault", reason_so_far)


def _fault(reason: CorruptionReason, arrival_date: date, first_date: date) -> pl.Expr | None:  # noqa: PLR0911 - a case each
    """Return whether a record is corrupt for this reason; None if the reader detects it and reports it in `fault`."""
    match reason:
        case (
            CorruptionReason.RECORD_TOO_LARGE
            | CorruptionReason.NOT_UTF8
            | CorruptionReason.NOT_JSON
            | CorruptionReason.NOT_AN_OBJECT
            | CorruptionReason.MISSING_RECORDS
            | CorruptionReason.UNREADABLE_OBJECT
            | CorruptionReason.UNSUPPORTED_FORMAT
        ):
            return None
        case CorruptionReason.MISSING_EVENT_UUID:
            return pl.col("event_uuid").fill_null("") == ""
        case CorruptionReason.INVALID_EVENT_UUID:
            return (pl.col("event_uuid").str.len_chars() > MAX_UUID_LENGTH) | (pl.col("event_uuid") == WRONG_TYPE)
        case CorruptionReason.MISSING_EVENT_NAME:
            return pl.col("event_name").fill_null("") == ""
        case CorruptionReason.INVALID_EVENT_NAME:
            return ~pl.col("named").fill_null(value=False)
        case CorruptionReason.MISSING_CREATED_AT:
            return ~pl.col("written")
        case CorruptionReason.INVALID_CREATED_AT:
            return ~pl.col("created_at").is_finite().fill_null(value=False)
        case CorruptionReason.CREATED_AT_OUT_OF_RANGE:
            in_range = pl.col("created_date").is_between(first_date, arrival_date + _MAX_AHEAD_OF_ARRIVAL)
            return ~in_range.fill_null(value=False)
        case _:
            assert_never(reason)
