"""What S3 tells a queue of SQS about objects that land: where to look, and nothing that correctness rests on.

Messages may come late, twice or not at all; what is in landing counts. One is deleted when nothing that it tells of
has to be loaded any more, and until then the queue gives it again: nothing else remembers what was heard.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from event_platform.events.errors import LandingError
from event_platform.landing.names import date_in
from event_platform.storage.aws import IMPATIENT, bucket_and_prefix, region_of, told

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: What SQS gives and takes at once.
_BATCH = 10

#: What is received at a time, in batches: at a thousand million events an hour, 500 objects land in ten minutes.
_MOST_BATCHES, _SECONDS = 50, 5.0


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    key: str  # as in a URL


class _Place(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _Record(msgspec.Struct, rename={"event": "eventName", "place": "s3"}):
    event: str
    place: _Place


class _Body(msgspec.Struct, rename={"records": "Records", "event": "Event"}):
    records: list[_Record] = []
    event: str = ""


@dataclass(frozen=True)
class Message:
    """A message of the queue. `names` are the objects below the root of landing that it tells of, if any."""

    receipt: str
    names: frozenset[str]


@dataclass(frozen=True)
class Heard:
    """What was received, and what is wrong with messages that cannot be read: these stay for the dead-letter queue."""

    messages: list[Message]
    faults: list[str]

    @property
    def names(self) -> frozenset[str]:
        """The objects that are told of."""
        return frozenset[str]().union(*(message.names for message in self.messages))


@dataclass(frozen=True)
class LandingQueue:
    """The queue that S3 tells of objects in a bucket. The prefix is empty or ends with a slash."""

    url: str
    bucket: str
    prefix: str

    def receive(self) -> Heard:
        """Return what is in the queue now, or as much as a tick has time for. Raises LandingError."""
        heard, until = Heard([], []), time.monotonic() + _SECONDS
        try:
            for _ in range(_MOST_BATCHES):
                answer = self._client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=0)
                for message in answer.get("Messages", []):
                    try:
                        heard.messages.append(Message(message["ReceiptHandle"], self._names(message["Body"])))
                    except (ValueError, msgspec.MsgspecError) as error:
                        heard.faults.append(f"{self.url}: message {message['MessageId']} is left there: {error}")
                if not answer.get("Messages") or time.monotonic() > until:
                    break
        except (BotoCoreError, ClientError) as error:
            raise self._deaf(error) from error
        return heard

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages; what SQS keeps all the same is received again. Raises LandingError."""
        try:
            for first in range(0, len(messages), _BATCH):
                batch = enumerate(messages[first : first + _BATCH])
                entries = [{"Id": f"{number}", "ReceiptHandle": message.receipt} for number, message in batch]
                self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            raise self._deaf(error) from error

    def _names(self, body: str) -> frozenset[str]:
        """Return the objects that a message tells of. Raises ValueError or MsgspecError where it is none of S3's."""
        read = msgspec.json.decode(body, type=_Body)
        if not read.records and read.event != "s3:TestEvent":
            raise ValueError("expected what S3 tells of objects")
        others = {record.place.bucket.name for record in read.records} - {self.bucket}
        if others:  # somebody else's queue, perhaps: nothing of it is deleted
            raise ValueError(f"it tells of the bucket {min(others)!r}, not of {self.bucket!r}")
        created = (record for record in read.records if record.event.startswith("ObjectCreated:"))
        keys = (unquote_plus(record.place.object.key) for record in created)
        return frozenset(key[len(self.prefix) :] for key in keys if key.startswith(self.prefix)) - {""}

    def _deaf(self, error: Exception) -> LandingError:
        return LandingError(
            f"EVENT_PLATFORM_LANDING_QUEUE: {self.url}: {told(error)}. Expected a queue that may be read: allow "
            "sqs:ReceiveMessage and sqs:DeleteMessage on it, and kms:Decrypt if it has a key of its own"
        )

    @cached_property
    def _client(self) -> "SQSClient":
        session = boto3.Session()
        return session.client("sqs", region_name=region_of(session), config=IMPATIENT)


def landing_queue(url: str | None, landing: str) -> LandingQueue | None:
    """Return the queue of a landing zone, s3://<bucket>/<prefix>; None where it has none. Nothing is asked of it."""
    return None if url is None else LandingQueue(url, *bucket_and_prefix(landing))


def days_of(names: Iterable[str]) -> set[date] | None:
    """Return the days on which objects arrived; None where the path of one does not tell: it may be any."""
    days = [date_in(name) for name in names]
    return None if None in days else {day for day in days if day is not None}
