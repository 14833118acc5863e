"""Errors of S3 in our words, wherever frames are collected: polars reads files when rows are asked for, not before."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import polars as pl
from deltalake.exceptions import DeltaError

from event_platform.events.errors import EventPlatformError
from event_platform.storage.errors import S3_ERRORS, cause, storage_error

P = ParamSpec("P")
T = TypeVar("T")

_OF_S3 = re.compile("object-store error|Generic S3 error|<Code>")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise as StorageError, in our words, what the libraries raise of S3 within."""
    try:
        yield
    except EventPlatformError:
        raise
    except (OSError, DeltaError, pl.exceptions.PolarsError, *S3_ERRORS) as error:
        if not (isinstance(error, S3_ERRORS) or _OF_S3.search(str(error))):
            raise
        raise storage_error(error) from cause(error)


def translate_errors_of_each(generator: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Do as `translate_errors` for all that a generator function does until it ends."""

    @wraps(generator)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        with translate_errors():
            yield from generator(*args, **kwargs)

    return wrapped
