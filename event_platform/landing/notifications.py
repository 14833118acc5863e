"""Notifications of new objects, which S3 sends to an SQS queue. They only say where to look first.

Messages may be late, repeated or missing, so landing itself is listed. A message is deleted once all its objects are
loaded; until then the queue redelivers it, so no other state is needed.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from urllib.parse import unquote_plus

import msgspec

from event_platform.landing.dates import arrival_date_in
from event_platform.storage.aws import bucket_and_prefix
from event_platform.storage.queue import Queue

#: Limits of one call of `receive`, in requests and seconds.
_MOST_BATCHES, _SECONDS = 50, 5.0


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    key: str  # as in a URL


class _Location(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _Record(msgspec.Struct, rename={"event": "eventName", "location": "s3"}):
    event: str
    location: _Location


class _Body(msgspec.Struct, rename={"records": "Records", "event": "Event"}):
    records: list[_Record] = []
    event: str = ""


@dataclass(frozen=True)
class Message:
    """A message of the queue. `names` are its objects, relative to landing."""

    receipt: str
    names: frozenset[str]


@dataclass(frozen=True)
class ReceivedMessages:
    """Received messages, and errors of unreadable ones, which stay for the dead-letter queue."""

    messages: list[Message]
    faults: list[str]

    @property
    def names(self) -> frozenset[str]:
        """The objects of all messages."""
        return frozenset[str]().union(*(message.names for message in self.messages))


@dataclass(frozen=True)
class LandingQueue:
    """The queue for notifications of a bucket. The prefix is empty or ends with a slash."""

    queue: Queue
    bucket: str
    prefix: str

    def receive(self) -> ReceivedMessages:
        """Receive the messages of the queue, within the limits. Raises StorageError."""
        result, deadline = ReceivedMessages([], []), time.monotonic() + _SECONDS
        for _ in range(_MOST_BATCHES):
            batch = self.queue.receive()
            for message in batch:
                try:
                    result.messages.append(Message(message["ReceiptHandle"], self._names(message["Body"])))
                except (ValueError, msgspec.MsgspecError) as error:
                    result.faults.append(f"{self.queue.url}: message {message['MessageId']} is left there: {error}")
            if not batch or time.monotonic() > deadline:
                break
        return result

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages. Those that SQS does not delete are received again. Raises StorageError."""
        self.queue.delete([message.receipt for message in messages])

    def _names(self, body: str) -> frozenset[str]:
        """Return the objects of a message. Raises ValueError or MsgspecError if it is not a notification of S3."""
        notification = msgspec.json.decode(body, type=_Body)
        if not notification.records and notification.event != "s3:TestEvent":
            raise ValueError("expected a notification of S3")
        other_buckets = {record.location.bucket.name for record in notification.records} - {self.bucket}
        if other_buckets:  # probably another queue: nothing is deleted
            raise ValueError(f"it is about the bucket {min(other_buckets)!r}, not {self.bucket!r}")
        created_records = (record for record in notification.records if record.event.startswith("ObjectCreated:"))
        keys = (unquote_plus(record.location.object.key) for record in created_records)
        return frozenset(key[len(self.prefix) :] for key in keys if key.startswith(self.prefix)) - {""}


def landing_queue(url: str | None, landing: str) -> LandingQueue | None:
    """Return the queue of a landing zone, s3://<bucket>/<prefix>, or None. Sends no request."""
    if url is None:
        return None
    return LandingQueue(Queue(url, "EVENT_PLATFORM_LANDING_QUEUE"), *bucket_and_prefix(landing))


def days_of(names: Iterable[str], zone: tzinfo) -> set[date] | None:
    """Return the arrival dates in the paths of objects; None if a path has no date, and so may be of any day."""
    days = [arrival_date_in(name, zone) for name in names]
    return None if None in days else {day for day in days if day is not None}
