"""Shares of corrupt records and duplicates, and events whose name is not in the catalog."""

from collections import Counter
from collections.abc import Mapping

from event_platform.checks import corruption
from event_platform.checks.corruption import Times
from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.checks.spelling import find_name_faults
from event_platform.events.event import DuplicateKind
from event_platform.events.names import describe_names_like_ids
from event_platform.events.wording import counted
from event_platform.lake.balance import DeduplicationBalance

CORRUPTION = "corruption_rate"
DUPLICATION = "duplicate_rate"
UNREGISTERED = "unregistered_names"

#: Names that a result lists.
_NAMES_LISTED = 100

#: Share of the duplicates above which one event name has most of them.
_MOST = 0.5

_FAULT_OF_KIND = {DuplicateKind.REDELIVERY: Fault.REDELIVERIES, DuplicateKind.CONFLICT: Fault.CONFLICTS}


def check_corruption(
    landed: int, reasons: Mapping[str, int], warn_above: float, error_above: float, times: Times | None = None
) -> Result:
    """Compare the share of corrupt records with the limits. `times` explains those whose time is the reason."""
    corrupt = sum(reasons.values())
    share = corrupt / landed if landed else 0.0
    listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    times, failed = times or Times(), share > warn_above
    return Result(
        passed=not failed,
        severity=Severity.ERROR if share > error_above else Severity.WARN,
        description=f"{share:.3%} of {landed:,} records are corrupt" + (f": {listed}" if listed else ""),
        metadata={"share": share, "corrupt": corrupt, "reasons": dict(reasons)},
        faults=corruption.find_faults(reasons, times) if failed else {},
        hints=times.hints if failed else {},
    )


def check_duplication(
    balance: DeduplicationBalance, warn_above: float, names: Mapping[str, Mapping[str, int]] | None = None
) -> Result:
    """Compare the share of redeliveries with the limit, and expect no conflicts.

    `names` has the duplicates of each kind by event name.
    """
    share = balance.redelivery / balance.sound if balance.sound else 0.0
    faults = {
        Fault.REDELIVERIES: balance.redelivery if share > warn_above else 0,
        Fault.CONFLICTS: balance.conflict,
    }
    found = {fault: count for fault, count in faults.items() if count}
    by_fault = {_FAULT_OF_KIND[DuplicateKind(kind)]: counts for kind, counts in (names or {}).items()}
    return Result(
        passed=not found,
        severity=Severity.WARN,
        description=f"{share:.3%} of {balance.sound:,} records are redeliveries; "
        f"{counted(balance.conflict, 'conflict')} (same event_uuid, different content: ask the producer)",
        metadata={"share": share, "redelivery": balance.redelivery, "conflict": balance.conflict},
        faults=found,
        hints={fault: _describe_names(by_fault[fault]) for fault in found if by_fault.get(fault)},
    )


def _describe_names(counts: Mapping[str, int]) -> str:
    """Return which event names have most of the duplicates."""
    total, largest = sum(counts.values()), Counter(counts).most_common(3)
    name, count = largest[0]
    if count > _MOST * total:
        return f"{count:,} of {total:,} are {name}"
    listed = ", ".join(f"{name} {count:,}" for name, count in largest)
    return f"They are of {len(counts):,} events, most of {listed}"


def check_unregistered(
    names: Mapping[str, int], registered: frozenset[str] = frozenset(), other_events: int = 0, other_names: int = 0
) -> Result:
    """Expect that every event name is in the catalog, whose names are `registered`.

    Of the less frequent ones, `names` may lack any number.
    """
    # There may be very many names, such as names with an id in them, and Dagster stores the metadata of each day.
    most = dict(sorted(names.items(), key=lambda each: (-each[1], each[0]))[:_NAMES_LISTED])
    events, number = sum(names.values()) + other_events, len(names) + other_names
    more = {"more_names": number - len(most)} if number > len(most) else {}
    ids = describe_names_like_ids(names)
    faults, hints = find_name_faults(names, registered)
    return Result(
        passed=not events,
        severity=Severity.WARN,
        description=f"{counted(events, 'event')} of {counted(number, 'name')} that the catalog lacks"
        + (f". {ids}" if ids else ""),
        metadata={"events": events, "names": most, **more},
        faults=+(Counter(faults) + Counter({Fault.UNREGISTERED_NAMES: other_events})),
        hints=hints,
    )
