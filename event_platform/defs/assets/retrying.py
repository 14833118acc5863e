"""Retries of steps: on transient errors of the storage, not on errors of data, permissions or settings."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from event_platform.defs.assets.reporting import is_watched
from event_platform.events.errors import StorageError, raise_panics_as_errors
from event_platform.storage.polars_errors import translate_errors

#: Seconds between tries. By then the clients of S3 have tried several times, within seconds.
_PAUSES = (10, 20, 40)


@contextmanager
def retrying(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Retry the step on storage errors, unless the error is permanent.

    Work that was committed before the error is not repeated.
    """
    try:
        # A panic is no Exception: Dagster would not take it for the failure of a step.
        with translate_errors(), raise_panics_as_errors():
            yield
    except (StorageError, OSError) as error:
        if not isinstance(error, StorageError) or error.transient:
            request_retry(context, error)
        raise


def request_retry(context: dg.AssetExecutionContext, error: Exception) -> None:
    """Request a retry if any are left, unless the command line waits for the error."""
    if context.retry_number < len(_PAUSES) and not is_watched():
        raise dg.RetryRequested(len(_PAUSES), _PAUSES[context.retry_number]) from error
