"""Shares of corrupt records and duplicates, and events whose name is not in the catalog."""

from collections.abc import Mapping

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.names import describe_names_like_ids
from event_platform.lake.balance import DeduplicationBalance

CORRUPTION = "corruption_rate"
DUPLICATION = "duplicate_rate"
UNREGISTERED = "unregistered_names"

#: Names that a result lists.
_NAMES_LISTED = 100


def check_corruption(landed: int, reasons: Mapping[str, int], warn_above: float, error_above: float) -> Result:
    """Compare the share of corrupt records with the limits."""
    corrupt = sum(reasons.values())
    share = corrupt / landed if landed else 0.0
    listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    return Result(
        passed=share <= warn_above,
        severity=Severity.ERROR if share > error_above else Severity.WARN,
        description=f"{share:.3%} of {landed:,} records are corrupt" + (f": {listed}" if listed else ""),
        metadata={"share": share, "corrupt": corrupt, "reasons": dict(reasons)},
        faults={Fault.CORRUPT_RECORDS: corrupt} if share > warn_above else {},
    )


def check_duplication(balance: DeduplicationBalance, warn_above: float) -> Result:
    """Compare the share of redeliveries with the limit, and expect no conflicts."""
    share = balance.redelivery / balance.sound if balance.sound else 0.0
    faults = {
        Fault.REDELIVERIES: balance.redelivery if share > warn_above else 0,
        Fault.CONFLICTS: balance.conflict,
    }
    return Result(
        passed=not any(faults.values()),
        severity=Severity.WARN,
        description=f"{share:.3%} of {balance.sound:,} records are redeliveries; {balance.conflict:,} conflicts "
        "(same event_uuid, different content: ask the producer)",
        metadata={"share": share, "redelivery": balance.redelivery, "conflict": balance.conflict},
        faults={fault: count for fault, count in faults.items() if count},
    )


def check_unregistered(names: Mapping[str, int], other_events: int = 0, other_names: int = 0) -> Result:
    """Expect that every event name is in the catalog. Of the less frequent ones, `names` may lack any number."""
    # There may be very many names, such as names with an id in them, and Dagster stores the metadata of each day.
    most = dict(sorted(names.items(), key=lambda each: (-each[1], each[0]))[:_NAMES_LISTED])
    events, number = sum(names.values()) + other_events, len(names) + other_names
    more = {"more_names": number - len(most)} if number > len(most) else {}
    ids = describe_names_like_ids(names)
    return Result(
        passed=not events,
        severity=Severity.WARN,
        description=f"{events:,} events of {number:,} names that are not in the catalog" + (f". {ids}" if ids else ""),
        metadata={"events": events, "names": most, **more},
        faults={Fault.UNREGISTERED_NAMES: events} if events else {},
    )
