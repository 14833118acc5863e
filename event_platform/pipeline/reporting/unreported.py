"""What the checks find of arrival dates that have no report, as nothing sound arrived on them."""

from collections.abc import Collection
from datetime import date

from event_platform.checks import rates
from event_platform.checks.corruption import read_times
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.envelope import Envelope
from event_platform.events.figures import REASONS
from event_platform.lake.balance import arrival_balances, count_by_day
from event_platform.lake.lake import Lake
from event_platform.lake.registry import RAW_EVENTS


def unreported_findings(
    lake: Lake, envelope: Envelope, thresholds: Thresholds, days: Collection[date], start: date
) -> list[Finding]:
    """Return the shares of corrupt records of arrival dates. `start` is the first partition."""
    if not days:
        return []
    corrupt = lake.corrupt_events.snapshot()
    reasons = count_by_day(corrupt, days, REASONS)
    times = read_times(corrupt, days, reasons, envelope, start)
    limits = thresholds.corruption_warn_above, thresholds.corruption_error_above
    return [
        Finding(
            RAW_EVENTS.name,
            rates.CORRUPTION,
            day,
            rates.check_corruption(each.landed, reasons.get(day, {}), *limits, times.get(day)),
        )
        for each in arrival_balances(lake, days)
        for day in [each.arrival_date]
    ]
