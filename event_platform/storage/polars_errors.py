"""Translate errors of object stores wherever frames are collected, because that is when polars reads files."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import polars as pl
from deltalake.exceptions import DeltaError

from event_platform.events.errors import EventPlatformError
from event_platform.storage.errors import BOTO_ERRORS, cause, storage_error

P = ParamSpec("P")
T = TypeVar("T")

#: Errors of delta-rs and polars that are about the store, not about the data.
_OF_A_STORE = re.compile("object-store error|Generic (S3|GCS|MicrosoftAzure) error|<Code>")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise StorageError, with the object and what to do, for errors of object stores raised within."""
    try:
        yield
    except EventPlatformError:
        raise
    except (OSError, DeltaError, pl.exceptions.PolarsError, *BOTO_ERRORS) as error:
        if not (isinstance(error, BOTO_ERRORS) or _OF_A_STORE.search(str(error))):
            raise
        raise storage_error(error) from cause(error)


def translate_errors_of_each(generator: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Apply `translate_errors` to a generator function until it ends."""

    @wraps(generator)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        with translate_errors():
            yield from generator(*args, **kwargs)

    return wrapped
