"""Days and other partition keys, grouped into ranges to work on or to name."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta


def date_ranges(days: Collection[date]) -> list[tuple[date, date]]:
    """Group days into ranges without a gap: each is one run, and no day in between is rebuilt."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(days):
        if ranges and ranges[-1][1] + timedelta(days=1) == day:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def describe_range(first: object, last: object) -> str:
    """Return a range of days as a text."""
    return f"{first}" if first == last else f"{first} to {last}"


def partition_ranges(partitions: Iterable[str]) -> list[tuple[str, str]]:
    """Group days into ranges. Other partition keys, of a user's own assets, are ranges of one."""
    keys = set(partitions)
    days = {day for day in keys if _is_day(day)}
    ranges = date_ranges([date.fromisoformat(day) for day in days])
    return [
        *((first.isoformat(), last.isoformat()) for first, last in ranges),
        *((key, key) for key in sorted(keys - days)),
    ]


def _is_day(partition: str) -> bool:
    try:
        return date.fromisoformat(partition).isoformat() == partition
    except ValueError:
        return False
