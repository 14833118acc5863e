"""Where a lake is: a folder or an S3 prefix, and what it takes to open it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
        """Store `data` whole at `uri`, which is below the root."""
        if self.is_local:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
            Path(uri).write_bytes(data)
        else:
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            _s3(tuple(sorted(self.options.items()))).put_object(Bucket=bucket, Key=key, Body=data)


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
