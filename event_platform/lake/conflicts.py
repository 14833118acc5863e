"""Retry a commit when another writer was faster."""

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from event_platform.lake.table_commit import ConflictError

_ATTEMPTS = 20

T = TypeVar("T")


def retry_on_conflict(attempt: Callable[[], T]) -> T:
    """Call `attempt` until no other writer commits in between. It must read again whatever its result depends on."""
    for pause in _pauses():
        try:
            return attempt()
        except ConflictError:
            time.sleep(pause)
    return attempt()


def _pauses() -> Iterator[float]:
    for number in range(_ATTEMPTS - 1):
        yield random.uniform(0, min(0.1 * 2**number, 5.0))  # noqa: S311 - spreads writers, keeps no secret
