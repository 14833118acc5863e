"""Redelivered events → messages in an SQS queue, each with the event itself and a reference to its survivor."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Limits of SQS for a call: messages, and bytes of all of them.
_MAX_MESSAGES, _MAX_BYTES = 10, 256 * 1024

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A dropped event, its stream record, and its survivor's record: a message of the queue.

    `record` and `number` identify the event, however often it is sent. A record always has the same `arrived_at`.
    """

    event_uuid: str
    record: str  # shard and sequence number
    number: Annotated[int, msgspec.Meta(ge=0, le=2**31)]  # of the event in the record
    arrived_at: _Time  # of the record, in the stream
    survivor: str  # record
    survivor_seen_at: _Time
    body: str

    @property
    def message(self) -> str:
        """The text of the message: JSON in ASCII, because SQS refuses some characters."""
        return json.dumps(msgspec.to_builtins(self))


def read_letter(message: str) -> DeadLetter:
    """Parse a message. Raises ValueError if it is not from the filter."""
    try:
        letter = msgspec.json.decode(message, type=DeadLetter)
        letter.arrived_at.astimezone(UTC), letter.survivor_seen_at.astimezone(UTC)
    except (msgspec.MsgspecError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a message of the filter: {error}") from error
    return letter


@dataclass(frozen=True)
class DeadLetterQueue:
    """A queue of SQS."""

    client: "SQSClient"
    url: str

    def send(self, batch: Sequence[tuple[int, str]]) -> frozenset[int]:
        """Send one of `batches`. Return the numbers of the messages that SQS accepted. Raises botocore's errors."""
        answer = self.client.send_message_batch(
            QueueUrl=self.url, Entries=[{"Id": f"{number}", "MessageBody": message} for number, message in batch]
        )
        return frozenset(int(entry["Id"]) for entry in answer.get("Successful", []))


def batches(letters: Sequence[DeadLetter]) -> Iterator[list[tuple[int, str]]]:
    """Yield messages with the numbers of their letters, as many as a call accepts. Too large ones are omitted."""
    batch: list[tuple[int, str]] = []
    size = 0
    for number, letter in enumerate(letters):
        message = letter.message
        if len(message) > _MAX_BYTES:
            continue
        if batch and (len(batch) == _MAX_MESSAGES or size + len(message) > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((number, message))
        size += len(message)
    if batch:
        yield batch
