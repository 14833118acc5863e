"""The limits of checks, as the resource `rules` has them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Shares above which checks warn or fail."""

    corruption_warn_above: float = 0.001
    corruption_error_above: float = 0.05
    duplicates_warn_above: float = 0.05


#: The limits, unless a project configures `rules`.
DEFAULT_THRESHOLDS = Thresholds()
