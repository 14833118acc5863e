"""Retry a commit when another writer was faster."""

from collections.abc import Callable
from typing import TypeVar

from event_platform.lake.table_commit import ConflictError
from event_platform.storage.retries import retry

_ATTEMPTS = 20

#: Seconds of the longest first pause, and of the longest of all.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

T = TypeVar("T")


def retry_on_conflict(attempt: Callable[[], T]) -> T:
    """Call `attempt` until no other writer commits in between. It must reread everything that its result depends on."""
    return retry(attempt, lambda error: isinstance(error, ConflictError), _ATTEMPTS, _FIRST_PAUSE, _LONGEST_PAUSE)
