"""Where a lake is: a folder or an S3 prefix, and what it takes to open it."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from event_platform.events.errors import MissingError, SettingError, StorageError
from event_platform.storage.errors import S3_ERRORS, cause, is_missing, storage_error
from event_platform.storage.s3 import client, for_delta, for_polars, read_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PROBE = "_conditional_put"
_SCRATCH = "_scratch"
_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class Storage:
    """The root of a lake. `options` may hold credentials: they are never shown. Those of a role are not in them."""

    root: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return "://" not in self.root

    def uri(self, *parts: str) -> str:
        """Return the address of something below the root."""
        return "/".join([self.root.rstrip("/"), *parts])

    def for_delta(self) -> dict[str, str] | None:
        """Return the options for delta-rs, as they are now."""
        return None if self.is_local else for_delta(self.options)

    def for_polars(self) -> dict[str, Any]:
        """Return the arguments with which polars scans files that are in it."""
        return {} if self.is_local else for_polars(self.options)

    def write(self, uri: str, data: bytes) -> None:
        """Store `data` whole at `uri`, which is below the root. Raises StorageError naming it where that fails."""
        try:
            if self.is_local:
                Path(uri).parent.mkdir(parents=True, exist_ok=True)
                Path(uri).write_bytes(data)
            else:
                bucket, key = _place(uri)
                client(self.options).put_object(Bucket=bucket, Key=key, Body=data)
        except OSError as error:
            raise StorageError(f"{uri}: cannot be written: {error}; nothing of it was committed") from error
        except S3_ERRORS as error:
            raise storage_error(error, uri) from cause(error)

    def read(self, uri: str) -> bytes:
        """Return what is stored at `uri`, which is below the root.

        Raises StorageError naming it where that fails, and MissingError where there is nothing.
        """
        try:
            if self.is_local:
                return Path(uri).read_bytes()
            return read_object(client(self.options), *_place(uri))
        except FileNotFoundError as error:
            raise MissingError(f"{uri}: cannot be read: {error}") from error
        except OSError as error:
            raise StorageError(f"{uri}: cannot be read: {error}") from error
        except S3_ERRORS as error:
            raise storage_error(error, uri, MissingError if is_missing(error) else StorageError) from cause(error)

    def folders(self, *parts: str) -> list[str]:
        """Return the names of the folders directly below one that is below the root; none where there is no such.

        Raises StorageError naming it where it cannot be listed.
        """
        try:
            return sorted(self._folders(*parts))
        except OSError as error:
            raise StorageError(f"{self.uri(*parts)}: cannot be listed: {error}") from error
        except S3_ERRORS as error:
            raise storage_error(error, self.uri(*parts)) from cause(error)

    def _folders(self, *parts: str) -> Iterator[str]:
        if self.is_local:
            folder = Path(self.uri(*parts))
            yield from (each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else ()
            return
        bucket, prefix = _place(f"{self.uri(*parts)}/")
        pages = client(self.options).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        yield from (each["Prefix"][len(prefix) : -1] for page in found for each in page.get("CommonPrefixes", []))

    def has_folder(self, *parts: str) -> bool:
        """Say whether there is anything in a folder below the root. One request, however much there is.

        Raises StorageError naming it where that cannot be told.
        """
        try:
            if self.is_local:
                return Path(self.uri(*parts)).is_dir()
            bucket, prefix = _place(f"{self.uri(*parts)}/")
            return bool(client(self.options).list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))
        except OSError as error:
            raise StorageError(f"{self.uri(*parts)}: cannot be listed: {error}") from error
        except S3_ERRORS as error:
            raise storage_error(error, self.uri(*parts)) from cause(error)

    def sizes(self, *parts: str) -> dict[str, int]:
        """Return the bytes of each file below a folder that is below the root, by its path below the root.

        Empty where there is no such folder. Raises StorageError naming it where it cannot be listed.
        """
        try:
            return dict(self._sizes(*parts))
        except OSError as error:
            raise StorageError(f"{self.uri(*parts)}: cannot be listed: {error}") from error
        except S3_ERRORS as error:
            raise storage_error(error, self.uri(*parts)) from cause(error)

    def _sizes(self, *parts: str) -> Iterator[tuple[str, int]]:
        if self.is_local:
            root = Path(self.root)
            for folder, _, names in os.walk(root.joinpath(*parts), onerror=_raise_unless_missing):
                for name in names:
                    path = Path(folder, name)
                    yield path.relative_to(root).as_posix(), path.stat().st_size
            return
        bucket, root_key = _place(f"{self.uri()}/")
        prefix = f"{root_key}{'/'.join(parts)}/"
        for page in client(self.options).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from ((each["Key"][len(root_key) :], each["Size"]) for each in page.get("Contents", []))

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Yield the address of a new folder for what tasks leave to each other, and remove it afterwards.

        Those of runs that were killed are removed when somebody asks for one on a later day than the next.
        """
        today = datetime.now(UTC).date()
        for left in self.folders(_SCRATCH):
            if left < (today - timedelta(days=1)).isoformat():
                self._remove(_SCRATCH, left)
        name = f"{today.isoformat()}-{uuid.uuid4()}"
        try:
            yield self.uri(_SCRATCH, name)
        finally:
            self._remove(_SCRATCH, name)

    def _remove(self, *parts: str) -> None:
        try:
            if self.is_local:
                shutil.rmtree(self.uri(*parts), ignore_errors=True)
                return
            bucket, prefix = _place(f"{self.uri(*parts)}/")
            s3 = client(self.options)
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                if found := [each["Key"] for each in page.get("Contents", [])]:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in found]})
        except S3_ERRORS as error:
            raise storage_error(error, self.uri(*parts)) from cause(error)

    def clock(self) -> float:
        """Return the store's time in Unix seconds: of a folder, when a file seems to be written that is written now.

        Raises StorageError where it does not answer.
        """
        try:
            if self.is_local:
                Path(self.root).mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=self.root, prefix="_clock-") as file:
                    return os.fstat(file.fileno()).st_mtime
            answer: Any = client(self.options).head_bucket(Bucket=_place(self.root)[0])
        except OSError as error:
            raise StorageError(f"{self.root}: cannot be written: {error}") from error
        except ClientError as error:  # whoever is refused is told the time as well
            answer = error.response
        except S3_ERRORS as error:
            raise storage_error(error, self.root) from cause(error)
        told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if told is None:
            raise StorageError(f"{self.root}: the store does not say what time it is")
        return parsedate_to_datetime(told).timestamp()

    def check(self) -> None:
        """Make sure that the store lets one of two writers through, once in each process that is to write.

        Raises SettingError if it does not, and StorageError where it does not answer.
        """
        if not self.is_local:
            try:
                _check_conditional_puts(self.root, tuple(sorted(self.options.items())))
            except S3_ERRORS as error:
                raise storage_error(error, self.uri(_PROBE)) from cause(error)


@lru_cache(maxsize=8)
def _check_conditional_puts(root: str, options: tuple[tuple[str, str], ...]) -> None:
    bucket, key = _place(Storage(root).uri(_PROBE))
    if not refuses_a_second_put(client(dict(options)), bucket, key.removesuffix(_PROBE)):
        raise SettingError(
            f"{root}: the store ignores If-None-Match, so that of two commits at once one would be lost; "
            "expected a store with conditional puts, as S3 has"
        )


def refuses_a_second_put(s3: "S3Client", bucket: str, prefix: str) -> bool:
    """Put an object that must not be there yet, twice. A store that takes the second would lose concurrent commits."""
    for _ in range(2):
        try:
            s3.put_object(Bucket=bucket, Key=f"{prefix}{_PROBE}", Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] in _REFUSED:
                return True
            raise
    return False


def _place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
