"""Progress of a step: to a listener in this process, such as a command line, or to the run's log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import dagster as dg

from event_platform.compute.tasks import Progress

_SECONDS_BETWEEN_LINES = 5.0
_LISTENER: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def listening(listener: Progress) -> Iterator[None]:
    """Report the progress of the runs in this process to `listener`: a command line draws it."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def is_watched() -> bool:
    """Return whether a listener follows the runs in this process."""
    return _LISTENER.get() is not None


def progress_callback(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Progress:
    """Return the progress callback of a step: a listener, or the run's log, every few seconds at most."""
    last = time.monotonic()

    def log(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            context.log.info("%s: %s of %s tasks done", what, done, total)

    return _LISTENER.get() or log
