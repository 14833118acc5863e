"""Errors that a user can mend; each message names the thing, what was expected and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class EventPlatformError(Exception):
    """The base of every error that this project raises on purpose."""


class CatalogError(EventPlatformError):
    """The catalog cannot be used. One line for each fault, each naming file and key."""


class StorageError(EventPlatformError):
    """Landing or the lake did not answer as expected, for a reason that its content does not explain.

    It `may_pass` by itself, unless keys, rights or a setting are at fault. Its text is the `fault` and the `remedy`.
    """

    def __init__(self, fault: str, *, may_pass: bool = True, remedy: str = "") -> None:
        """Say what happened, whether to try again may help, and what to do."""
        super().__init__(f"{fault}. {remedy[:1].upper()}{remedy[1:]}." if remedy else fault)
        self.fault, self.may_pass, self.remedy = fault, may_pass, remedy


class LandingError(StorageError):
    """A landed object could not be listed or read."""


class MissingError(StorageError):
    """There is nothing where something was expected."""


class AccessError(StorageError):
    """Access to one object is refused, or it is archived; others may well be read."""


class UnreadableError(LandingError):
    """One object cannot be read, and others can: it is archived, gone, or access to it is not granted."""


class ObjectError(EventPlatformError):
    """A landed object makes the program fail: its content is at fault, or the program."""


class TableError(EventPlatformError):
    """A table of the lake cannot take what is to be written."""


class TableStorageError(TableError, StorageError):
    """A table of the lake could not be opened, created or committed to."""


class ClusterError(EventPlatformError, ConnectionError):
    """The cluster that tasks run on does not answer, or dropped them. May pass."""


class WorkerError(EventPlatformError):
    """A process that tasks run in was ended by the system, each time that it did the same one."""


class SettingError(EventPlatformError):
    """A setting is missing or has a value that cannot be used."""


class StreamError(EventPlatformError):
    """A Kinesis stream did not take or give what was asked of it. May pass."""


class OwnershipError(StreamError):
    """Another consumer reads what this one was about to read, or was reading."""


class PanicError(EventPlatformError):
    """A library failed in a way that it did not foresee. It stops what it was asked for, and nothing beside it."""


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Raise a panic of a library in Rust as PanicError: each library has a class for it, and none is an Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise PanicError(f"a library panicked: {' '.join(str(error).split())[:500]}") from error
