"""Steps that are tried again: where the storage fails, which may pass, not where data, rights or settings do."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from event_platform.defs.assets.reporting import is_watched
from event_platform.events.errors import StorageError, panics_as_errors
from event_platform.storage.polars_errors import translate_errors

#: Seconds between tries. The clients of S3 have tried some times more by then, within seconds.
_PAUSES = (10, 20, 40)


@contextmanager
def retrying(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Try the step again where the storage fails within, unless it says that this does not pass.

    Whatever was committed before is found and not done again.
    """
    try:
        # A panic is no Exception: Dagster would not take it for the failure of a step.
        with translate_errors(), panics_as_errors():
            yield
    except (StorageError, OSError) as error:
        if not isinstance(error, StorageError) or error.may_pass:
            try_again_later(context, error)
        raise


def try_again_later(context: dg.AssetExecutionContext, error: Exception) -> None:
    """Ask for another try while there are some left, unless somebody waits for the error at a terminal."""
    if context.retry_number < len(_PAUSES) and not is_watched():
        raise dg.RetryRequested(len(_PAUSES), _PAUSES[context.retry_number]) from error
