"""Records → rows of `raw_events`: sound, or corrupt with the first reason that applies."""

import re
from datetime import date, timedelta

import polars as pl

from event_platform.events.envelope import TimeUnit
from event_platform.events.event import (
    MAX_NAME_LENGTH,
    MAX_UUID_LENGTH,
    UTC_DATETIME,
    CorruptionReason,
)

#: Parts of letters, digits and `_ . - space`, joined by colons; each begins with a letter, a digit or `_`.
VALID_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\- ]*(:[A-Za-z0-9_][A-Za-z0-9_.\- ]*)*")

_MICROSECONDS = {TimeUnit.SECONDS: 1_000_000, TimeUnit.MILLISECONDS: 1_000, TimeUnit.MICROSECONDS: 1}
_LAST_MICROSECOND = 253_402_300_800_000_000  # the end of year 9999, the last that Python can show

#: Clocks run ahead, and midnight may fall between creation and arrival. More than this is a wrong unit or clock.
_MAX_AHEAD_OF_ARRIVAL = timedelta(days=1)


def classify(records: pl.DataFrame, unit: TimeUnit, arrival_date: date, first_date: date) -> pl.DataFrame:
    """Add the event columns and the corruption_reason of each record.

    `records` is what `EnvelopeReader.read` returns. The result has body, event_uuid, event_name, created_at
    (Unix seconds), created_datetime, created_date, event_type, event_subtype, corruption_reason, row for row.
    Created dates from `first_date` to a day after `arrival_date` are in range. The derived columns of corrupt
    records are null, so that they belong to no created_date.
    """
    moments = _microseconds(records["created_at"], unit)
    frame = records.with_columns(
        # Seconds are kept as written: multiplying and dividing would change the last digit of some.
        created_at=records["created_at"] if unit is TimeUnit.SECONDS else moments.cast(pl.Float64) / 1e6,
        created_datetime=_datetimes(moments),
        written=records["created_at"].is_not_null(),
        named=records["event_name"].is_in(_valid_names(records["event_name"]).implode()),
    ).with_columns(created_date=pl.col("created_datetime").dt.date())
    frame = frame.with_columns(corruption_reason=_reason(arrival_date, first_date))
    sound = pl.col("corruption_reason").is_null()
    parts = pl.col("event_name").str.splitn(":", 3)
    derived = {
        "created_datetime": pl.col("created_datetime"),
        "created_date": pl.col("created_date"),
        "event_type": parts.struct.field("field_0"),
        "event_subtype": parts.struct.field("field_1"),
    }
    if frame["corruption_reason"].null_count() < frame.height:
        derived = {name: pl.when(sound).then(value) for name, value in derived.items()}
    return frame.with_columns(**derived).select(
        "body", "event_uuid", "event_name", "created_at", *derived, "corruption_reason"
    )


def _microseconds(written: pl.Series, unit: TimeUnit) -> pl.Series:
    if unit is not TimeUnit.ISO8601:
        return written * _MICROSECONDS[unit]
    aware = written.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    if aware.null_count() > written.null_count():
        # ISO 8601 allows to leave out the offset. Such times are taken as UTC.
        naive = written.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
        aware = aware.fill_null(naive.dt.replace_time_zone("UTC"))
    return aware.dt.epoch("us")


def _datetimes(moments: pl.Series) -> pl.Series:
    inside = moments.is_between(-_LAST_MICROSECOND, _LAST_MICROSECOND, closed="none")
    whole = moments.round() if moments.dtype == pl.Float64 else moments
    return whole.set(~inside.fill_null(value=False), None).cast(pl.Int64).cast(UTC_DATETIME)


def _valid_names(names: pl.Series) -> pl.Series:
    distinct = names.unique().drop_nulls().to_list()
    valid = [name for name in distinct if len(name) <= MAX_NAME_LENGTH and VALID_NAME.fullmatch(name)]
    return pl.Series(valid, dtype=pl.String)


def _reason(arrival_date: date, first_date: date) -> pl.Expr:
    uuid_length = pl.col("event_uuid").str.len_chars()
    created_date = pl.col("created_date")
    in_range = created_date.is_between(first_date, arrival_date + _MAX_AHEAD_OF_ARRIVAL)
    number = pl.col("created_at").is_finite()
    return (
        pl.when(pl.col("fault").is_not_null())
        .then(pl.col("fault"))
        .when(~uuid_length.is_between(1, MAX_UUID_LENGTH).fill_null(value=False))
        .then(pl.lit(CorruptionReason.MISSING_EVENT_UUID.value))
        .when(pl.col("event_name").fill_null("") == "")
        .then(pl.lit(CorruptionReason.MISSING_EVENT_NAME.value))
        .when(~pl.col("named").fill_null(value=False))
        .then(pl.lit(CorruptionReason.INVALID_EVENT_NAME.value))
        .when(~pl.col("written"))
        .then(pl.lit(CorruptionReason.MISSING_CREATED_AT.value))
        .when(~number.fill_null(value=False))
        .then(pl.lit(CorruptionReason.INVALID_CREATED_AT.value))
        .when(~in_range.fill_null(value=False))
        .then(pl.lit(CorruptionReason.CREATED_AT_OUT_OF_RANGE.value))
    )
