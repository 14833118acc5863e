"""The limits of checks, as the resource `rules` has them."""

from dataclasses import dataclass

from event_platform.checks.bands import DEVIATIONS, WEEKS


@dataclass(frozen=True)
class Thresholds:
    """Shares above which checks warn or fail, and with what a day is compared (see `checks.bands`)."""

    corruption_warn_above: float = 0.001
    corruption_error_above: float = 0.05
    duplicates_warn_above: float = 0.05
    anomaly_weeks: int = WEEKS
    anomaly_deviations: float = DEVIATIONS


#: The limits, unless a project configures `rules`.
DEFAULT_THRESHOLDS = Thresholds()
