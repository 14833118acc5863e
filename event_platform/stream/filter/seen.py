"""The events that have passed within seven days, in DynamoDB: each id with its stream record."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from event_platform.storage.aws import code_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: How long ids are stored: the default window in which the lake compares records.
RETENTION = timedelta(days=7)

_DIGEST_BYTES = 16

#: Expired items count as missing: DynamoDB deletes them up to days later.
_NEW_OR_EXPIRED = "attribute_not_exists(event_uuid) OR expires_at <= :now"


@dataclass(frozen=True, slots=True)
class Sighting:
    """The stream record in which an id passed: its name, the hash of the event's body, and the time."""

    record: str
    digest: bytes
    seen_at: int  # Unix time


def digest_of(body: bytes) -> bytes:
    """Return the hash that bodies are compared by."""
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True)
class SeenEvents:
    """A table with the partition key `event_uuid` and the TTL attribute `expires_at`."""

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.time

    def claim(self, event_uuid: str, digest: bytes, record: str) -> Sighting:
        """Save that an event passes in a stream record, unless its id has passed before. Return the record that passes.

        A repeated claim of the same record, even after a lost answer, returns that record. Raises botocore's errors;
        the claim may have been stored nevertheless.
        """
        now = int(self.clock())
        sighting = Sighting(record, digest, now)
        try:
            self.client.put_item(
                TableName=self.table,
                Item={
                    "event_uuid": {"S": event_uuid},
                    "record": {"S": record},
                    "digest": {"B": digest},
                    "seen_at": {"N": f"{now}"},
                    "expires_at": {"N": f"{now + int(RETENTION.total_seconds())}"},
                },
                ConditionExpression=_NEW_OR_EXPIRED,
                ExpressionAttributeValues={":now": {"N": f"{now}"}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return _sighting(error.response["Item"])  # type: ignore[typeddict-item]
        return sighting


def _sighting(item: Any) -> Sighting:
    return Sighting(item["record"]["S"], bytes(item["digest"]["B"]), int(item["seen_at"]["N"]))
