"""Nothing is lost and nothing is counted twice: the sums that have to come out even."""

from event_platform.defs.checks.verdict import Verdict
from event_platform.lake.balance import ArrivalBalance, DeduplicationBalance, TypingBalance

NAME = "conservation"


def of_arrivals(balance: ArrivalBalance) -> Verdict:
    """Landed = sound + corrupt, and the records of each object are numbered without a gap."""
    return Verdict(
        passed=balance.balanced,
        description=f"{balance.landed:,} landed = {balance.sound:,} sound + {balance.corrupt:,} corrupt"
        + (f"; {balance.broken_objects} objects have lost or repeated a record" if balance.broken_objects else ""),
        metadata={
            "landed": balance.landed,
            "sound": balance.sound,
            "corrupt": balance.corrupt,
            "broken_objects": balance.broken_objects,
        },
    )


def of_deduplication(balance: DeduplicationBalance) -> Verdict:
    """Sound = deduplicated + duplicates."""
    duplicates = balance.redelivery + balance.conflict
    return Verdict(
        passed=balance.balanced,
        description=f"{balance.sound:,} sound = {balance.deduplicated:,} deduplicated + {duplicates:,} duplicates",
        metadata={"sound": balance.sound, "deduplicated": balance.deduplicated, "duplicates": duplicates},
    )


def of_typing(balance: TypingBalance) -> Verdict:
    """Deduplicated = Σ events/… + unregistered."""
    return Verdict(
        passed=balance.balanced,
        description=f"{balance.deduplicated:,} deduplicated = {balance.typed:,} in event tables + "
        f"{balance.unregistered:,} unregistered",
        metadata={
            "deduplicated": balance.deduplicated,
            "typed": balance.typed,
            "unregistered": balance.unregistered,
        },
    )
