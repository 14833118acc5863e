"""Records → a stream, in calls as large as Kinesis accepts. Rejected records, and only these, are sent again.

There is one call at a time, and a batch is complete before the next one is sent. So events stay in order, except those
that were rejected at first. If an answer is lost, its batch is sent twice: its events become redeliveries, which the
platform quarantines.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt

from event_platform.storage.aws import code_of
from event_platform.stream.events import Event, OutgoingRecord
from event_platform.stream.kinesis import Stream, is_transient, retry_pause, stream_error

#: Limits of one call. AWS accepts 10 MiB; other implementations still have its former limit of 5 MiB.
_MAX_CALL_RECORDS, _MAX_CALL_BYTES = 500, 5 << 20

#: Tries for a record: up to a minute if a shard is busy, some minutes if AWS does not answer.
_TRIES = 12

#: If a rate is given, a call has the events of this many seconds, for an even flow.
_CALL_SECONDS = 0.1


@dataclass(frozen=True)
class FailedEvent:
    """An event that could not be sent, with the reason."""

    event: Event
    reason: str


@dataclass
class SendTotals:
    """Totals of a producer so far."""

    events: int = 0
    records: int = 0
    bytes: int = 0
    #: Retries of records.
    retries: int = 0
    calls: int = 0
    failures: int = 0  # events
    records_by_shard: Counter[str] = field(default_factory=Counter)


@dataclass
class Producer:
    """Sends records. `on_failure` is called with each event that cannot be sent."""

    stream: Stream
    rate: float | None  # events a second
    on_failure: Callable[[FailedEvent], None]
    sleep: Callable[[float], None] = time.sleep
    totals: SendTotals = field(default_factory=SendTotals)

    def send(self, records: Iterable[OutgoingRecord | None]) -> Iterator[SendTotals]:
        """Send all records. Yield the totals after each call. Raises StreamError."""
        start = time.monotonic()
        for batch in self._batches(records):
            self._send_batch(batch)
            yield self.totals
            if self.rate is not None:
                count = self.totals.events + self.totals.failures
                self.sleep(max(0.0, start + count / self.rate - time.monotonic()))

    def _batches(self, records: Iterable[OutgoingRecord | None]) -> Iterator[list[OutgoingRecord]]:
        """Group records into calls. None means that the next record may take long, so the present group is sent."""
        max_events = math.inf if self.rate is None else max(1.0, self.rate * _CALL_SECONDS)
        batch: list[OutgoingRecord] = []
        size = events = 0
        for record in records:
            if record is not None and record.size > self.stream.max_record_bytes:
                self._fail(
                    record, f"{record.size:,} bytes: the stream takes {self.stream.max_record_bytes:,} in a record"
                )
                continue
            if batch and (
                record is None
                or len(batch) == _MAX_CALL_RECORDS
                or size + record.size > _MAX_CALL_BYTES
                or events >= max_events
            ):
                yield batch
                batch, size, events = [], 0, 0
            if record is not None:
                batch.append(record)
                size += record.size
                events += len(record.events)
        if batch:
            yield batch

    def _send_batch(self, batch: list[OutgoingRecord]) -> None:
        rejections = [(record, "") for record in batch]

        def send() -> list[tuple[OutgoingRecord, str]]:
            nonlocal rejections
            rejections = self._call([record for record, _ in rejections])
            return rejections

        def count_retries(_: RetryCallState) -> None:
            self.totals.retries += len(rejections)

        retrying = Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_attempt(_TRIES),
            wait=lambda state: retry_pause(state.attempt_number - 1),
            sleep=self.sleep,
            before_sleep=count_retries,
            retry_error_callback=lambda _: rejections,
        )
        for record, reason in retrying(send):
            self._fail(record, f"{reason}, {_TRIES} times")

    def _call(self, batch: list[OutgoingRecord]) -> list[tuple[OutgoingRecord, str]]:
        """Send records. Return the rejected ones with the reason."""
        self.totals.calls += 1
        try:
            answer = self.stream.client.put_records(
                StreamName=self.stream.name,
                Records=[{"Data": record.data, "PartitionKey": record.key} for record in batch],
            )
        except (BotoCoreError, ClientError) as error:
            if not is_transient(error):
                raise stream_error(self.stream.name, error) from error
            reason = code_of(error) or str(error)
            return [(record, reason) for record in batch]
        rejections = []
        for record, result in zip(batch, answer["Records"], strict=True):
            if code := result.get("ErrorCode"):
                rejections.append((record, code))
                continue
            self.totals.records += 1
            self.totals.events += len(record.events)
            self.totals.bytes += len(record.data)
            self.totals.records_by_shard[result["ShardId"]] += 1
        return rejections

    def _fail(self, record: OutgoingRecord, reason: str) -> None:
        self.totals.failures += len(record.events)
        for event in record.events:
            self.on_failure(FailedEvent(event, reason))
