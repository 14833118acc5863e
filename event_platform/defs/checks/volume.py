"""How many events of a type a day has, against the same weekday of the weeks before."""

import math
import statistics
from collections.abc import Mapping
from datetime import date, timedelta

import dagster as dg

from event_platform.defs.checks.verdict import Verdict

NAME = "volume"

_WEEKS = [timedelta(weeks=number) for number in (1, 2, 3, 4)]
_FEWEST_WEEKS = 2

#: Less than half of what is expected, or more than double, …
_FACTOR = 2.0

#: … and further from it than counts of that size stray by chance, in standard deviations.
_NOISE = 4.0


def weeks_before(day: date) -> list[date]:
    """Return the days that a day is compared with: its weekday in the last four weeks."""
    return [day - week for week in _WEEKS]


def verdict(day: date, rows: Mapping[date, int], today: date) -> Verdict:
    """Not less than half, and not more than double, of the median of the same weekday in the last four weeks.

    `rows` are those of the days that have any; with fewer than two such weeks nothing is expected. Today is not over:
    it may still have too few.
    """
    weeks = {week.isoformat(): rows[week] for week in weeks_before(day) if rows.get(week)}
    found = rows.get(day, 0)
    if len(weeks) < _FEWEST_WEEKS:
        told = f"{found:,} events; nothing to compare with: {len(weeks)} of the last 4 weeks have some on this day"
        return Verdict(passed=True, description=told, metadata={"rows": found, "weeks": weeks})
    expected = statistics.median(weeks.values())
    by_chance = abs(found - expected) <= _NOISE * math.sqrt(expected)
    too_few, too_many = found < expected / _FACTOR and day < today, found > expected * _FACTOR
    return Verdict(
        passed=by_chance or not (too_few or too_many),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{found:,} events, {found / expected:.0%} of the {expected:,.0f} of this weekday in other weeks",
        metadata={"rows": found, "expected": float(expected), "ratio": found / expected, "weeks": weeks},
    )
