"""Errors that a user can fix. Each message names the thing, what was expected and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class EventPlatformError(Exception):
    """Base class of the errors that this project raises."""


class CatalogError(EventPlatformError):
    """The catalog cannot be used. One line for each fault, each naming file and key."""


class StorageError(EventPlatformError):
    """Landing or the lake could not be read or written, whatever is in it.

    The error is `transient` unless credentials, permissions or a setting are wrong. Its text is `fault` and `remedy`.
    """

    def __init__(self, fault: str, *, transient: bool = True, remedy: str = "") -> None:
        """Take what happened, whether a retry may help, and what to do."""
        super().__init__(f"{fault}. {remedy[:1].upper()}{remedy[1:]}." if remedy else fault)
        self.fault, self.transient, self.remedy = fault, transient, remedy


class LandingError(StorageError):
    """A landed object could not be listed or read."""


class MissingError(StorageError):
    """The object or folder does not exist."""


class MissingFileError(MissingError):
    """A data file that a table has does not exist."""


class AccessError(StorageError):
    """Access to one object is refused, or it is archived; others may well be read."""


class UnreadableError(LandingError):
    """One object cannot be read: it is archived, gone, or access to it is denied. Others can be."""


class ObjectError(EventPlatformError):
    """Loading one object raised an unexpected error, because of its content or of a fault in this program."""


class TableError(EventPlatformError):
    """A table cannot be written: its schema, its name or its state does not allow it."""


class TableStorageError(TableError, StorageError):
    """A table of the lake could not be opened, created or committed to."""


class DamagedTableError(TableStorageError):
    """The log of a table is damaged: a file of it is cut off or missing."""


class ClusterError(EventPlatformError, ConnectionError):
    """The Dask cluster does not answer, or dropped its tasks. A retry may help."""


class WorkerError(EventPlatformError):
    """The system killed the worker process each time it ran the same task."""


class SettingError(EventPlatformError):
    """A setting is missing or has a value that cannot be used."""


class StreamError(EventPlatformError):
    """Kinesis rejected a request. A retry may help."""


class OwnershipError(StreamError):
    """Another consumer has taken over the shard."""


class PanicError(EventPlatformError):
    """A library written in Rust panicked."""


@contextmanager
def raise_panics_as_errors() -> Iterator[None]:
    """Raise a panic of a Rust library as PanicError. Each has its own class, and none is an Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise PanicError(f"a library panicked: {' '.join(str(error).split())[:500]}") from error
