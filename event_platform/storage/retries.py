"""Retries of operations that the libraries do not retry."""

from collections.abc import Callable
from typing import TypeVar

from event_platform.storage.clients import FIRST_PAUSE, LONGEST_PAUSE, tries
from event_platform.storage.errors import has_broken_off

T = TypeVar("T")


def retry_unanswered(attempt: Callable[[], T], is_unanswered: Callable[[BaseException], bool] = has_broken_off) -> T:
    """Call `attempt` until the store answers: by default, for listings and conditional puts.

    obstore retries neither of them if the connection ends: the answer to a listing may be truncated, and that to a
    conditional put may be lost.
    """
    return retry(attempt, is_unanswered, tries(), FIRST_PAUSE, LONGEST_PAUSE)


def retry(
    attempt: Callable[[], T],
    is_transient: Callable[[BaseException], bool],
    tries: int,
    first_pause: float,
    longest_pause: float,
) -> T:
    """Call `attempt` until it raises no transient error. The last error is raised.

    Pauses are random, so that callers spread. `first_pause` and `longest_pause` are the maxima, in seconds, of the
    first pause and of all pauses.
    """
    # tenacity imports asyncio: a tenth of the time of a command that needs no retries.
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential  # noqa: PLC0415

    retrying = Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(tries),
        wait=wait_random_exponential(first_pause, longest_pause),
        reraise=True,
    )
    return retrying(attempt)
