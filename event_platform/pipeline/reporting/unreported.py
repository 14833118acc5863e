"""What the checks find of arrival dates that have no report, as nothing sound arrived on them."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date

import polars as pl

from event_platform.checks import rates
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.lake.balance import arrival_balances
from event_platform.lake.lake import Lake
from event_platform.lake.registry import RAW_EVENTS


def unreported_findings(lake: Lake, thresholds: Thresholds, reported: Collection[date]) -> list[Finding]:
    """Return the shares of corrupt records of the arrival dates that are not `reported`."""
    landed = {each.arrival_date: each.landed for each in arrival_balances(lake)}
    days = sorted(landed.keys() - set(reported))
    if not days:
        return []
    reasons = _reasons(lake, days)
    limits = thresholds.corruption_warn_above, thresholds.corruption_error_above
    return [
        Finding(RAW_EVENTS.name, rates.CORRUPTION, day, rates.check_corruption(landed[day], reasons[day], *limits))
        for day in days
    ]


def _reasons(lake: Lake, days: Collection[date]) -> defaultdict[date, dict[str, int]]:
    """Return the corrupt records of each day by reason."""
    rows = lake.corrupt_events.snapshot().scan(days).group_by("arrival_date", "corruption_reason").agg(pl.len())
    found = defaultdict[date, dict[str, int]](dict)
    for day, reason, count in rows.collect().iter_rows():
        found[day][reason] = count
    return found
