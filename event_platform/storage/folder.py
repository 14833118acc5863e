"""A store in a local folder.

obstore's LocalStore is not used: it has no conditional replacement, fails on a whole listing because of one name that
is not UTF-8 or has a control character, and does not wait until a file is on disk.
"""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from event_platform.events.errors import AccessError, MissingError, StorageError
from event_platform.storage.store import ChangedError, Entry, Store

_REMEDY = "check that it is there, that access is granted and that the disk is not full"


@dataclass(frozen=True)
class FolderStore(Store):
    """A local folder. A kill may leave a hidden file behind, which nothing reads."""

    root: Path

    def uri(self, name: str) -> str:
        """See Store."""
        return str(self.root / name)

    def link(self, name: str, lifetime: timedelta) -> str:  # noqa: ARG002 - a file stays
        """See Store."""
        return (self.root / name).as_uri()

    def pages(self, folder: str, after: str = "") -> Iterator[list[Entry]]:
        """See Store. A page for each folder, in the order of names: a log is listed before its files."""
        with _translate_errors(self.uri(folder)):
            for path, folders, names in os.walk(self.root / folder, onerror=_raise_unless_missing):
                folders.sort()
                entries = _entries(self.root, (Path(path, name) for name in names))
                yield [each for each in entries if each.name > after]

    def list_folder(self, folder: str) -> tuple[list[Entry], list[str]]:
        """See Store."""
        path = self.root / folder
        with _translate_errors(self.uri(folder)):
            try:
                paths = list(path.iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return [], []
            entries = _entries(self.root, (each for each in paths if each.is_file()))
            return entries, [f"{folder}{each.name}/" for each in paths if each.is_dir()]

    def has_folder(self, folder: str) -> bool:
        """See Store."""
        with _translate_errors(self.uri(folder)):
            return (self.root / folder).is_dir()

    def read(self, name: str) -> bytes:
        """See Store."""
        return self.read_range(name, 0, -1)

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """See Store."""
        with _translate_errors(self.uri(name)), (self.root / name).open("rb") as file:
            file.seek(start)
            return file.read(size)

    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        try:
            data = self.read(name)
        except MissingError:
            return None
        return data, _tag(data)

    def tag(self, name: str) -> str | None:
        """See Store."""
        try:
            with _translate_errors(self.uri(name)):
                status = (self.root / name).stat()
        except MissingError:
            return None
        return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"

    def write(self, name: str, data: bytes) -> None:
        """See Store."""
        path = self.root / name
        with _translate_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def write_whole(self, name: str, data: bytes) -> None:
        """See Store."""
        path = self.root / name
        with _translate_errors(path), _partial(path) as partial:
            partial.write_bytes(data)
            partial.replace(path)

    def write_durably(self, name: str, data: bytes) -> None:
        """See Store."""
        path = self.root / name
        with _translate_errors(path):
            with _partial(path) as partial:
                with partial.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)
            _sync_folder(path.parent)

    def swap(self, name: str, data: bytes, expected_tag: str | None) -> str:
        """See Store."""
        with _translate_errors(self.root / name), self._lock():
            existing = self.read_tagged(name)
            if (existing and existing[1]) != expected_tag:
                raise ChangedError(f"{self.uri(name)}: somebody else has written it")
            self.write_durably(name, data)
        return _tag(data)

    def create(self, name: str, data: bytes) -> str:
        """See Store. As delta-rs commits: without a lock, and without waiting for the disk."""
        path = self.root / name
        with _translate_errors(path), _partial(path) as partial:
            partial.write_bytes(data)
            try:
                os.link(partial, path)
            except FileExistsError as error:
                raise ChangedError(f"{path}: somebody else has written it") from error
        return str(self.tag(name))

    def remove(self, names: Sequence[str]) -> None:
        """See Store."""
        for name in names:
            with _translate_errors(self.root / name):
                (self.root / name).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """See Store."""
        shutil.rmtree(self.root / folder, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _entries(root: Path, paths: Iterable[Path]) -> list[Entry]:
    """Return the listed files that still exist: a partial file may have been moved since the listing."""
    entries = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        entries.append(Entry(path.relative_to(root).as_posix(), status.st_size, modified, f"{status.st_mtime_ns:x}"))
    return entries


@contextmanager
def _translate_errors(name: object) -> Iterator[None]:
    """Raise errors of the file system as StorageError that names the file or folder."""
    try:
        yield
    except OSError as error:
        is_denied = isinstance(error, PermissionError | IsADirectoryError)
        kind = MissingError if isinstance(error, FileNotFoundError) else AccessError if is_denied else StorageError
        raise kind(f"{name}: {error.strerror or error}", remedy=_REMEDY) from error


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Yield the path of a hidden file next to a file, to be written and moved there; remove it at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex}")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to disk: otherwise a file that is on disk can lose its name in a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tag(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
