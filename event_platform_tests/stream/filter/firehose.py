"""Invocations as Firehose sends them, what it delivers of the answers, and the table and the queue of a filter."""

import base64
import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from event_platform.stream.filter.handler import handler
from event_platform_tests.support.world import MONDAY, noon

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

#: When everything arrives, Unix time.
NOW = noon(MONDAY)

SHARD = "shardId-000000000000"


class Context:
    """An invocation with so much time left."""

    def __init__(self, seconds: float = 60) -> None:
        """Keep the seconds."""
        self._milliseconds = int(seconds * 1000)

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left."""
        return self._milliseconds


@dataclass
class FilteredStream:
    """A table and a queue, and the handler with a clock that is set."""

    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    table: str
    queue: str
    now: float = NOW

    def call(self, *records: dict[str, Any], seconds: float = 60) -> list[bytes | None]:
        """Call the handler with the JSON of an invocation. Return what Firehose delivers of each record."""
        called = json.loads(json.dumps(invocation(*records)))
        return delivered(called, json.loads(json.dumps(handler(called, Context(seconds)))))

    def letters(self) -> list[dict[str, Any]]:
        """Return the messages of the queue and delete them."""
        texts = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                texts.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return texts


def record(number: int, data: bytes, arrived_at: float = NOW) -> dict[str, Any]:
    """Return a record of a Kinesis stream with a sequence number."""
    return {
        **direct_put(number, data, arrived_at),
        "kinesisRecordMetadata": {
            "shardId": SHARD,
            "partitionKey": "key",
            "approximateArrivalTimestamp": int(arrived_at * 1000),
            "sequenceNumber": f"{number}",
            "subsequenceNumber": "",
        },
    }


def direct_put(number: int, data: bytes, arrived_at: float = NOW) -> dict[str, Any]:
    """Return a record that was put into Firehose itself."""
    return {
        "recordId": f"id-{number}",
        "approximateArrivalTimestamp": int(arrived_at * 1000),
        "data": base64.b64encode(data).decode(),
    }


def invocation(*records: dict[str, Any]) -> dict[str, Any]:
    """Return what the Lambda is called with."""
    return {
        "invocationId": "invocation",
        "deliveryStreamArn": "arn:aws:firehose:eu-central-1:111122223333:deliverystream/events",
        "sourceKinesisStreamArn": "arn:aws:kinesis:eu-central-1:111122223333:stream/events",
        "region": "eu-central-1",
        "records": list(records),
    }


def delivered(event: dict[str, Any], answer: dict[str, Any]) -> list[bytes | None]:
    """Return what Firehose delivers of each record; None for a dropped one. Fails where it would refuse the answer."""
    ids = [each["recordId"] for each in event["records"]]
    assert [each["recordId"] for each in answer["records"]] == ids
    assert {each["result"] for each in answer["records"]} <= {"Ok", "Dropped"}
    return [base64.b64decode(each["data"]) if each["result"] == "Ok" else None for each in answer["records"]]


def aggregated(records: Sequence[bytes]) -> bytes:
    """Return an aggregated record as the Kinesis Producer Library writes it, without partition keys."""
    message = b"".join(_field(3, _field(3, each)) for each in records)
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message, usedforsecurity=False).digest()


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _varint(value >> 7)


def make_table(dynamodb: "DynamoDBClient") -> str:
    """Make a table as Terraform does, and return its name."""
    name = f"seen-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "event_uuid", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "event_uuid", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
