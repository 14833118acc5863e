"""Candidates for the time of creation, and its format."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

import polars as pl

from event_platform.events.envelope import NUMBER, Envelope, TimeUnit, unit_by_magnitude
from event_platform.events.moments import describe_units, to_microseconds
from event_platform.events.proposing.fields import Field, has_any

#: Times before this, or more than two days after arrival, are none.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=2)

#: Minimum share of values that are times, and of records that have one.
_SHARE, _COVERAGE = 0.95, 0.9

#: Formats for texts that are not ISO 8601. Ambiguous ones, with a day before a month, come last.
_FORMATS = (
    "%d/%b/%Y:%H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y",
    "%Y/%m/%d %H:%M:%S%.f",
    "%d.%m.%Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%b %d, %Y, %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y %H:%M:%S",
)

_TIME_WORDS = {"time", "timestamp", "ts", "at", "date", "datetime", "when", "created", "published", "occurred"}
_CREATION_WORDS = {"created", "creation", "event", "occurred", "original", "published", "requested", "request"}
_PLAIN_KEYS = {"time", "timestamp", "ts", "date", "datetime", "created", "createdat", "eventtime", "eventtimestamp"}
_OTHER_WORDS = {
    *("updated", "modified", "changed", "received", "receive", "processed", "ingest", "ingested", "ingestion", "sent"),
    *("send", "expires", "expiry", "expiration", "end", "ended", "loaded", "load", "uploaded", "upload", "collector"),
    *("server", "derived", "birth", "birthday", "closed", "merged", "pushed", "due", "last", "first", "previous"),
    *("stage", "cert", "valid", "next", "until", "deleted", "start", "started", "signup", "user", "device"),
}


@dataclass(frozen=True)
class TimeField:
    """A field that holds a time, its format, and its score."""

    field: Field
    unit: TimeUnit
    score: float
    moments: tuple[datetime, ...]
    time_format: str | None = None
    fault: str | None = None  # why it cannot be read, although it is a time


def rank_times(fields: Iterable[Field], arrivals: Sequence[date]) -> list[TimeField]:
    """Return the fields that hold times, the best first. `arrivals` are the days on which the records arrived."""
    times = [candidate for field in fields if field.coverage >= _COVERAGE and (candidate := _as_time(field, arrivals))]
    return sorted(times, key=lambda time: -time.score)


def _as_time(field: Field, arrivals: Sequence[date]) -> TimeField | None:
    values = list(field.values.values())
    if not all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in values):
        return None
    latest = [datetime.combine(arrivals[number], datetime.min.time(), UTC) + _AHEAD for number in field.values]
    for unit, time_format in _readings(values):
        written = pl.Series([str(value) for value in values])
        if unit.per_second is not None:
            written = written.cast(pl.Float64, strict=False)
        envelope = Envelope(unit=unit, time_format=time_format)
        moments = to_microseconds(written, envelope).cast(pl.Float64).cast(pl.Int64, strict=False)
        plausible = [_plausible(moment, last) for moment, last in zip(moments, latest, strict=True)]
        sound = [moment for moment in plausible if moment is not None]
        if len(sound) >= _SHARE * len(values):
            lags = [
                last - _AHEAD - moment for moment, last in zip(plausible, latest, strict=True) if moment is not None
            ]
            return TimeField(field, unit, _score(field, lags, sound), tuple(sound), time_format, _fault(values, unit))
    return None


def _readings(values: Sequence[Any]) -> Iterable[tuple[TimeUnit, str | None]]:
    """Yield how values may be read."""
    numbers = [value for value in values if not isinstance(value, str) or NUMBER.match(value)]
    if len(numbers) == len(values):
        units = {unit_by_magnitude(float(value)) for value in numbers}
        yield (units.pop() if len(units) == 1 else TimeUnit.AUTO), None
        yield TimeUnit.ISO8601, None  # 20240601
    elif numbers:
        yield TimeUnit.AUTO, None
    else:
        yield TimeUnit.ISO8601, None
        yield from ((TimeUnit.ISO8601, time_format) for time_format in _FORMATS)


def _fault(values: Sequence[Any], unit: TimeUnit) -> str | None:
    """Explain why the unit `auto` would have to guess; None if it would not."""
    if unit is not TimeUnit.AUTO:
        return None
    counts: dict[TimeUnit, int] = {}
    for value in values:
        if not isinstance(value, str) or NUMBER.match(value):
            likely_unit = unit_by_magnitude(float(value))
            counts[likely_unit] = counts.get(likely_unit, 0) + 1
    return describe_units(counts)


def _plausible(microseconds: int | None, latest: datetime) -> datetime | None:
    if microseconds is None:
        return None
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
    return moment if _EARLIEST <= moment <= latest else None


def _score(field: Field, lags: Sequence[timedelta], moments: Sequence[datetime]) -> float:
    score = 0.5 if has_any(field, _TIME_WORDS) else 0.1
    score += 0.3 if has_any(field, _CREATION_WORDS) or field.key in _PLAIN_KEYS else 0
    score += 0.1 if field.key in _PLAIN_KEYS else 0
    score -= 0.4 if has_any(field, _OTHER_WORDS) else 0
    score -= 0.15 * (len(field.path) - 1)
    # A time long before the arrival is more likely to be that of something else.
    score += 0.1 if abs(median(lag.total_seconds() for lag in lags)) < timedelta(days=2).total_seconds() else 0
    score -= 0.3 if len(moments) > 1 and all(moment == moments[0] for moment in moments) else 0
    score -= 0.3 if all(moment.time() == datetime.min.time() for moment in moments) else 0
    return score * field.coverage
