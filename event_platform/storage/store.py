"""Stores: folders of this machine and prefixes of buckets, through which all objects are listed, read and written."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from event_platform.events.errors import SettingError, StorageError

_PROBE = "_conditional_put"


class ChangedError(StorageError):
    """An object is not what the writer expected: another writer has replaced it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing. `name` is its path below the root of the store."""

    name: str
    size: int  # bytes
    modified: datetime
    tag: str  # changes whenever the content does; without quotes


class Store(ABC):
    """Objects by their names, which are paths below a root.

    A folder is "" for the root, or a path that ends with a slash. Every method raises StorageError, naming the object,
    where the store does not answer as expected.
    """

    @abstractmethod
    def uri(self, name: str) -> str:
        """Return the address of an object."""

    @abstractmethod
    def link(self, name: str, lifetime: timedelta) -> str:
        """Return an address that a browser opens: of a file, or one that is signed and valid for a `lifetime`.

        It is an address whether there is an object or not.
        """

    @abstractmethod
    def pages(self, folder: str, after: str = "") -> Iterator[list[Entry]]:
        """Yield the objects below a folder, some hundreds at a time; none where there is no such folder.

        A bucket yields them in the order of their names, and with `after` only those whose names are greater.
        """

    @abstractmethod
    def list_folder(self, folder: str) -> tuple[list[Entry], list[str]]:
        """Return the objects directly below a folder, and the folders in it, as paths below the root."""

    @abstractmethod
    def has_folder(self, folder: str) -> bool:
        """Return whether there is anything below a folder. One request, however much there is."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return an object. Raises MissingError where there is none, AccessError where access to it is refused."""

    @abstractmethod
    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Return so many bytes of an object from `start`, which is within it; fewer at its end. Errors as of `read`."""

    @abstractmethod
    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        """Return an object and its tag; None where there is none."""

    @abstractmethod
    def tag(self, name: str) -> str | None:
        """Return what changes whenever an object is written; None where there is none.

        Of a bucket it is the tag of `read_tagged` and `swap`; of a folder it is not.
        """

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write an object that is not read before it is committed. On failure, part of it may remain in a folder."""

    @abstractmethod
    def write_whole(self, name: str, data: bytes) -> None:
        """Write an object atomically: it may be read, or written by another one, at any moment."""

    @abstractmethod
    def write_durably(self, name: str, data: bytes) -> None:
        """Write an object atomically, and wait until it is on disk."""

    @abstractmethod
    def swap(self, name: str, data: bytes, expected: str | None) -> str:
        """Store an object if the one that is there has the tag `expected` (None: if there is none); return its tag.

        Raises ChangedError where there is another one.
        """

    @abstractmethod
    def create(self, name: str, data: bytes) -> str:
        """Store an object where there is none, whole or not at all; return its `tag`. Raises ChangedError."""

    @abstractmethod
    def remove(self, names: Sequence[str]) -> None:
        """Delete some objects; those that are not there are left out."""

    @abstractmethod
    def remove_folder(self, folder: str) -> None:
        """Delete all objects below a folder."""

    def names(self, beginning: str) -> list[str]:
        """Return the names directly in a folder that begin with <folder>/<beginning of a name>."""
        found = list[str]()
        for page in self.pages(beginning[: beginning.rfind("/") + 1], after=beginning):
            found += [each.name for each in page if each.name.startswith(beginning)]
            if page and not page[-1].name.startswith(beginning):
                break
        return found


def creates_once(store: Store) -> bool:
    """Say whether, of two writers that create the same object, the store refuses the second. Leaves a probe."""
    for _ in range(2):
        try:
            store.swap(_PROBE, uuid.uuid4().bytes, None)
        except ChangedError:
            return True
    return False


def require_conditional_put(store: Store) -> None:
    """Raise SettingError unless the store refuses the second of two writers of an object."""
    if not (creates_once(store) and _replaces_once(store)):
        raise SettingError(
            f"{store.uri(_PROBE)}: the store ignores If-None-Match or If-Match, so that two consumers would land "
            "the same records; give --checkpoints a folder, or a store with conditional puts, as S3 has"
        )


def _replaces_once(store: Store) -> bool:
    found = store.read_tagged(_PROBE)
    tag = found[1] if found else None
    with suppress(ChangedError):  # another consumer has just done the same
        store.swap(_PROBE, uuid.uuid4().bytes, tag)
    try:
        store.swap(_PROBE, uuid.uuid4().bytes, tag)
    except ChangedError:
        return True
    return False
