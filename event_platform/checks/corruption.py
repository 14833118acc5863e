"""The common causes of a day's corrupt records: the fault of each reason, and explanations of their times."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import yaml

from event_platform.checks.faults import Fault
from event_platform.events.corruption import CorruptionReason
from event_platform.events.envelope import Envelope, TimeUnit, unit_by_magnitude
from event_platform.events.envelope_file import to_document
from event_platform.events.moments import to_microseconds
from event_platform.lake.snapshot import Snapshot

#: The fault of each reason, where the times of creation are not looked at.
FAULTS: Mapping[str, Fault] = {
    CorruptionReason.RECORD_TOO_LARGE: Fault.MALFORMED_RECORDS,
    CorruptionReason.NOT_UTF8: Fault.MALFORMED_RECORDS,
    CorruptionReason.NOT_JSON: Fault.MALFORMED_RECORDS,
    CorruptionReason.NOT_AN_OBJECT: Fault.MALFORMED_RECORDS,
    CorruptionReason.MISSING_RECORDS: Fault.WRONG_WRAPPER,
    CorruptionReason.MISSING_EVENT_UUID: Fault.MISSING_EVENT_FIELDS,
    CorruptionReason.INVALID_EVENT_UUID: Fault.MISSING_EVENT_FIELDS,
    CorruptionReason.MISSING_EVENT_NAME: Fault.MISSING_EVENT_FIELDS,
    CorruptionReason.INVALID_EVENT_NAME: Fault.MISSING_EVENT_FIELDS,
    CorruptionReason.MISSING_CREATED_AT: Fault.MISSING_EVENT_FIELDS,
    CorruptionReason.INVALID_CREATED_AT: Fault.INVALID_TIMES,
    CorruptionReason.CREATED_AT_OUT_OF_RANGE: Fault.OUT_OF_RANGE_TIMES,
    CorruptionReason.UNREADABLE_OBJECT: Fault.UNREADABLE_OBJECTS,
    CorruptionReason.UNSUPPORTED_FORMAT: Fault.UNSUPPORTED_OBJECTS,
}
if FAULTS.keys() != {*CorruptionReason}:
    raise TypeError(f"FAULTS has no fault of {', '.join({*CorruptionReason} - FAULTS.keys())}")

_OUT_OF_RANGE, _INVALID = CorruptionReason.CREATED_AT_OUT_OF_RANGE, CorruptionReason.INVALID_CREATED_AT
_OF_OUT_OF_RANGE = (Fault.WRONG_TIME_UNIT, Fault.BEFORE_START_DATE, Fault.WRONG_CLOCK)

_BY_NAME = {fault.value: fault for fault in Fault}

#: Earlier times than this are of a clock that was reset, not of events before the start date.
_FIRST_PLAUSIBLE = date(2000, 1, 1)

#: Bodies of a day that are read to find out how invalid times are written.
_SAMPLE = 200


@dataclass(frozen=True)
class Times:
    """Explanations of the times of an arrival date's corrupt records, by fault."""

    counts: Mapping[Fault, int] = field(default_factory=dict)
    hints: Mapping[Fault, str] = field(default_factory=dict)

    def as_labels(self) -> Iterator[tuple[str, int]]:
        """Yield each fault with its hint (as a label of quality_report) and its number of records."""
        yield from ((f"{fault}: {self.hints.get(fault, '')}", count) for fault, count in self.counts.items())

    @classmethod
    def from_labels(cls, labels: Mapping[str | None, int]) -> "Times":
        """Parse the output of `as_labels`. Unknown faults, written by another release, are skipped."""
        parts = [(*str(label).partition(": ")[::2], count) for label, count in labels.items()]
        known = [(_BY_NAME[fault], hint, count) for fault, hint, count in parts if fault in _BY_NAME]
        return cls({fault: count for fault, _, count in known}, {fault: hint for fault, hint, _ in known if hint})


def find_faults(reasons: Mapping[str, int], times: Times) -> Counter[Fault]:
    """Return the number of records of each fault. Records with an explained time count under the explanation."""
    faults = Counter[Fault](times.counts)
    for reason, count in reasons.items():
        faults[FAULTS[reason]] += count
    faults[Fault.OUT_OF_RANGE_TIMES] -= sum(times.counts.get(fault, 0) for fault in _OF_OUT_OF_RANGE)
    faults[Fault.INVALID_TIMES] -= times.counts.get(Fault.WRONG_TIME_FORM, 0)
    return +faults


def read_times(
    corrupt: Snapshot,
    dates: Collection[date],
    reasons: Mapping[date, Mapping[str, int]],
    envelope: Envelope,
    start: date,
) -> dict[date, Times]:
    """Explain the invalid and out-of-range times of each arrival date that has any.

    Other dates are not read. Out-of-range times are all counted; for invalid times, a sample of the bodies is read.
    """
    times = _read_out_of_range(
        corrupt, [day for day in dates if _OUT_OF_RANGE in reasons.get(day, {})], envelope, start
    )
    for day in dates:
        if count := reasons.get(day, {}).get(_INVALID):
            invalid = explain_invalid(_sample_bodies(corrupt, day), count, envelope)
            out_of_range = times.get(day, Times())
            times[day] = Times({**out_of_range.counts, **invalid.counts}, {**out_of_range.hints, **invalid.hints})
    return times


