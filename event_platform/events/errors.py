"""Errors that a user can fix. Each message has the thing, the expectation and the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager


class EventPlatformError(Exception):
    """Base class of the errors that this project raises."""


class CatalogError(EventPlatformError):
    """The catalog cannot be used. One line for each fault, each naming file and key."""


class StorageError(EventPlatformError):
    """Reading or writing landing or the lake failed, independently of the content.

    The error is `transient` unless credentials, permissions or a setting are wrong. Its text is `fault` and `remedy`.
    """

    def __init__(self, fault: str, *, transient: bool = True, remedy: str = "") -> None:
        """Store the fault, whether a retry may help, and the remedy."""
        super().__init__(f"{fault}. {remedy[:1].upper()}{remedy[1:]}." if remedy else fault)
        self.fault, self.transient, self.remedy = fault, transient, remedy


class LandingError(StorageError):
    """A landed object could not be listed or read."""


class MissingError(StorageError):
    """The object or folder does not exist."""


class MissingFileError(MissingError):
    """A data file that a table has does not exist."""


class AccessError(StorageError):
    """Access to one object is denied, or it is archived; other objects may be readable."""


class UnreadableError(LandingError):
    """One object is unreadable: archived, deleted, or access denied. Others can be read."""


class ObjectError(EventPlatformError):
    """Loading one object raised an unexpected error, caused by its content or a bug in this program."""


class TableError(EventPlatformError):
    """A table cannot be written because of its schema, name or state."""


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
    """Raise a panic of a Rust library as PanicError. Each library has its own class, which is no Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise PanicError(f"a library panicked: {' '.join(str(error).split())[:500]}") from error
