"""A queue of SQS: receive, delete and count messages. Each request raises StorageError."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from event_platform.events.errors import StorageError
from event_platform.storage.aws import code_of, error_line, region_of, short_timeouts
from event_platform.storage.threads import map_threads

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

#: Maximum number of messages in a request, and of parallel requests: the number of connections that boto3 keeps.
BATCH, THREADS = 10, 10

_VISIBLE, _IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
_RETENTION = "MessageRetentionPeriod"

_GRANT = (
    "check the address and AWS_REGION; allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes on it, "
    "and kms:Decrypt if it has a key of its own"
)
_REACH = "check the network and the credentials; it may pass"


@dataclass(frozen=True)
class QueueState:
    """Approximate numbers of messages in a queue, as of a moment ago."""

    waiting_messages: int  # messages that can be received
    received_messages: int  # messages that a consumer has received and not deleted
    retention_seconds: int  # before a message is dropped


@dataclass(frozen=True)
class Queue:
    """A queue, and the variable that sets it."""

    url: str
    setting: str

    def receive(self, *, wait: int = 0, hidden: int | None = None) -> "list[MessageTypeDef]":
        """Receive a batch of messages, with the time at which each was sent.

        If there are none, `wait` this many seconds: then all servers of the queue are asked, otherwise only some. For
        `hidden` seconds (default: the queue's setting), nobody receives the messages again.
        """
        options: Any = {} if hidden is None else {"VisibilityTimeout": hidden}
        with self._requests():
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=["SentTimestamp"],
                **options,
            )
        return answer.get("Messages", [])

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete messages by their receipts. Messages that SQS fails to delete are received again."""
        batches = [receipts[first : first + BATCH] for first in range(0, len(receipts), BATCH)]
        map_threads(self._delete, batches, THREADS)

    def _delete(self, batch: Sequence[str]) -> None:
        entries: Any = [{"Id": f"{number}", "ReceiptHandle": receipt} for number, receipt in enumerate(batch)]
        with self._requests():
            self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)

    def state(self) -> QueueState:
        """Return the queue's numbers according to SQS."""
        names: Any = [_VISIBLE, _IN_FLIGHT, _RETENTION]
        with self._requests():
            attributes = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return QueueState(*(int(attributes[name]) for name in names))

    @contextmanager
    def _requests(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            is_final, fault = _is_refused(error), f"{self.setting}: {self.url}: {error_line(error).rstrip('.')}"
            raise StorageError(fault, transient=not is_final, remedy=_GRANT if is_final else _REACH) from error

    @cached_property
    def _client(self) -> "SQSClient":
        import boto3  # noqa: PLC0415 - takes long, and only a queue needs it

        session = boto3.Session()
        return session.client("sqs", region_name=region_of(session), config=short_timeouts())


def _is_refused(error: Exception) -> bool:
    """Return whether SQS has answered with an error that a retry would not change."""
    answer = error.response.get("ResponseMetadata") if isinstance(error, ClientError) else None
    return answer is not None and answer["HTTPStatusCode"] < 500 and "Throttl" not in code_of(error)  # noqa: PLR2004 - what HTTP calls an error of the client
