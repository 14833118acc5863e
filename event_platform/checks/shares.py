"""The shares of nulls and of distinct values in the columns of an event type, compared with what is usual."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from event_platform.checks.bands import DEVIATIONS, WEEKS, Band, Scale, usual_band, weekdays_before
from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity

NULLS = "null_share"
DISTINCT = "distinct_share"

#: A share that differs by less than this from the usual one is no anomaly, however many rows there are.
_LEAST_CHANGE = 0.02

#: Today is compared when it has this share of the rows that are usual.
_ENOUGH_OF_TODAY = 0.5

#: Columns that a description and the metadata have. A type may have thousands.
_LISTED, _COLUMNS_KEPT = 5, 100


@dataclass(frozen=True)
class Counted:
    """What a share is of: the rows, and by column how many of them count."""

    rows: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class _Kind:
    """What is counted, in words, and the faults of a share that is too large or too small."""

    words: str
    more: Fault
    fewer: Fault


_NULLS = _Kind("nulls", Fault.MORE_NULLS, Fault.FEWER_NULLS)
_DISTINCT = _Kind("distinct values", Fault.MORE_VALUES, Fault.FEWER_VALUES)


def check_nulls(
    day: date, days: Mapping[date, Counted], today: date, weeks: int = WEEKS, deviations: float = DEVIATIONS
) -> Result:
    """Compare the share of nulls in each column with its band. `days` has the weeks before (`days_before`) too."""
    return _check(_NULLS, day, days, today, weeks, deviations)


def check_distinct(
    day: date, days: Mapping[date, Counted], today: date, weeks: int = WEEKS, deviations: float = DEVIATIONS
) -> Result:
    """Compare the share of distinct values in the sampled rows of each column with its band, as `check_nulls`."""
    return _check(_DISTINCT, day, days, today, weeks, deviations)


def _check(kind: _Kind, day: date, days: Mapping[date, Counted], today: date, weeks: int, deviations: float) -> Result:
    found = days.get(day, Counted(0, {}))
    if day >= today and not _is_enough_of_today(day, days, weeks):
        return Result(passed=True, description=f"{kind.words} are not compared: the day has just begun")
    bands = _bands(day, days, weeks, deviations) if found.rows else {}
    if not bands:
        few = f"no two of the last {weeks} weeks have events on this day" if found.rows else "no events"
        return Result(passed=True, description=f"{kind.words} are not compared: {few}")
    shares = {column: found.counts[column] / found.rows for column in bands}
    outside = {
        column: share for column, share in shares.items() if not bands[column].low <= share <= bands[column].high
    }
    largest = sorted(outside, key=lambda column: -abs(outside[column] - bands[column].expected))
    listed = "; ".join(f"{column}: {_describe(outside[column], bands[column])}" for column in largest[:_LISTED])
    changes = {column: round(found.rows * (share - bands[column].expected)) for column, share in outside.items()}
    more, fewer = (sum(max(sign * change, 0) for change in changes.values()) for sign in (1, -1))
    return Result(
        passed=not outside,
        severity=Severity.WARN,
        description=f"{kind.words}: {listed}" if outside else f"{kind.words} are usual in {len(bands)} columns",
        metadata={
            "rows": found.rows,
            "columns": {column: _figures(outside[column], bands[column]) for column in largest[:_COLUMNS_KEPT]},
        },
        faults={fault: count for fault, count in ((kind.more, more), (kind.fewer, fewer)) if count},
        bands=bands,
    )


def _is_enough_of_today(day: date, days: Mapping[date, Counted], weeks: int) -> bool:
    usual = [days[each].rows for each in weekdays_before(day, weeks) if each in days]
    return day in days and bool(usual) and days[day].rows >= _ENOUGH_OF_TODAY * statistics.median(usual)


def _describe(share: float, band: Band) -> str:
    return f"{share:.1%}, expected {band.expected:.1%} ({band.low:.1%} to {band.high:.1%} are usual)"


def _figures(share: float, band: Band) -> dict[str, float]:
    return {"share": share, "expected": band.expected, "low": band.low, "high": band.high}


def _bands(day: date, days: Mapping[date, Counted], weeks: int, deviations: float) -> dict[str, Band]:
    """Return the band of each column that has one."""
    found = days[day]
    scale = Scale(_there, _back, noise=1 / math.sqrt(found.rows))
    bands = {}
    for column in found.counts:
        shares = {
            each: counted.counts[column] / counted.rows
            for each, counted in days.items()
            if counted.rows and column in counted.counts
        }
        if band := usual_band(day, shares, scale, weeks, deviations):
            bands[column] = Band(
                max(0.0, min(band.low, band.expected - _LEAST_CHANGE)),
                min(1.0, max(band.high, band.expected + _LEAST_CHANGE)),
                band.expected,
            )
    return bands


def _there(share: float) -> float:
    """Return the angle of a share, whose standard deviation in n rows is 1 / sqrt(n)."""
    return 2 * math.asin(math.sqrt(share))


def _back(angle: float) -> float:
    return math.sin(min(max(angle, 0.0), math.pi) / 2) ** 2
