"""A Kinesis stream: its limits, its shards, and the meaning of its errors."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from event_platform.events.errors import StreamError
from event_platform.storage.aws import code_of, configured_region

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

#: Limit of a stream that does not report one.
_MAX_RECORD_KIB = 1024

_PAGE_SHARDS = 1000

#: Errors of too many requests: a retry after a pause succeeds.
_THROTTLING_CODES = {
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "KMSThrottlingException",
    "ThrottlingException",
}
_TRANSIENT_CODES = _THROTTLING_CODES | {"InternalFailure", "InternalFailureException", "ServiceUnavailable"}

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0  # seconds


@dataclass(frozen=True)
class Shard:
    """A shard and its parents: one after a split, two after a merge. Parents may have expired."""

    name: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class Stream:
    """A stream and its limits."""

    client: "KinesisClient"
    name: str
    created_at: datetime
    max_record_bytes: int  # of data and partition key together
    retention_hours: int

    @property
    def identity(self) -> str:
        """A unique name, different from that of an earlier or later stream with the same name."""
        return f"{self.name}-{self.created_at.astimezone(UTC):%Y%m%dT%H%M%S}"

    def shards(self) -> list[Shard]:
        """Return the shards that hold records, open and closed. Raises StreamError."""
        try:
            return list(self._shards())
        except (BotoCoreError, ClientError) as error:
            raise stream_error(self.name, error) from error

    def _shards(self) -> Iterator[Shard]:
        # boto3's paginator would send name and token, and Kinesis accepts only one of them.
        page = self.client.list_shards(StreamName=self.name, MaxResults=_PAGE_SHARDS)
        while True:
            for shard in page["Shards"]:
                parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                yield Shard(shard["ShardId"], tuple(parent for parent in parents if parent))
            if not (token := page.get("NextToken")):
                return
            page = self.client.list_shards(NextToken=token, MaxResults=_PAGE_SHARDS)


def connect(connections: int = 10) -> "KinesisClient":
    """Return a client for that many concurrent calls, configured by the standard AWS variables and profiles."""
    session = boto3.Session()
    # Validating each of 500 records takes longer than sending them, and AWS validates them anyway.
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=connections,
        parameter_validation=False,
        connect_timeout=10,
        read_timeout=30,
    )
    try:
        return session.client("kinesis", region_name=configured_region(session), config=config)
    except BotoCoreError as error:  # no region
        raise StreamError(f"Kinesis: {error}; set AWS_REGION, or a profile") from error


def describe_stream(client: "KinesisClient", name: str) -> Stream:
    """Describe a stream. Raises StreamError if it does not exist or access is denied."""
    try:
        summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    except (BotoCoreError, ClientError) as error:
        raise stream_error(name, error) from error
    limit = summary.get("MaxRecordSizeInKiB", _MAX_RECORD_KIB) * 1024
    return Stream(client, name, summary["StreamCreationTimestamp"], limit, summary["RetentionPeriodHours"])


def is_transient(error: Exception) -> bool:
    """Return whether a failed call may succeed later: AWS is busy or did not answer."""
    if isinstance(error, ClientError):
        return code_of(error) in _TRANSIENT_CODES
    return isinstance(error, BotoCoreError)


def stream_error(name: str, error: Exception) -> StreamError:
    """Return the error for an unusable stream, with the remedy."""
    return StreamError(
        f"stream {name}: {error}. Expected a stream of this account and region that these credentials may use: check "
        "AWS_REGION, AWS_PROFILE and the name"
    )


def retry_pause(tries: int) -> float:
    """Return the random, growing number of seconds to wait after `tries` failures in a row."""
    longest = min(_LONGEST_PAUSE, math.ldexp(_FIRST_PAUSE, min(tries, 10)))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads calls, no secret
