"""Run many requests to a store in parallel threads, because a request mostly waits."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 16

T = TypeVar("T")
R = TypeVar("R")


def map_threads(function: Callable[[T], R], items: Iterable[T], threads: int = THREADS) -> list[R]:
    """Call `function` for many items in parallel threads, for I/O such as opening tables or reading objects."""
    return list(imap_threads(function, items, threads))


def imap_threads(function: Callable[[T], R], items: Iterable[T], threads: int = THREADS) -> Iterator[R]:
    """As `map_threads`, but yield each result, in order, as soon as it is available."""
    items = list(items)
    if len(items) <= 1:  # starting a thread takes as long as reading a local file
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, items)
