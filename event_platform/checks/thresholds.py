"""The limits of checks, as the resource `rules` has them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Shares above which checks warn or fail."""

    corruption_warn_above: float
    corruption_error_above: float
    duplicates_warn_above: float
