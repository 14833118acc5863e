"""Retries of requests that the libraries do not retry."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from event_platform.storage.clients import FIRST_PAUSE, LONGEST_PAUSE, tries
from event_platform.storage.errors import has_broken_off

T = TypeVar("T")


def retry_unanswered(attempt: Callable[[], T]) -> T:
    """Call `attempt` until the store answers: for listings and conditional puts.

    obstore retries neither where a connection ends: an answer to a listing may break off, and that to a conditional put
    may be lost.
    """
    retrying = Retrying(
        retry=retry_if_exception(has_broken_off),
        stop=stop_after_attempt(tries()),
        wait=wait_random_exponential(FIRST_PAUSE, LONGEST_PAUSE),
        reraise=True,
    )
    return retrying(attempt)
