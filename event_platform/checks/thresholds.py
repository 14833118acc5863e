"""The limits of checks, as the resource `rules` has them."""

from dataclasses import dataclass
from datetime import timedelta

from event_platform.checks.bands import DEVIATIONS, WEEKS


@dataclass(frozen=True)
class Thresholds:
    """Limits of checks: shares above which they warn or fail, and the band of usual values (see `checks.bands`)."""

    corruption_warn_above: float = 0.001
    corruption_error_above: float = 0.05
    duplicates_warn_above: float = 0.05
    anomaly_weeks: int = WEEKS
    anomaly_deviations: float = DEVIATIONS

    @property
    def history(self) -> timedelta:
        """How far before a day its checks look."""
        return timedelta(weeks=self.anomaly_weeks)


#: The limits, unless a project configures `rules`.
DEFAULT_THRESHOLDS = Thresholds()
