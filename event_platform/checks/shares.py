"""The shares of nulls and of distinct values in the columns of an event type, compared with what is usual."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from event_platform.checks.bands import (
    DEVIATIONS,
    FEWEST_WEEKS,
    WEEKS,
    Band,
    Scale,
    days_before,
    usual_band,
    weekdays_before,
)
from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.catalog import EventType
from event_platform.events.columns import Kind, typed

NULLS = "null_share"
DISTINCT = "distinct_share"

_NESTED = {Kind.ARRAY, Kind.OBJECT, Kind.MAP}

#: A share that differs by less than this from the usual one is no anomaly, whatever the number of rows.
_LEAST_CHANGE = 0.02

#: Today is compared once it has this share of the usual rows.
_ENOUGH_OF_TODAY = 0.5

#: Columns that a description and the metadata have. A type may have thousands.
_LISTED, _COLUMNS_KEPT = 5, 100


@dataclass(frozen=True)
class ColumnCounts:
    """The counts behind shares: the rows of a day, and the counted rows by column.

    Without rows, no column has a share.
    """

    rows: int
    counts: Mapping[str, int]

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of each column. Cached: each day is compared with the days of eight weeks."""
        return {column: count / self.rows for column, count in self.counts.items()}


_NOTHING = ColumnCounts(0, {})


@dataclass(frozen=True)
class _Kind:
    """What is counted, in words, and the faults of a share above or below its band."""

    words: str
    more: Fault
    fewer: Fault
    leaves_out_all: bool = False  # a day on which all rows count


_NULLS = _Kind("nulls", Fault.MORE_NULLS, Fault.FEWER_NULLS, leaves_out_all=True)
_DISTINCT = _Kind("distinct values", Fault.MORE_VALUES, Fault.FEWER_VALUES)


def compared_columns(event_type: EventType) -> list[str]:
    """Return the columns of the payload that are compared: objects, arrays and maps have no statistics."""
    return [column.name for column in typed(event_type.stored) if column.kind not in _NESTED]


def check_nulls(
    day: date, days: Mapping[date, ColumnCounts], today: date, weeks: int = WEEKS, deviations: float = DEVIATIONS
) -> Result:
    """Compare the share of nulls in each column with its band. `days` includes the weeks before (`days_before`).

    Days on which a column is entirely null are not compared with: it did not exist, or was not filled.
    """
    return _check(_NULLS, day, days, today, weeks, deviations)


def check_distinct(
    day: date, days: Mapping[date, ColumnCounts], today: date, weeks: int = WEEKS, deviations: float = DEVIATIONS
) -> Result:
    """Compare the share of distinct values in the sampled rows of each column with its band, as `check_nulls`."""
    return _check(_DISTINCT, day, days, today, weeks, deviations)


def _check(
    kind: _Kind, day: date, days: Mapping[date, ColumnCounts], today: date, weeks: int, deviations: float
) -> Result:
    if day >= today and not _is_enough_of_today(day, days, weeks):
        return Result(passed=True, description=f"{kind.words} are not compared: the day has just begun")
    rows, shares = days.get(day, _NOTHING).rows, days.get(day, _NOTHING).shares
    # Most columns are near the median of the weekday, and need no band.
    on_weekday = [past for past in weekdays_before(day, weeks) if past in days]
    others = {column: _past_shares(kind, column, days, on_weekday).values() for column in shares}
    usual = {column: statistics.median(past) for column, past in others.items() if len(past) >= FEWEST_WEEKS}
    if not usual:
        few = f"no two of the last {weeks} weeks have events on this day" if rows else "no events"
        return Result(passed=True, description=f"{kind.words} are not compared: {few}")
    changed = [column for column, share in usual.items() if abs(shares[column] - share) > _LEAST_CHANGE]
    bands = {column: _band(kind, column, day, days, weeks, deviations) for column in changed}
    outside = [column for column, band in bands.items() if not band.low <= shares[column] <= band.high]
    largest = sorted(outside, key=lambda column: -abs(shares[column] - bands[column].expected))
    listed = "; ".join(f"{column}: {_describe(shares[column], bands[column])}" for column in largest[:_LISTED])
    changes = [round(rows * (shares[column] - bands[column].expected)) for column in outside]
    more, fewer = (sum(max(sign * change, 0) for change in changes) for sign in (1, -1))
    return Result(
        passed=not outside,
        severity=Severity.WARN,
        description=f"{kind.words}: {listed}" if outside else f"{kind.words} are usual in {len(usual)} columns",
        metadata={
            "rows": rows,
            "columns": {column: _figures(shares[column], bands[column]) for column in largest[:_COLUMNS_KEPT]},
        },
        faults={fault: count for fault, count in ((kind.more, more), (kind.fewer, fewer)) if count},
        bands=bands,
    )


def _past_shares(
    kind: _Kind, column: str, days: Mapping[date, ColumnCounts], compared: Sequence[date]
) -> dict[date, float]:
    """Return the shares of a column on the compared days that have one."""
    shares = {past: days[past].shares.get(column) for past in compared}
    return {
        past: share for past, share in shares.items() if share is not None and not (kind.leaves_out_all and share == 1)
    }


def _band(
    kind: _Kind, column: str, day: date, days: Mapping[date, ColumnCounts], weeks: int, deviations: float
) -> Band:
    """Return the band of a column that has an expected share."""
    scale = Scale(_angle, _back, noise=1 / math.sqrt(days[day].rows))
    before = [past for past in days_before(day, weeks) if past in days]
    band = usual_band(day, _past_shares(kind, column, days, before), scale, weeks, deviations)
    if band is None:
        raise ValueError(f"{column} has no expected share")
    low, high = band.expected - _LEAST_CHANGE, band.expected + _LEAST_CHANGE
    return Band(max(0.0, min(band.low, low)), min(1.0, max(band.high, high)), band.expected)


def _is_enough_of_today(day: date, days: Mapping[date, ColumnCounts], weeks: int) -> bool:
    usual = [days[past].rows for past in weekdays_before(day, weeks) if past in days]
    return bool(usual) and days.get(day, _NOTHING).rows >= _ENOUGH_OF_TODAY * statistics.median(usual)


def _describe(share: float, band: Band) -> str:
    return f"{share:.1%}, expected {band.expected:.1%} ({band.low:.1%} to {band.high:.1%} are usual)"


def _figures(share: float, band: Band) -> dict[str, float]:
    return {"share": share, "expected": band.expected, "low": band.low, "high": band.high}


def _angle(share: float) -> float:
    """Return the angle of a share, whose standard deviation in n rows is 1 / sqrt(n)."""
    return 2 * math.asin(math.sqrt(share))


def _back(angle: float) -> float:
    return math.sin(min(max(angle, 0.0), math.pi) / 2) ** 2
