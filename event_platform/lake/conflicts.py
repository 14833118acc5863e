"""Retry a commit when another writer was faster."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from event_platform.lake.table_commit import ConflictError

_ATTEMPTS = 20

#: Seconds of the longest first pause and of the longest of all; each is random, so that writers spread.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

T = TypeVar("T")


def retry_on_conflict(attempt: Callable[[], T]) -> T:
    """Call `attempt` until no other writer commits in between. It must read again whatever its result depends on."""
    retrying = Retrying(
        retry=retry_if_exception_type(ConflictError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(_FIRST_PAUSE, _LONGEST_PAUSE),
        reraise=True,
    )
    return retrying(attempt)
