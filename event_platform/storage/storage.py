"""The root of a lake, for tasks, delta-rs and polars."""

import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from event_platform.events.errors import SettingError, StorageError
from event_platform.storage.bucket import BucketStore
from event_platform.storage.clients import delta_options, polars_options
from event_platform.storage.folder import FolderStore
from event_platform.storage.store import Entry, Store, creates_once
from event_platform.storage.threads import THREADS

_SCRATCH = "_scratch"

#: With more threads, opening a hundred tables and committing to them takes a seventh more CPU time.
_THREADS_OF_FOLDER = 4


@dataclass(frozen=True)
class Storage:
    """The root of a lake. `options` may contain permanent keys, never those of a role. They are never shown."""

    root: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return "://" not in self.root

    @property
    def threads(self) -> int:
        """Number of threads for work on tables. Threads wait for a bucket's answers; in a folder, for each other."""
        return _THREADS_OF_FOLDER if self.is_local else THREADS

    @cached_property
    def store(self) -> Store:
        """The objects below the root."""
        return FolderStore(Path(self.root)) if self.is_local else BucketStore(self.root, self.options)

    def __reduce__(self) -> tuple[type["Storage"], tuple[str, Mapping[str, str]]]:
        """Pickle everything except the store, which each process opens itself."""
        return Storage, (self.root, self.options)

    def uri(self, *parts: str) -> str:
        """Return the address of something below the root."""
        return "/".join([self.root.rstrip("/"), *parts])

    def for_delta(self) -> dict[str, str] | None:
        """Return the current options for delta-rs."""
        if self.is_local:
            return None
        return {**self.options, **self._keys_for_delta(), **self._http_options(), **delta_options()}

    def for_polars(self) -> dict[str, Any]:
        """Return polars' arguments for scanning files of the lake."""
        if self.is_local:
            return {}
        storage_options = {**self.options, **self._http_options(), **polars_options()}
        if not self._is_on_s3:
            return {"storage_options": storage_options}
        from event_platform.storage.s3 import polars_credential_provider  # noqa: PLC0415 - imports boto3

        return {
            "storage_options": storage_options,
            "credential_provider": polars_credential_provider(self.options),
        }

    def write(self, uri: str, data: bytes) -> None:
        """Store `data` at `uri` below the root, which nobody reads before it is committed. Raises StorageError."""
        self.store.write(self._name(uri), data)

    def write_whole(self, uri: str, data: bytes) -> None:
        """Store `data` atomically at `uri`, which may be read at any moment. Raises StorageError."""
        self.store.write_whole(self._name(uri), data)

    def read(self, uri: str) -> bytes:
        """Return the content of `uri` below the root.

        Raises MissingError if it does not exist, and StorageError with the URI on other failures.
        """
        return self.store.read(self._name(uri))

    def read_range(self, uri: str, start: int, size: int) -> bytes:
        """Return `size` bytes from `start` of the content of `uri` below the root; fewer at its end.

        Errors as for `read`.
        """
        return self.store.read_range(self._name(uri), start, size)

    def delete(self, uris: Iterable[str]) -> None:
        """Delete the content of `uris` below the root; missing ones are ignored.

        Raises StorageError with a URI on failure.
        """
        self.store.remove([self._name(uri) for uri in uris])

    def tag(self, uri: str) -> str | None:
        """Return a tag that changes with every write to `uri` below the root; None if it does not exist.

        Raises StorageError with the URI on failure.
        """
        return self.store.tag(self._name(uri))

    def link(self, uri: str, lifetime: timedelta) -> str:
        """Return an address that opens `uri` below the root in a browser; in a bucket, it is valid for `lifetime`.

        Raises StorageError without a key to sign it with.
        """
        return self.store.link(self._name(uri), lifetime)

    def folders(self, *parts: str) -> list[str]:
        """Return the names of the folders directly inside a folder below the root; empty if it does not exist.

        Raises StorageError with the folder on failure.
        """
        return sorted(path[:-1].rpartition("/")[2] for path in self.store.list_folder(_folder(parts))[1])

    def has_folder(self, *parts: str) -> bool:
        """Return whether a folder below the root has any content. One request, whatever its size.

        Raises StorageError with the folder on failure.
        """
        return self.store.has_folder(_folder(parts))

    def sizes(self, *parts: str) -> dict[str, int]:
        """Return the size in bytes of each file inside a folder below the root, by path below the root.

        Empty if the folder does not exist. Raises StorageError with the folder on failure.
        """
        return {each.name: each.size for each in self.entries(*parts)}

    def entries(self, *parts: str) -> Iterator[Entry]:
        """Yield each file below a folder that is below the root; see `sizes`. A request for each thousand."""
        return (each for page in self.store.pages(_folder(parts)) for each in page)

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Yield the address of a temporary folder for data between tasks, and remove it afterwards.

        Folders left by killed runs are removed by a later call, two days or more after their creation.
        """
        today = datetime.now(UTC).date()
        for old_folder in self.folders(_SCRATCH):
            if old_folder < (today - timedelta(days=1)).isoformat():
                self.store.remove_folder(f"{_SCRATCH}/{old_folder}/")
        name = f"{today.isoformat()}-{uuid.uuid4()}"
        try:
            yield self.uri(_SCRATCH, name)
        finally:
            self.store.remove_folder(f"{_SCRATCH}/{name}/")

    def clock(self) -> float:
        """Return the store's time in Unix seconds; for a folder, the modification time of a new file.

        Raises StorageError if it does not answer.
        """
        if not self.is_local:
            from event_platform.storage.clock import server_time  # noqa: PLC0415 - it imports clients of HTTP

            return server_time(self.root, self.options)
        try:
            Path(self.root).mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.root, prefix="_clock-") as file:
                return os.fstat(file.fileno()).st_mtime
        except OSError as error:
            raise StorageError(f"{self.root}: cannot be written: {error}") from error

    def check(self) -> None:
        """Check that the store refuses the second of two writers, once per writing process.

        Raises SettingError if it does not, and StorageError if it does not answer.
        """
        if not self.is_local:
            _require_conditional_put(self.root, tuple(sorted(self.options.items())))

    @property
    def _is_on_s3(self) -> bool:
        return self.root.startswith("s3://")

    def _keys_for_delta(self) -> dict[str, str]:
        if not self._is_on_s3:
            return {}
        from event_platform.storage.s3 import current_keys  # noqa: PLC0415 - imports boto3

        return current_keys(self.options)

    def _http_options(self) -> dict[str, str]:
        # For emulators: the address is https unless a variable of Google or Azure has another one.
        return {} if self._is_on_s3 else {"allow_http": "true"}

    def _name(self, uri: str) -> str:
        return uri.removeprefix(self.uri("")).lstrip("/")


def _folder(parts: Sequence[str]) -> str:
    return "/".join([*parts, ""])


@lru_cache(maxsize=8)
def _require_conditional_put(root: str, options: tuple[tuple[str, str], ...]) -> None:
    if not creates_once(BucketStore(root, dict(options))):
        raise SettingError(
            f"{root}: the store ignores If-None-Match, so that of two commits at once one would be lost; "
            "expected a store with conditional puts, as S3 has"
        )
