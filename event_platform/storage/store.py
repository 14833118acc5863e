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
    """An object differs from the writer's expectation: another writer has replaced it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing. `name` is its path below the root of the store."""

    name: str
    size: int  # bytes
    modified: datetime
    tag: str  # changes whenever the content does; without quotes


class Store(ABC):
    """Objects by their names, which are paths below a root.

    A folder is "" for the root, or a path that ends with a slash. Every method raises StorageError, with the object, if
    the store does not answer as expected.
    """

    @abstractmethod
    def uri(self, name: str) -> str:
        """Return the address of an object."""

    @abstractmethod
    def link(self, name: str, lifetime: timedelta) -> str:
        """Return an address for a browser: of a file, or signed and valid for `lifetime`.

        The object need not exist.
        """

    @abstractmethod
    def pages(self, folder: str, after: str = "") -> Iterator[list[Entry]]:
        """Yield the objects below a folder, some hundreds at a time; nothing if it does not exist.

        A bucket yields them in the order of their names and, with `after`, only names greater than that.
        """

    @abstractmethod
    def list_folder(self, folder: str) -> tuple[list[Entry], list[str]]:
        """Return the objects directly below a folder, and the folders in it, as paths below the root."""

    @abstractmethod
    def has_folder(self, folder: str) -> bool:
        """Return whether there is anything below a folder. One request, however much there is."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return an object. Raises MissingError if it does not exist, AccessError if access is denied."""

    @abstractmethod
    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Return `size` bytes of an object from `start`, which is within it; fewer at its end. Errors as for `read`."""

    @abstractmethod
    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        """Return an object and its tag; None if it does not exist."""

    @abstractmethod
    def tag(self, name: str) -> str | None:
        """Return a tag that changes with every write of an object; None if it does not exist.

        In a bucket it equals the tag of `read_tagged` and `swap`; in a folder it does not.
        """

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write an object that is not read before it is committed. On failure, part of it may remain in a folder."""

    @abstractmethod
    def write_whole(self, name: str, data: bytes) -> None:
        """Write an object atomically: others may read or write it at any moment."""

    @abstractmethod
    def write_durably(self, name: str, data: bytes) -> None:
        """Write an object atomically, and wait until it is on disk."""

    @abstractmethod
    def swap(self, name: str, data: bytes, expected_tag: str | None) -> str:
        """Store an object if the existing one has the `expected_tag` (None: if there is none); return its new tag.

        Raises ChangedError if another object is there.
        """

    @abstractmethod
    def create(self, name: str, data: bytes) -> str:
        """Store an object atomically if it does not exist; return its `tag`. Raises ChangedError if it does."""

    @abstractmethod
    def remove(self, names: Sequence[str]) -> None:
        """Delete some objects; missing ones are ignored."""

    @abstractmethod
    def remove_folder(self, folder: str) -> None:
        """Delete all objects below a folder."""

    def names(self, prefix: str) -> list[str]:
        """Return the names directly in a folder that begin with `prefix`: <folder>/<beginning of a name>."""
        names = list[str]()
        for page in self.pages(prefix[: prefix.rfind("/") + 1], after=prefix):
            names += [each.name for each in page if each.name.startswith(prefix)]
            if page and not page[-1].name.startswith(prefix):
                break
        return names


def creates_once(store: Store) -> bool:
    """Return whether the store refuses the second of two writers that create the same object. Leaves a probe object."""
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
    probe = store.read_tagged(_PROBE)
    tag = probe[1] if probe else None
    with suppress(ChangedError):  # another consumer has just done the same
        store.swap(_PROBE, uuid.uuid4().bytes, tag)
    try:
        store.swap(_PROBE, uuid.uuid4().bytes, tag)
    except ChangedError:
        return True
    return False
