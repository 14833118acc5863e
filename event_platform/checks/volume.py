"""The number of events of a day, compared with the usual number of its weekday."""

import math
from collections.abc import Mapping
from datetime import date

from event_platform.checks.bands import DEVIATIONS, WEEKS, Scale, usual_band, weekdays_before
from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.catalog import EventType

NAME = "volume"

#: Counts of equal days differ by chance (Poisson), and by this share of them.
_SHARE = 0.05


def _root(count: float) -> float:
    return 2 / _SHARE * math.asinh(_SHARE * math.sqrt(count))


def _back(value: float) -> float:
    return (math.sinh(_SHARE / 2 * max(value, 0.0)) / _SHARE) ** 2


#: On this scale a count has a standard deviation of 1: small ones like their square root, large ones like a logarithm.
_COUNTS = Scale(_root, _back, noise=1.0)


def allowed(event_type: EventType, deviations: float) -> float | None:
    """Return the allowed standard deviations of an event type (default: `deviations`); None if it is not compared."""
    return (event_type.volume_deviations or deviations) if event_type.is_volume_compared else None


def check_day(
    day: date, rows: Mapping[date, int], today: date, weeks: int = WEEKS, deviations: float | None = DEVIATIONS
) -> Result:
    """Compare the count with the band of its weekday; skipped if `deviations` is None.

    `rows` are the counts of days that have events, including the weeks before (`days_before`). During a cold start the
    check passes. Too few events are accepted for today, which is not over.
    """
    events = rows.get(day, 0)
    on_weekday = {past.isoformat(): rows[past] for past in weekdays_before(day, weeks) if rows.get(past)}
    if deviations is None:
        return Result(passed=True, description=f"{events:,} events; not compared: x-volume is off")
    counts = {past: float(count) for past, count in rows.items() if count}
    band = usual_band(day, counts, _COUNTS, weeks, deviations)
    if band is None:
        description = (
            f"{events:,} events; not compared: {len(on_weekday)} of the last {weeks} weeks have events on this day"
        )
        return Result(passed=True, description=description, metadata={"rows": events, "weeks": on_weekday})
    too_few, too_many = events < band.low and day < today, events > band.high
    fault = Fault.TOO_MANY_EVENTS if too_many else Fault.TOO_FEW_EVENTS
    return Result(
        passed=not (too_few or too_many),
        severity=Severity.WARN,
        description=f"{events:,} events, {events / band.expected:.0%} of the {band.expected:,.0f} expected for this "
        f"weekday; {band.low:,.0f} to {band.high:,.0f} are usual",
        metadata={
            "rows": events,
            "expected": band.expected,
            "low": band.low,
            "high": band.high,
            "ratio": events / band.expected,
            "weeks": on_weekday,
        },
        faults={fault: round(abs(events - band.expected))} if too_few or too_many else {},
        bands={NAME: band},
    )
