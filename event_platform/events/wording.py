"""How messages say numbers and lists."""

from collections.abc import Iterable


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 object`, `2,000 objects`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def first_few(items: Iterable[object], most: int, noun: str = "", separator: str = ", ") -> str:
    """Return the first items, and the number of further ones with their `noun`: `a, b and 4 more days`."""
    listed = [str(item) for item in items]
    more = f"{len(listed) - most:,} more {noun}".rstrip()
    and_more = f"{separator.rstrip(', ')} and {more}" if len(listed) > most else ""
    return separator.join(listed[:most]) + and_more
