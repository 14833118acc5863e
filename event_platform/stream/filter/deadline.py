"""Calls at once, until a deadline: what has no result by then has none."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def call_each(
    pool: Executor, function: Callable[[Item], Result], items: Sequence[Item], seconds: float
) -> list[Result | None]:
    """Call a function with each item. Return the results; None where it failed, or took longer than `seconds`."""
    if seconds <= 0:
        return [None] * len(items)
    futures = [pool.submit(function, item) for item in items]
    wait(futures, timeout=seconds)
    return [_result(future) for future in futures]


def _result(future: Future[Result]) -> Result | None:
    if future.cancel() or not future.done() or future.cancelled() or future.exception() is not None:
        return None
    return future.result()
