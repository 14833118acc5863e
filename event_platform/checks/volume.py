"""The number of events of a day, compared with the same weekday of the four weeks before."""

import math
import statistics
from collections.abc import Mapping
from datetime import date, timedelta

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity

NAME = "volume"

_WEEKS = [timedelta(weeks=number) for number in (1, 2, 3, 4)]
_FEWEST_WEEKS = 2

#: A count below half or above double of the expected one fails, …
_FACTOR = 2.0

#: … if it also differs by more than this many standard deviations of a Poisson count.
_NOISE = 4.0


def weeks_before(day: date) -> list[date]:
    """Return the same weekday of the last four weeks."""
    return [day - week for week in _WEEKS]


def check_day(day: date, rows: Mapping[date, int], today: date) -> Result:
    """Compare the count with half and double of the median of the same weekday in the last four weeks.

    `rows` has the counts of days that have events. With fewer than two weeks to compare, the check passes. Today may
    have too few events, because it is not over.
    """
    weeks = {week.isoformat(): rows[week] for week in weeks_before(day) if rows.get(week)}
    found = rows.get(day, 0)
    if len(weeks) < _FEWEST_WEEKS:
        description = f"{found:,} events; not compared: {len(weeks)} of the last 4 weeks have events on this day"
        return Result(passed=True, description=description, metadata={"rows": found, "weeks": weeks})
    expected = statistics.median(weeks.values())
    by_chance = abs(found - expected) <= _NOISE * math.sqrt(expected)
    too_few, too_many = found < expected / _FACTOR and day < today, found > expected * _FACTOR
    passed = by_chance or not (too_few or too_many)
    fault = Fault.TOO_MANY_EVENTS if too_many else Fault.TOO_FEW_EVENTS
    return Result(
        passed=passed,
        severity=Severity.WARN,
        description=f"{found:,} events, {found / expected:.0%} of the {expected:,.0f} expected for this weekday",
        metadata={"rows": found, "expected": float(expected), "ratio": found / expected, "weeks": weeks},
        faults={} if passed else {fault: round(abs(found - expected))},
    )
