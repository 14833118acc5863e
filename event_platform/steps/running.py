"""What every step does: run tasks on an executor, and start over when another writer was faster."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from typing import Any, TypeVar

from event_platform.lake.tables import ConflictError

_ATTEMPTS = 20

#: Called with what is being done, how many of it are, and how many there are.
Progress = Callable[[str, int, int], None]

T = TypeVar("T")


def run_tasks(
    executor: Executor, function: Callable[..., T], arguments: Sequence[tuple[Any, ...]], progress: Progress, what: str
) -> list[T]:
    """Run `function` once for each tuple of arguments; results in the order of the arguments.

    The first task that fails ends the step with its error; tasks that have not begun are dropped.
    """
    if len(arguments) == 1:  # a pool's start would cost more than it saves
        return [function(*arguments[0])]
    futures = [executor.submit(function, *each) for each in arguments]
    try:
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            progress(what, done, len(futures))
    except BaseException:
        _cancel(futures)
        raise
    return [future.result() for future in futures]


def until_no_conflict(attempt: Callable[[], T]) -> T:
    """Call `attempt` until no other writer gets in between. It must read anew all that its result depends on."""
    for pause in _pauses():
        try:
            return attempt()
        except ConflictError:
            time.sleep(pause)
    return attempt()


def _pauses() -> Iterator[float]:
    for number in range(_ATTEMPTS - 1):
        yield random.uniform(0, min(0.1 * 2**number, 5.0))  # noqa: S311 - spreads writers, keeps no secret


def _cancel(futures: list[Future[Any]]) -> None:
    for future in futures:
        future.cancel()
