"""Translate errors of object stores wherever frames are collected, because that is when polars reads files."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import polars as pl
from deltalake.exceptions import DeltaError

from event_platform.events.errors import EventPlatformError, MissingFileError
from event_platform.storage.errors import BOTO_ERRORS, cause, is_missing, storage_error

P = ParamSpec("P")
T = TypeVar("T")

#: Errors of delta-rs and polars that are about the store, not about the data.
_OF_A_STORE = re.compile("object-store error|Generic (S3|GCS|MicrosoftAzure) error|<Code>")

#: The path of a data file in an error.
_DATA_FILE = re.compile(r"[^\s(]+\.parquet\b")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise StorageError, with the object and the remedy, for errors of object stores raised within.

    Raises MissingFileError if a data file of a table is missing, in any store.
    """
    try:
        yield
    except EventPlatformError:
        raise
    except (OSError, DeltaError, pl.exceptions.PolarsError, *BOTO_ERRORS) as error:
        is_of_store = isinstance(error, BOTO_ERRORS) or _OF_A_STORE.search(str(error)) is not None
        is_file_missing = is_missing(error) if is_of_store else isinstance(error, FileNotFoundError)
        if is_file_missing and (file := _DATA_FILE.search(str(error))) is not None:
            raise MissingFileError(
                f"{file[0]}: the file is missing, which its table has",
                transient=False,
                remedy="`event-platform run` builds the day again; `event-platform doctor` counts such files",
            ) from cause(error)
        if not is_of_store:
            raise
        raise storage_error(error) from cause(error)


def translate_generator_errors(generator: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Apply `translate_errors` to a generator function until it ends."""

    @wraps(generator)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        with translate_errors():
            yield from generator(*args, **kwargs)

    return wrapper
