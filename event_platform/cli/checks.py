"""Failed checks as `run` and `status` show them: check and days, likely cause, next step."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rich.console import RenderableType
from rich.styled import Styled

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.wording import counted, first_few
from event_platform.quality.partitions import describe_range, partition_ranges
from event_platform.quality.text import shown

_MOST_SHOWN = 10  # failed checks
_MOST_RANGES = 5
_CHARACTERS_OF_A_DESCRIPTION = 300


class CheckKey(NamedTuple):
    """The asset, check and partition of an evaluation."""

    asset: str  # its key, such as events/lesson_started
    check: str
    partition: str  # a day, or a key of an own asset's partitions; "" without one


#: The latest result of each check.
Results = Mapping[CheckKey, Result]


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed for the same reason on one or more days."""

    severity: Severity
    asset: str
    check: str
    partitions: Sequence[str]
    worst: str  # the partition where most is concerned
    description: str  # of that day
    fault: Fault | None
    concerned: int  # records or values
    hint: str  # details of the described partition

    def as_json(self) -> dict[str, Any]:
        """Return it for `status --json`."""
        return {
            "severity": str(self.severity),
            "asset": self.asset,
            "check": self.check,
            "days": list(self.partitions),
            "description": self.description,
            "cause": self.fault and self.fault.cause,
            "hint": self.hint or None,
            "next": self.fault and self.fault.remedy,
        }

    @property
    def lines(self) -> Iterator[str]:
        """The failure, and below it the cause and the remedy."""
        worst = f" ({self.worst})" if len(self.partitions) > 1 else ""
        yield f"{self.severity.upper()} {self.asset}, {self.check}{self._days}: {self.description}{worst}"
        if self.fault:
            hint = f" {self.hint}." if self.hint else ""
            yield f"  {self.fault.cause}{hint} {self.fault.remedy}"

    @property
    def _days(self) -> str:
        ranges = partition_ranges(partition for partition in self.partitions if partition)
        listed = first_few((describe_range(*date_range) for date_range in ranges), _MOST_RANGES, "ranges")
        return f" on {listed}" if listed else ""


def failed_checks(results: Results) -> list[FailedCheck]:
    """Return the failed checks: errors first, then by number of affected records."""
    groups = defaultdict[tuple[str, str, Severity, Fault | None], dict[str, Result]](dict)
    for checked, result in results.items():
        if not result.passed:
            key = checked.asset, checked.check, result.severity, result.main_fault
            groups[key][checked.partition] = result
    failed = [_failed_check(*key, by_day) for key, by_day in groups.items()]
    return sorted(failed, key=lambda check: (check.severity is not Severity.ERROR, -check.concerned, check.asset))


def _failed_check(
    asset: str, check: str, severity: Severity, fault: Fault | None, by_day: Mapping[str, Result]
) -> FailedCheck:
    concerned = {partition: sum(result.faults.values()) for partition, result in by_day.items()}
    worst = max(by_day, key=lambda partition: (concerned[partition], partition))
    description, hint = (
        shown(" ".join(text.split()), _CHARACTERS_OF_A_DESCRIPTION)
        for text in (by_day[worst].description, by_day[worst].hint)
    )
    return FailedCheck(severity, asset, check, sorted(by_day), worst, description, fault, sum(concerned.values()), hint)


def has_errors(results: Results) -> bool:
    """Return whether a check failed with severity error."""
    return any(not result.passed and result.severity is Severity.ERROR for result in results.values())


def describe_failures(failed: Sequence[FailedCheck]) -> str:
    """Return how many checks failed, such as `3 checks failed (1 error, 2 warnings)`."""
    errors = sum(failed_check.severity is Severity.ERROR for failed_check in failed)
    counts = {"error": errors, "warning": len(failed) - errors}
    listed = ", ".join(counted(count, name) for name, count in counts.items() if count)
    return f"{counted(len(failed), 'check')} failed ({listed})"


def render_checks(failed: Sequence[FailedCheck], *, every: bool) -> Iterator[RenderableType]:
    """Yield the lines of failed checks: of `every` one, or of the worst ten and how many more there are."""
    listed = failed if every else failed[:_MOST_SHOWN]
    for failed_check in listed:
        first, *rest = failed_check.lines
        yield Styled(first, "red" if failed_check.severity is Severity.ERROR else "yellow")
        yield from rest
    if len(failed) > len(listed):
        yield f"{len(failed) - len(listed):,} more: event-platform status --all"
