"""Parallel calls with a deadline: calls that take longer have no result."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from typing import TypeVar

from event_platform.storage.aws import error_line

LOG = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_parallel(
    pool: Executor, function: Callable[[Item], Result], items: Sequence[Item], seconds: float
) -> list[Result | None]:
    """Call a function with each item. Return the results; None if it failed, or took longer than `seconds`.

    The number of failed and late calls is logged, with the first error.
    """
    if seconds <= 0 or not items:
        return [None] * len(items)
    futures = [pool.submit(function, item) for item in items]
    wait(futures, timeout=seconds)
    late_futures = {future for future in futures if future.cancel() or not future.done()}
    errors = {future: error for future in futures if future not in late_futures and (error := future.exception())}
    _report(len(items), len(late_futures), list(errors.values()))
    return [None if future in late_futures or future in errors else future.result() for future in futures]


def _report(calls: int, late: int, errors: Sequence[BaseException]) -> None:
    first = next((f": {error_line(error)}" for error in errors if isinstance(error, Exception)), "")
    if late or errors:
        LOG.warning("of %d calls %d took too long and %d failed%s", calls, late, len(errors), first)
