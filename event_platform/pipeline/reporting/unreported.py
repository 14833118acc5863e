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


def unreported_findings(lake: Lake, thresholds: Thresholds, days: Collection[date]) -> list[Finding]:
    """Return the shares of corrupt records of arrival dates."""
    if not days:
        return []
    reasons = _reasons(lake, days)
    limits = thresholds.corruption_warn_above, thresholds.corruption_error_above
    results = [
        (each.arrival_date, rates.check_corruption(each.landed, reasons[each.arrival_date], *limits))
        for each in arrival_balances(lake, days)
    ]
    return [Finding(RAW_EVENTS.name, rates.CORRUPTION, day, result) for day, result in results]


def _reasons(lake: Lake, days: Collection[date]) -> defaultdict[date, dict[str, int]]:
    """Return the corrupt records of each day by reason."""
    rows = lake.corrupt_events.snapshot().scan(days).group_by("arrival_date", "corruption_reason").agg(pl.len())
    found = defaultdict[date, dict[str, int]](dict)
    for day, reason, count in rows.collect().iter_rows():
        found[day][reason] = count
    return found