def _read_out_of_range(corrupt: Snapshot, dates: Sequence[date], envelope: Envelope, start: date) -> dict[date, Times]:
    if not dates:
        return {}
    rows = corrupt.scan(dates).filter(pl.col("corruption_reason") == _OUT_OF_RANGE.value)
    counts = count_out_of_range(rows.select("arrival_date", "created_at"), envelope, start)
    by_day = counts.collect(engine="streaming").partition_by("arrival_date", as_dict=True)
    return {day: explain_out_of_range(counts, envelope, start) for (day,), counts in by_day.items()}


def count_out_of_range(rows: pl.LazyFrame, envelope: Envelope, start: date) -> pl.LazyFrame:
    """Count rows (`arrival_date`, `created_at` in Unix seconds) by the explanation of their time, with first and last.

    `why` is a unit in which the time would be in range, or a fault.
    """
    at, plausible = pl.col("created_at"), _seconds(_FIRST_PLAUSIBLE)
    end = pl.col("arrival_date").cast(pl.Datetime("us", "UTC")).dt.epoch("s") + timedelta(days=2).total_seconds()
    is_old = at.is_between(plausible, _seconds(start), closed="left")
    units = [
        pl.when((at * _ratio(envelope, unit)).is_between(plausible, end, closed="left")).then(pl.lit(unit.value))
        for unit in _units(envelope)
    ]
    why = pl.coalesce(
        pl.when(is_old).then(pl.lit(Fault.BEFORE_START_DATE.value)), *units, pl.lit(Fault.WRONG_CLOCK.value)
    )
    return rows.group_by("arrival_date", why=why).agg(records=pl.len(), first=at.min(), last=at.max())


def _units(envelope: Envelope) -> list[TimeUnit]:
    """Return the units that numbers may be in instead."""
    units = [unit for unit in TimeUnit if unit.per_second is not None]
    return [unit for unit in units if unit is not envelope.unit] if envelope.unit in units else []


def _ratio(envelope: Envelope, unit: TimeUnit) -> float:
    """Return the factor that corrects seconds written in `unit` but read in the unit of the envelope."""
    return (envelope.unit.per_second or 1) / (unit.per_second or 1)


def explain_out_of_range(counts: pl.DataFrame, envelope: Envelope, start: date) -> Times:
    """Return the explanation of a day's out-of-range times, from its rows of `count_out_of_range`."""
    by_why = counts.rows_by_key("why", named=True, unique=True)
    units = [unit for unit in _units(envelope) if unit in by_why]
    faults = {
        fault: by_why[fault]["records"] for fault in (Fault.BEFORE_START_DATE, Fault.WRONG_CLOCK) if fault in by_why
    }
    hints = {}
    if units:
        faults[Fault.WRONG_TIME_UNIT] = sum(by_why[unit]["records"] for unit in units)
        unit = max(units, key=lambda unit: by_why[unit]["records"])
        hints[Fault.WRONG_TIME_UNIT] = (
            f"{by_why[unit]['records']:,} of {sum(faults.values()):,} times out of range are in {unit}, "
            f"{_days(by_why[unit], _ratio(envelope, unit))}: {_created_at(envelope, unit)}"
        )
    if Fault.BEFORE_START_DATE in faults:
        hints[Fault.BEFORE_START_DATE] = (
            f"EVENT_PLATFORM_START_DATE is {start}; {faults[Fault.BEFORE_START_DATE]:,} records are older, "
            f"{_days(by_why[Fault.BEFORE_START_DATE])}"
        )
    return Times(faults, hints)


def _days(counts: Mapping[str, Any], ratio: float = 1) -> str:
    first, last = (datetime.fromtimestamp(counts[end] * ratio, UTC).date() for end in ("first", "last"))
    return f"from {first} to {last}"


def explain_invalid(bodies: Sequence[str], invalid: int, envelope: Envelope) -> Times:
    """Return the fault of a day's `invalid` times if every sampled body has its time in the same other unit."""
    values = [_value(body, envelope.created_at) for body in bodies]
    unit = _unit_of(values, envelope)
    if unit is None or unit is envelope.unit:
        return Times()
    example = str(values[0])[:40]
    hint = f"All {len(bodies):,} that were read are {unit}, such as {example}: {_created_at(envelope, unit)}"
    return Times({Fault.WRONG_TIME_FORM: invalid}, {Fault.WRONG_TIME_FORM: hint})


def _unit_of(values: Sequence[Any], envelope: Envelope) -> TimeUnit | None:
    """Return the unit of all values; None if they do not share one."""
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        units = set(map(unit_by_magnitude, values))
        return units.pop() if len(units) == 1 else None
    if values and all(isinstance(value, str) for value in values):
        moments = to_microseconds(
            pl.Series(values, dtype=pl.String), Envelope(unit=TimeUnit.ISO8601, timezone=envelope.timezone)
        )
        return None if moments.null_count() else TimeUnit.ISO8601
    return None


def _value(body: str, path: Sequence[str]) -> Any:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):  # half of an emoji: the reader takes it, a decoder does not
        return None
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _sample_bodies(corrupt: Snapshot, day: date) -> list[str]:
    rows = corrupt.scan([day]).filter(pl.col("corruption_reason") == _INVALID.value)
    return rows.select("body").head(_SAMPLE).collect(engine="streaming")["body"].to_list()


def _created_at(envelope: Envelope, unit: TimeUnit) -> str:
    """Return the line of `envelope.yaml` that names the unit."""
    settings = to_document(replace(envelope, unit=unit, time_format=None))["created_at"]
    return yaml.safe_dump({"created_at": settings}, default_flow_style=True, width=1_000, sort_keys=False).strip()[1:-1]


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
