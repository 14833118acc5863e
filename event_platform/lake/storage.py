"""Where a lake is: a folder or an S3 prefix, and what it takes to open it."""

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from event_platform.events.errors import SettingError, StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PROBE = "_conditional_put"
_SCRATCH = "_scratch"
_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class Storage:
    """The root of a lake. `options` may hold credentials: they are never shown."""

    root: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return "://" not in self.root

    def uri(self, *parts: str) -> str:
        """Return the address of something below the root."""
        return "/".join([self.root.rstrip("/"), *parts])

    def write(self, uri: str, data: bytes) -> None:
        """Store `data` whole at `uri`, which is below the root. Raises StorageError naming it where that fails."""
        try:
            if self.is_local:
                Path(uri).parent.mkdir(parents=True, exist_ok=True)
                Path(uri).write_bytes(data)
            else:
                bucket, _, key = uri.removeprefix("s3://").partition("/")
                _s3(tuple(sorted(self.options.items()))).put_object(Bucket=bucket, Key=key, Body=data)
        except (OSError, BotoCoreError, ClientError) as error:
            raise StorageError(f"{uri}: cannot be written: {error}; nothing of it was committed") from error

    def read(self, uri: str) -> bytes:
        """Return what is stored at `uri`, which is below the root. Raises StorageError naming it where that fails."""
        try:
            if self.is_local:
                return Path(uri).read_bytes()
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            return _s3(tuple(sorted(self.options.items()))).get_object(Bucket=bucket, Key=key)["Body"].read()
        except (OSError, BotoCoreError, ClientError) as error:
            raise StorageError(f"{uri}: cannot be read: {error}") from error

    def folders(self, *parts: str) -> list[str]:
        """Return the names of the folders directly below one that is below the root; none where there is no such.

        Raises StorageError naming it where it cannot be listed.
        """
        try:
            return sorted(self._folders(*parts))
        except (OSError, BotoCoreError, ClientError) as error:
            raise StorageError(f"{self.uri(*parts)}: cannot be listed: {error}") from error

    def _folders(self, *parts: str) -> Iterator[str]:
        if self.is_local:
            folder = Path(self.uri(*parts))
            yield from (each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else ()
            return
        bucket, _, prefix = f"{self.uri(*parts)}/".removeprefix("s3://").partition("/")
        pages = _s3(tuple(sorted(self.options.items()))).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        yield from (each["Prefix"][len(prefix) : -1] for page in found for each in page.get("CommonPrefixes", []))

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
            bucket, _, prefix = f"{self.uri(*parts)}/".removeprefix("s3://").partition("/")
            client = _s3(tuple(sorted(self.options.items())))
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                if found := [each["Key"] for each in page.get("Contents", [])]:
                    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in found]})
        except (BotoCoreError, ClientError) as error:
            raise StorageError(f"{self.uri(*parts)}: cannot be removed: {error}; nothing reads it any more") from error

    def check(self) -> None:
        """Make sure that the store lets one of two writers through. Raises SettingError if it does not."""
        if not self.is_local:
            _check_conditional_puts(self.root, tuple(sorted(self.options.items())))


@lru_cache(maxsize=1)
def _check_conditional_puts(root: str, options: tuple[tuple[str, str], ...]) -> None:
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    if not refuses_a_second_put(_s3(options), bucket, f"{prefix}/".lstrip("/")):
        raise SettingError(
            f"{root}: the store ignores If-None-Match, so that of two commits at once one would be lost; "
            "expected a store with conditional puts, as S3 has"
        )


def refuses_a_second_put(client: "S3Client", bucket: str, prefix: str) -> bool:
    """Put an object that must not be there yet, twice. A store that takes the second would lose concurrent commits."""
    for _ in range(2):
        try:
            client.put_object(Bucket=bucket, Key=f"{prefix}{_PROBE}", Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] in _REFUSED:
                return True
            raise
    return False


@lru_cache(maxsize=1)
def _s3(options: tuple[tuple[str, str], ...]) -> "S3Client":
    """One client for each process: making one takes as long as a hundred writes."""
    known = dict(options)
    return boto3.client(
        "s3",
        aws_access_key_id=known.get("access_key_id"),
        aws_secret_access_key=known.get("secret_access_key"),
        aws_session_token=known.get("token"),
        region_name=known.get("region"),
        endpoint_url=known.get("endpoint"),
    )
