"""The limits of checks, as the resource `rules` has them."""

from dataclasses import dataclass

from event_platform.checks.bands import DEVIATIONS, WEEKS


@dataclass(frozen=True)
class Thresholds:
    """Shares above which checks warn or fail, and what days are compared with."""

    corruption_warn_above: float = 0.001
    corruption_error_above: float = 0.05
    duplicates_warn_above: float = 0.05
    anomaly_weeks: int = WEEKS  # that are compared
    anomaly_deviations: float = DEVIATIONS  # standard deviations that warn


#: The limits, unless a project configures `rules`.
DEFAULT_THRESHOLDS = Thresholds()
