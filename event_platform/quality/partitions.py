"""Days and other partition keys, grouped into ranges to work on or to name."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta


def date_ranges(days: Collection[date]) -> list[tuple[date, date]]:
    """Group days into ranges without a gap: each is one run, and no day in between is rebuilt."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and found[-1][1] + timedelta(days=1) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def describe_range(first: object, last: object) -> str:
    """Return a range of days as a text."""
    return f"{first}" if first == last else f"{first} to {last}"


def partition_ranges(partitions: Iterable[str]) -> list[tuple[str, str]]:
    """Group days into ranges. Other partition keys, of a user's own assets, are ranges of one."""
    keys = set(partitions)
    days = {day for day in keys if _is_day(day)}
    found = date_ranges([date.fromisoformat(day) for day in days])
    return [
        *((first.isoformat(), last.isoformat()) for first, last in found),
        *((key, key) for key in sorted(keys - days)),
    ]


def _is_day(partition: str) -> bool:
    try:
        return date.fromisoformat(partition).isoformat() == partition
    except ValueError:
        return False
