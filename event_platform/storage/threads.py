"""Many requests to the store side by side: each is mostly waiting."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_AT_ONCE = 16

T = TypeVar("T")
R = TypeVar("R")


def map_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Call `function`, which opens a table, commits to one or reads an object, for many of them."""
    return list(imap_threads(function, items))


def imap_threads(function: Callable[[T], R], items: Iterable[T], at_once: int = _AT_ONCE) -> Iterator[R]:
    """Do as `map_threads`, and yield each result in its turn, while others are still worked on, so many at a time."""
    with ThreadPoolExecutor(at_once) as threads:
        yield from threads.map(function, items)
