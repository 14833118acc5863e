"""Times in records → microseconds since 1970: numbers in some unit, ISO 8601, or a custom format."""

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import polars as pl

from event_platform.events.envelope import AUTO_LIMITS, NUMBER, Envelope, TimeUnit

_OFFSET = r"(?P<offset>[Zz]|[+-]\d\d(?::?[0-5]\d)?)?"

#: The forms of ISO 8601 that are read. Seconds up to 60: a leap second is the first of the next minute.
_EXTENDED = re.compile(
    r"^(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)? ?" + _OFFSET + r")?$"
)
_BASIC = re.compile(
    r"^(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    r"(?:[Tt](?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?" + _OFFSET + r")?$"
)

_AWARE, _NAIVE = "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f"

#: Number of fraction digits to read; digits beyond microseconds are cut off.
_DIGITS = 9


def to_microseconds(written: pl.Series, envelope: Envelope) -> pl.Series:
    """Return the time of each record: Float64 or Int64, null if it is missing (NaN if a number was expected).

    `written` is `created_at` as `EnvelopeReader.read` returns it.
    """
    if envelope.unit.per_second is not None:
        return written.to_frame("number").select(_scaled(pl.col("number"), envelope.unit)).to_series()
    if envelope.time_format is not None:
        return _epoch(_parse_format(written, envelope.time_format, envelope.timezone))
    if envelope.unit is TimeUnit.ISO8601:
        return _epoch(_of_iso8601(written, envelope.timezone))
    numbers = pl.select(pl.when(written.str.contains(NUMBER.pattern)).then(written)).to_series().cast(pl.Float64)
    texts = _epoch(_of_iso8601(written.set(numbers.is_not_null(), None), envelope.timezone))
    return _parse_by_magnitude(numbers).fill_null(texts.cast(pl.Float64))


def describe_units(counts: Mapping[TimeUnit, int]) -> str | None:
    """Describe numbers in several units; None if they are in one."""
    if len(counts) <= 1:
        return None
    shown = ", ".join(
        f"{count:,} look like {unit}" for unit, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    return f"numbers of several units: {shown}"


def is_time_format(time_format: str) -> bool:
    """Return whether times can be read in a format of `strftime`."""
    try:
        pl.Series(["?"]).str.to_datetime(time_format, time_unit="us", strict=False)
    except pl.exceptions.PolarsError:
        return False
    return "%" in time_format


def is_timezone(name: str) -> bool:
    """Return whether a name is that of a time zone of the IANA database."""
    try:
        ZoneInfo(name)
        pl.Series([None], dtype=pl.Datetime("us")).dt.replace_time_zone(name)
    except (KeyError, ValueError, OSError, pl.exceptions.PolarsError):
        return False
    return True


def _parse_by_magnitude(numbers: pl.Series) -> pl.Series:
    number = pl.col("number")
    size = number.abs()
    moment = _scaled(number, TimeUnit.NANOSECONDS)
    for limit, unit in reversed(AUTO_LIMITS):
        moment = pl.when(size < limit).then(_scaled(number, unit)).otherwise(moment)
    return numbers.to_frame("number").select(moment).to_series()


def _scaled(number: pl.Expr, unit: TimeUnit) -> pl.Expr:
    if unit is TimeUnit.NANOSECONDS:
        return number / 1_000
    return number * (1_000_000 // (unit.per_second or 1))


def _epoch(moments: pl.Series) -> pl.Series:
    return moments.dt.epoch("us")


def _parse_format(written: pl.Series, time_format: str, timezone: str) -> pl.Series:
    if "%z" in time_format or "%:z" in time_format or "%#z" in time_format:
        return written.str.to_datetime(time_format, time_unit="us", time_zone="UTC", strict=False)
    return _in_zone(written.str.to_datetime(time_format, time_unit="us", strict=False), timezone)


def _of_iso8601(written: pl.Series, timezone: str) -> pl.Series:
    shaped = written.str.contains(_EXTENDED.pattern)
    texts = written.set(~shaped.fill_null(value=False), None)
    moments = texts.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    if moments.null_count() == written.null_count():
        return moments
    unparsed = written.set(moments.is_not_null(), None)
    for form in (_EXTENDED, _BASIC):
        moments = moments.fill_null(_parse_parts(unparsed, form, timezone))
    return moments


def _parse_parts(written: pl.Series, form: re.Pattern[str], timezone: str) -> pl.Series:
    """Parse the texts in one format by their parts; missing parts are zero."""
    parts = written.str.extract_groups(form.pattern).struct.unnest()
    whole = pl.concat_str(
        pl.concat_str("year", "month", "day", separator="-"),
        pl.lit("T"),
        pl.concat_str(pl.col("hour", "minute", "second").fill_null("00"), separator=":"),
        pl.lit("."),
        pl.col("fraction").str.head(_DIGITS).fill_null("0"),
    )
    offset = pl.col("offset").str.to_uppercase().replace("Z", "+0000").str.replace(":", "")
    offset = pl.when(offset.str.len_bytes() == len("+00")).then(offset + "00").otherwise(offset)
    texts = parts.select(whole=whole, aware=whole + offset)
    aware = texts["aware"].str.to_datetime(_AWARE, time_unit="us", time_zone="UTC", strict=False)
    naive = texts["whole"].set(texts["aware"].is_not_null(), None).str.to_datetime(_NAIVE, time_unit="us", strict=False)
    return aware.fill_null(_in_zone(naive, timezone))


def _in_zone(naive: pl.Series, timezone: str) -> pl.Series:
    """Convert local times of a zone to UTC: the earlier of two for a repeated hour, null for a skipped one."""
    placed = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC")
