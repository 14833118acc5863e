"""Records → a stream, in calls as large as Kinesis accepts. Rejected records, and only these, are sent again.

One call at a time: a batch is settled before the next one is sent, so that events stay in order as far as PutRecords
allows: except those that were rejected at first. If an answer is lost, its batch is sent twice: its events become
redeliveries, which the platform quarantines.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt

from event_platform.storage.aws import code_of
from event_platform.stream.events import Event, Outgoing
from event_platform.stream.kinesis import Stream, is_transient, pause, unusable

#: Limits of one call: AWS accepts 10 MiB; its former limit of 5 MiB is still that of other implementations.
_RECORDS_A_CALL, _BYTES_A_CALL = 500, 5 << 20

#: Tries for a record, over up to a minute of a busy shard, or some of a silent AWS.
_TRIES = 12

#: With a rate, a call holds the events of this many seconds, for an even flow.
_CALL_SECONDS = 0.1


@dataclass(frozen=True)
class Failed:
    """An event that could not be sent, with the reason."""

    event: Event
    reason: str


@dataclass
class Sent:
    """Totals of a producer so far."""

    events: int = 0
    records: int = 0
    bytes: int = 0
    #: Retries of records.
    retried: int = 0
    calls: int = 0
    failed: int = 0
    records_by_shard: Counter[str] = field(default_factory=Counter)


@dataclass
class Producer:
    """Sends records. `failed` is called with each event that cannot be sent."""

    stream: Stream
    rate: float | None  # events a second
    failed: Callable[[Failed], None]
    sleep: Callable[[float], None] = time.sleep
    sent: Sent = field(default_factory=Sent)

    def send(self, records: Iterable[Outgoing | None]) -> Iterator[Sent]:
        """Send all records. Yield the totals after each call. Raises StreamError."""
        began = time.monotonic()
        for batch in self._batches(records):
            self._settle(batch)
            yield self.sent
            if self.rate is not None:
                finished = self.sent.events + self.sent.failed
                self.sleep(max(0.0, began + finished / self.rate - time.monotonic()))

    def _batches(self, records: Iterable[Outgoing | None]) -> Iterator[list[Outgoing]]:
        """Group records into calls. None means that the next record may take long, so the present group is sent."""
        most = math.inf if self.rate is None else max(1.0, self.rate * _CALL_SECONDS)
        batch: list[Outgoing] = []
        size = events = 0
        for record in records:
            if record is not None and record.size > self.stream.max_record_bytes:
                self._refuse(
                    record, f"{record.size:,} bytes: the stream takes {self.stream.max_record_bytes:,} in a record"
                )
                continue
            if batch and (
                record is None or len(batch) == _RECORDS_A_CALL or size + record.size > _BYTES_A_CALL or events >= most
            ):
                yield batch
                batch, size, events = [], 0, 0
            if record is not None:
                batch.append(record)
                size += record.size
                events += len(record.events)
        if batch:
            yield batch

    def _settle(self, batch: list[Outgoing]) -> None:
        unsent = [(record, "") for record in batch]

        def send() -> list[tuple[Outgoing, str]]:
            nonlocal unsent
            unsent = self._call([record for record, _ in unsent])
            return unsent

        def count(_: RetryCallState) -> None:
            self.sent.retried += len(unsent)

        retrying = Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_attempt(_TRIES),
            wait=lambda state: pause(state.attempt_number - 1),
            sleep=self.sleep,
            before_sleep=count,
            retry_error_callback=lambda _: unsent,
        )
        for record, reason in retrying(send):
            self._refuse(record, f"{reason}, {_TRIES} times")

    def _call(self, batch: list[Outgoing]) -> list[tuple[Outgoing, str]]:
        """Send records. Return the rejected ones with the reason."""
        self.sent.calls += 1
        try:
            answer = self.stream.client.put_records(
                StreamName=self.stream.name,
                Records=[{"Data": record.data, "PartitionKey": record.key} for record in batch],
            )
        except (BotoCoreError, ClientError) as error:
            if not is_transient(error):
                raise unusable(self.stream.name, error) from error
            reason = code_of(error) or str(error)
            return [(record, reason) for record in batch]
        rejected = []
        for record, result in zip(batch, answer["Records"], strict=True):
            if code := result.get("ErrorCode"):
                rejected.append((record, code))
                continue
            self.sent.records += 1
            self.sent.events += len(record.events)
            self.sent.bytes += len(record.data)
            self.sent.records_by_shard[result["ShardId"]] += 1
        return rejected

    def _refuse(self, record: Outgoing, reason: str) -> None:
        self.sent.failed += len(record.events)
        for event in record.events:
            self.failed(Failed(event, reason))
