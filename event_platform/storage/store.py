"""Where a consumer writes: a folder, or a prefix in S3. Names are paths below it.

Unlike `lake.storage`, which only ever writes what nobody reads before a commit: here others read at any moment, so that
whatever is written is there whole or not at all.
"""

import fcntl
import hashlib
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from event_platform.events.errors import SettingError, StorageError
from event_platform.storage.aws import bucket_and_prefix, code_of, region_set
from event_platform.storage.errors import S3_ERRORS, cause, storage_error
from event_platform.storage.s3 import config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"}


_PROBE = "_conditional_put"


class ChangedError(StorageError):
    """Something is not any more what it was thought to be: somebody else has written it."""


class Store(ABC):
    """A folder or a prefix. Everything raises StorageError, naming the thing, where the store does not answer."""

    @abstractmethod
    def uri(self, name: str) -> str:
        """Return the address of something, to be shown."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Store `data`, whole or not at all, for good."""

    @abstractmethod
    def swap(self, name: str, data: bytes, expected: str | None) -> str:
        """Store `data` if what is there has the tag `expected` (None: if nothing is there), and return its tag.

        Raises ChangedError where there is something else.
        """

    @abstractmethod
    def read(self, name: str) -> tuple[bytes, str] | None:
        """Return what is there, and its tag; None where nothing is."""

    @abstractmethod
    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with a prefix, which holds a whole folder at least."""


@dataclass(frozen=True)
class FolderStore(Store):
    """A folder of this machine. A kill may leave a hidden file behind, which nothing reads."""

    root: Path

    def uri(self, name: str) -> str:
        """See Store."""
        return str(self.root / name)

    def write(self, name: str, data: bytes) -> None:
        """See Store."""
        path = self.root / name
        partial = path.with_name(f".{uuid.uuid4().hex}")
        with _naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
            _keep_names(path.parent)

    def swap(self, name: str, data: bytes, expected: str | None) -> str:
        """See Store."""
        with _naming(self.root / name), self._locked():
            found = self.read(name)
            if (found and found[1]) != expected:
                raise ChangedError(f"{self.uri(name)}: somebody else has written it")
            self.write(name, data)
        return _tag(data)

    def read(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        path = self.root / name
        with _naming(path):
            if not path.exists():
                return None
            data = path.read_bytes()
        return data, _tag(data)

    def names(self, prefix: str) -> list[str]:
        """See Store."""
        folder, _, beginning = prefix.rpartition("/")
        with _naming(self.root / folder):
            if not (self.root / folder).is_dir():
                return []
            names = [path.name for path in (self.root / folder).iterdir()]
        return [f"{folder}/{name}" for name in names if name.startswith(beginning)]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class BucketStore(Store):
    """A prefix in a bucket, which is empty or ends with a slash."""

    bucket: str
    prefix: str
    client: "S3Client" = field(repr=False)

    def uri(self, name: str) -> str:
        """See Store."""
        return f"s3://{self.bucket}/{self.prefix}{name}"

    def write(self, name: str, data: bytes) -> None:
        """See Store."""
        with _naming(self.uri(name)):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)

    def swap(self, name: str, data: bytes, expected: str | None) -> str:
        """See Store."""
        with _naming(self.uri(name)):
            try:
                return self._put(name, data, expected)
            except ClientError as error:
                if code_of(error) not in _REFUSED:
                    raise
                # Where an answer was lost, boto3 has asked again, and was refused for what it had written itself.
                found = self.read(name)
                if found is not None and found[0] == data:
                    return found[1]
                if found is None or found[1] != expected:
                    raise ChangedError(f"{self.uri(name)}: somebody else has written it") from error
            try:
                # Nobody has: some stores, such as Ceph 16, take the quotes for a part of the tag.
                return self._put(name, data, expected.strip('"'))
            except ClientError as error:
                if code_of(error) not in _REFUSED:
                    raise
                raise ChangedError(f"{self.uri(name)}: somebody else has written it") from error

    def _put(self, name: str, data: bytes, expected: str | None) -> str:
        key = self.prefix + name
        if expected is None:
            return self.client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")["ETag"]
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=data, IfMatch=expected)["ETag"]

    def read(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        with _naming(self.uri(name)):
            try:
                found = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)
            except ClientError as error:
                if code_of(error) in {"NoSuchKey", "404"}:
                    return None
                raise
            return found["Body"].read(), found["ETag"]

    def names(self, prefix: str) -> list[str]:
        """See Store."""
        with _naming(self.uri(prefix)):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            return [each["Key"][len(self.prefix) :] for page in pages for each in page.get("Contents", [])]


def open_store(place: str, connections: int = 10) -> Store:
    """Open a folder, or s3://<bucket>/<prefix> as the standard AWS variables and profiles set it up."""
    if "://" not in place:
        return FolderStore(Path(place))
    session = boto3.Session()
    patient = config().merge(Config(max_pool_connections=connections))
    client = session.client("s3", region_name=region_set(session), config=patient)
    return BucketStore(*bucket_and_prefix(place), client)


def require_conditional_put(store: Store) -> None:
    """Make sure that of two who write the same thing a store lets one through. Raises SettingError if it does not."""
    with suppress(ChangedError):
        store.swap(_PROBE, uuid.uuid4().bytes, None)
    for expected in (None, '"00000000000000000000000000000000"'):
        with suppress(ChangedError):
            store.swap(_PROBE, uuid.uuid4().bytes, expected)
            raise SettingError(
                f"{store.uri(_PROBE)}: the store ignores If-None-Match or If-Match, so that two consumers would land "
                "the same records; give --checkpoints a folder, or a store with conditional puts, as S3 has"
            )


@contextmanager
def _naming(what: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{what}: {error}; check that it is there and that access is granted") from error
    except S3_ERRORS as error:
        raise storage_error(error, str(what)) from cause(error)


def _keep_names(folder: Path) -> None:
    """Have the names in a folder written to disk: a file that is whole is lost where its name is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tag(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
