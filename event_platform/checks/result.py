"""The result of a check for one partition."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from event_platform.checks.bands import Band
from event_platform.checks.faults import Fault


class Severity(StrEnum):
    """Severity of a failed check."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True)
class Result:
    """The result of a check for one partition.

    `severity` applies to a failure. `faults` are the kinds of failure, each with the number of records or values; empty
    if the check could not be evaluated. `hints` are sentences about this case, such as the producer at fault; they
    quote data and are untrusted. `bands` are the usual ranges, by column or for the volume.
    """

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = Severity.ERROR
    faults: Mapping[Fault, int] = field(default_factory=dict)
    hints: Mapping[Fault, str] = field(default_factory=dict)
    bands: Mapping[str, Band] = field(default_factory=dict)

    @classmethod
    def from_error(cls, error: Exception) -> "Result":
        """Return the result of a check that could not be evaluated."""
        return cls(passed=False, description=f"could not be evaluated: {type(error).__name__}: {error}")

    @property
    def main_fault(self) -> Fault | None:
        """The fault with the most records; None if the check passed or could not be evaluated."""
        return max(self.faults, key=lambda fault: self.faults[fault], default=None)

    @property
    def hint(self) -> str:
        """The hint for the main fault in this case; empty if there is none."""
        return self.hints.get(self.main_fault, "") if self.main_fault else ""


@dataclass(frozen=True)
class Finding:
    """The result of a check of an asset for one partition."""

    asset: str  # its key, such as events/lesson_started
    check: str
    day: date
    result: Result
