"""Totals that must be equal: no record is lost, none is counted twice."""

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result
from event_platform.events.wording import counted
from event_platform.lake.balance import ArrivalBalance, DeduplicationBalance, TypingBalance

NAME = "conservation"


def _faults(difference: int, broken_objects: int = 0) -> dict[Fault, int]:
    concerned = abs(difference) or broken_objects
    return {Fault.LOST_OR_REPEATED_ROWS: concerned} if concerned else {}


def _hints(difference: int) -> dict[Fault, str]:
    verb = "are missing" if difference > 0 else "are too many"
    return {Fault.LOST_OR_REPEATED_ROWS: f"{abs(difference):,} rows {verb}"} if difference else {}


def check_arrivals(balance: ArrivalBalance) -> Result:
    """Expect landed = sound + corrupt, and records of each object numbered without a gap."""
    broken = counted(balance.broken_objects, "object") if balance.broken_objects else ""
    return Result(
        passed=balance.balanced,
        description=f"{balance.landed:,} landed = {balance.sound:,} sound"
        + (f" ({balance.mended:,} of them mended)" if balance.mended else "")
        + f" + {balance.corrupt:,} corrupt"
        + (f"; records lost or repeated in {broken}" if broken else ""),
        metadata={
            "landed": balance.landed,
            "sound": balance.sound,
            **({"mended": balance.mended} if balance.mended else {}),
            "corrupt": balance.corrupt,
            "broken_objects": balance.broken_objects,
        },
        faults=_faults(balance.landed - balance.sound - balance.corrupt, balance.broken_objects),
        hints=_hints(balance.landed - balance.sound - balance.corrupt),
    )


def check_deduplication(balance: DeduplicationBalance) -> Result:
    """Expect sound = deduplicated + duplicates."""
    duplicates = balance.redelivery + balance.conflict
    return Result(
        passed=balance.balanced,
        description=f"{balance.sound:,} sound = {balance.deduplicated:,} deduplicated + {duplicates:,} duplicates",
        metadata={"sound": balance.sound, "deduplicated": balance.deduplicated, "duplicates": duplicates},
        faults=_faults(balance.sound - balance.deduplicated - duplicates),
        hints=_hints(balance.sound - balance.deduplicated - duplicates),
    )


def check_typing(balance: TypingBalance) -> Result:
    """Expect deduplicated = rows of all event tables + unregistered."""
    return Result(
        passed=balance.balanced,
        description=f"{balance.deduplicated:,} deduplicated = {balance.typed:,} in event tables + "
        f"{balance.unregistered:,} unregistered",
        metadata={
            "deduplicated": balance.deduplicated,
            "typed": balance.typed,
            "unregistered": balance.unregistered,
        },
        faults=_faults(balance.deduplicated - balance.typed - balance.unregistered),
        hints=_hints(balance.deduplicated - balance.typed - balance.unregistered),
    )
