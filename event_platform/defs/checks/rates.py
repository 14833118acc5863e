"""Shares of a day that are worth a word: corrupt records, duplicates, and names that nobody registered."""

from collections.abc import Mapping

import dagster as dg

from event_platform.defs.checks.verdict import Verdict
from event_platform.events.names import describe_names_like_ids
from event_platform.lake.balance import DeduplicationBalance

CORRUPTION = "corruption_rate"
DUPLICATION = "duplicate_rate"
UNREGISTERED = "unregistered_names"

#: Names that a verdict lists.
_NAMES_TOLD = 100


def of_corruption(landed: int, reasons: Mapping[str, int], warn_above: float, error_above: float) -> Verdict:
    """Few records are corrupt; the reasons say where to look."""
    corrupt = sum(reasons.values())
    share = corrupt / landed if landed else 0.0
    listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    return Verdict(
        passed=share <= warn_above,
        severity=dg.AssetCheckSeverity.ERROR if share > error_above else dg.AssetCheckSeverity.WARN,
        description=f"{share:.3%} of {landed:,} records are corrupt" + (f": {listed}" if listed else ""),
        metadata={"share": share, "corrupt": corrupt, "reasons": dict(reasons)},
    )


def of_duplication(balance: DeduplicationBalance, warn_above: float) -> Verdict:
    """Redeliveries stay below a share, and no two events have the same uuid and different content."""
    share = balance.redelivery / balance.sound if balance.sound else 0.0
    return Verdict(
        passed=share <= warn_above and not balance.conflict,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{share:.3%} of {balance.sound:,} records are redeliveries; {balance.conflict:,} conflicts "
        "(one uuid, different content: ask the producer)",
        metadata={"share": share, "redelivery": balance.redelivery, "conflict": balance.conflict},
    )


def of_unregistered(names: Mapping[str, int]) -> Verdict:
    """Every event's name is in the catalog."""
    # There may be any number of names, as where they hold an id; Dagster stores what is told here for each day.
    most = dict(sorted(names.items(), key=lambda each: (-each[1], each[0]))[:_NAMES_TOLD])
    more = {"more_names": len(names) - len(most)} if len(names) > len(most) else {}
    ids = describe_names_like_ids(names)
    return Verdict(
        passed=not names,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{sum(names.values()):,} events of {len(names):,} names that the catalog lacks"
        + (f". {ids}" if ids else ""),
        metadata={"events": sum(names.values()), "names": most, **more},
    )
