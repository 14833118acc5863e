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

#: With more of them, to open and to commit to a hundred tables takes a seventh more CPU.
_THREADS_OF_FOLDER = 4


@dataclass(frozen=True)
class Storage:
    """The root of a lake. `options` may hold credentials: they are never shown. Those of a role are not in them."""

    root: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return "://" not in self.root

    @property
    def threads(self) -> int:
        """How many threads work on tables side by side. They wait for a bucket; in a folder, for each other."""
        return _THREADS_OF_FOLDER if self.is_local else THREADS

    @cached_property
    def store(self) -> Store:
        """The objects below the root."""
        return FolderStore(Path(self.root)) if self.is_local else BucketStore(self.root, self.options)

    def __reduce__(self) -> tuple[type["Storage"], tuple[str, Mapping[str, str]]]:
        """Pickle everything but the store, which each process opens itself."""
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
        """Store `data` at `uri`, which is below the root and not read yet. Raises StorageError where that fails."""
        self.store.write(self._name(uri), data)

    def write_whole(self, uri: str, data: bytes) -> None:
        """Do as `write`, where `uri` may be read at any moment."""
        self.store.write_whole(self._name(uri), data)

    def read(self, uri: str) -> bytes:
        """Return what is stored at `uri`, which is below the root.

        Raises StorageError naming it where that fails, and MissingError where there is nothing.
        """
        return self.store.read(self._name(uri))

    def read_range(self, uri: str, start: int, size: int) -> bytes:
        """Return so many bytes of what is stored at `uri`, which is below the root, from `start`. Errors as of `read`.

        Fewer at its end.
        """
        return self.store.read_range(self._name(uri), start, size)

    def delete(self, uris: Iterable[str]) -> None:
        """Delete what is stored at `uris`, which are below the root; those where nothing is are left out.

        Raises StorageError naming one where that fails.
        """
        self.store.remove([self._name(uri) for uri in uris])

    def tag(self, uri: str) -> str | None:
        """Return what changes whenever something is written at `uri`, which is below the root; None for nothing.

        Raises StorageError naming it where that fails.
        """
        return self.store.tag(self._name(uri))

    def link(self, uri: str, lifetime: timedelta) -> str:
        """Return an address of `uri`, which is below the root, that a browser opens; of a bucket for a `lifetime`.

        Raises StorageError where there is no key to sign it with.
        """
        return self.store.link(self._name(uri), lifetime)

    def folders(self, *parts: str) -> list[str]:
        """Return the names of the folders directly below one that is below the root; none where there is no such.

        Raises StorageError naming it where it cannot be listed.
        """
        return sorted(path[:-1].rpartition("/")[2] for path in self.store.list_folder(_folder(parts))[1])

    def has_folder(self, *parts: str) -> bool:
        """Return whether there is anything in a folder below the root. One request, however much there is.

        Raises StorageError naming it where that cannot be told.
        """
        return self.store.has_folder(_folder(parts))

    def sizes(self, *parts: str) -> dict[str, int]:
        """Return the bytes of each file below a folder that is below the root, by its path below the root.

        Empty where there is no such folder. Raises StorageError naming it where it cannot be listed.
        """
        return {each.name: each.size for each in self.entries(*parts)}

    def entries(self, *parts: str) -> Iterator[Entry]:
        """Yield each file below a folder that is below the root; see `sizes`. A request for each thousand."""
        return (each for page in self.store.pages(_folder(parts)) for each in page)

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Yield the address of a temporary folder for data between tasks, and remove it afterwards.

        Those of runs that were killed are removed when somebody asks for one on a later day than the next.
        """
        today = datetime.now(UTC).date()
        for left in self.folders(_SCRATCH):
            if left < (today - timedelta(days=1)).isoformat():
                self.store.remove_folder(f"{_SCRATCH}/{left}/")
        name = f"{today.isoformat()}-{uuid.uuid4()}"
        try:
            yield self.uri(_SCRATCH, name)
        finally:
            self.store.remove_folder(f"{_SCRATCH}/{name}/")

    def clock(self) -> float:
        """Return the store's time in Unix seconds; of a folder, the modification time of a new file.

        Raises StorageError where it does not answer.
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

        Raises SettingError if it does not, and StorageError where it does not answer.
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
        # Of emulators; the address is https unless a variable of Google or Azure says otherwise.
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
