"""Redelivered events → messages in an SQS queue, each with the event itself and a reference to its survivor."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from event_platform.events.identity import Identified
from event_platform.stream.filter.seen import Sighting

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Limits of SQS for a call: messages, and bytes of all of them.
_MESSAGES, _BYTES = 10, 256 * 1024


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that is to be dropped, the stream record that it is in, and where it passed before."""

    event: Identified
    record: str
    number: int  # of the event in the record, from 0
    survivor: Sighting

    @property
    def message(self) -> str:
        """The text of the message: JSON in ASCII, because SQS refuses some characters."""
        return json.dumps(
            {
                "event_uuid": self.event.event_uuid,
                "record": self.record,
                "number": self.number,
                "survivor": self.survivor.record,
                "survivor_seen_at": datetime.fromtimestamp(self.survivor.seen_at, UTC).isoformat(),
                "body": self.event.body.decode("utf-8", "surrogateescape"),
            }
        )


@dataclass(frozen=True)
class DeadLetterQueue:
    """A queue of SQS."""

    client: "SQSClient"
    url: str

    def send(self, batch: Sequence[tuple[int, str]]) -> frozenset[int]:
        """Send one of `batches`. Return the numbers of those that SQS has taken. Raises botocore's errors."""
        answer = self.client.send_message_batch(
            QueueUrl=self.url, Entries=[{"Id": f"{number}", "MessageBody": message} for number, message in batch]
        )
        return frozenset(int(each["Id"]) for each in answer.get("Successful", []))


def batches(letters: Sequence[DeadLetter]) -> Iterator[list[tuple[int, str]]]:
    """Yield messages with the numbers of their letters, as many as a call takes. What is too large is left out."""
    batch: list[tuple[int, str]] = []
    size = 0
    for number, letter in enumerate(letters):
        message = letter.message
        if len(message) > _BYTES:
            continue
        if batch and (len(batch) == _MESSAGES or size + len(message) > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append((number, message))
        size += len(message)
    if batch:
        yield batch
