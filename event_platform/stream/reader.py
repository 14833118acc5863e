"""One shard → objects in landing, in the order of the shard; the checkpoint is updated after each object.

A kill at any point loses nothing: records after the checkpoint are read again. Usually it repeats nothing either: an
object written after the checkpoint is recognized by its name, which determines its records, and is written again with
the same content. Records can be in two objects if a consumer was paused for longer than its lease and continued, or if
it was killed and now makes smaller objects. These are duplicates of the kind `redelivery`.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from event_platform.events.errors import EventPlatformError, OwnershipError, StreamError
from event_platform.storage.aws import code_of
from event_platform.storage.store import Store
from event_platform.stream.checkpoints import Lease
from event_platform.stream.kinesis import Stream, is_transient, retry_pause
from event_platform.stream.objects import PendingRecords, Record, landed_record_count

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import GetRecordsOutputTypeDef, GetShardIteratorInputTypeDef

LOG = logging.getLogger(__name__)

#: A shard allows five reads a second, from all consumers together.
_CALL_SECONDS, _TIP_SECONDS = 0.25, 1.0  # seconds

#: Tries in a row if AWS is busy or does not answer: some minutes.
_TRIES = 30


@dataclass(frozen=True)
class Limits:
    """When an object is written, and whether to stop at the tip."""

    max_bytes: int  # before gzip
    max_seconds: float
    #: Stop at the tip of a shard.
    until_idle: bool


@dataclass
class ShardReader:
    """Reads a leased shard. `run` is for one thread; other threads may read the totals."""

    stream: Stream
    shard: str
    lease: Lease
    lease_seconds: float
    landing: Store
    limits: Limits
    stop: threading.Event
    records: int = 0
    objects: int = 0
    bytes_landed: int = 0  # as stored
    millis_behind: int | None = None
    _pending: PendingRecords = field(default_factory=PendingRecords)
    _pending_since: float = 0.0
    #: Number of records in the next object, if it is in landing already: the consumer was killed before the checkpoint.
    _landed_count: int | None = None
    _is_first_record: bool = True

    def run(self) -> bool:
        """Read until stopped, or to the end. Return whether the shard has ended. Raises EventPlatformError."""
        try:
            has_ended = self._read()
            self._land()
            self.lease.release(ended=has_ended)
        except OwnershipError:
            raise
        except EventPlatformError:
            with suppress(EventPlatformError):  # the next consumer need not wait until the lease expires
                self.lease.release(ended=False)
            raise
        return has_ended

    def _read(self) -> bool:
        position = self.lease.checkpoint.sequence_number
        iterator: str | None = None
        tries = 0
        while not self.stop.is_set():
            called_at = time.monotonic()
            try:
                iterator = iterator or self._iterator(position)
                answer = self.stream.client.get_records(ShardIterator=iterator)
            except (BotoCoreError, ClientError) as error:
                iterator, tries = self._after_error(error, iterator, tries)
                self._land_or_renew()
                continue
            tries = 0
            iterator = answer.get("NextShardIterator")
            self.millis_behind = answer.get("MillisBehindLatest", 0)
            for record in _records(answer):
                self._add(record)
                position = record.sequence_number
            if iterator is None:
                return True
            if self.limits.until_idle and not self.millis_behind and not answer["Records"]:
                return False
            self._land_or_renew()
            is_at_tip = not self.millis_behind and not self.limits.until_idle
            self.stop.wait(max(0.0, called_at + (_TIP_SECONDS if is_at_tip else _CALL_SECONDS) - time.monotonic()))
        if self._landed_count is not None:  # these records are in landing already
            self._pending = PendingRecords()
        return False

    def _iterator(self, position: str | None) -> str:
        parameters: GetShardIteratorInputTypeDef = {
            "StreamName": self.stream.name,
            "ShardId": self.shard,
            "ShardIteratorType": "TRIM_HORIZON",
        }
        if position is not None:
            parameters |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": position}
        return self.stream.client.get_shard_iterator(**parameters)["ShardIterator"]

    def _after_error(self, error: Exception, iterator: str | None, tries: int) -> tuple[str | None, int]:
        """Wait before a retry. Return the iterator to continue with, and the number of tries."""
        if code_of(error) == "ExpiredIteratorException":
            return None, tries
        if not is_transient(error) or tries >= _TRIES:
            raise StreamError(
                f"stream {self.stream.name}, {self.shard}: {error}. The records after "
                f"{self.lease.checkpoint.sequence_number} are not in landing: run the consumer again. If the stream no "
                "longer has that record, delete the shard's checkpoint, to start with the oldest record"
            ) from error
        LOG.debug("%s: %s", self.shard, error)
        self.stop.wait(retry_pause(tries))
        return iterator, tries + 1

    def _add(self, record: Record) -> None:
        if self._is_first_record:
            self._is_first_record = False
            self._landed_count = landed_record_count(self.landing, self.stream.name, self.shard, record)
        if not self._pending.records:
            self._pending_since = time.monotonic()
        self._pending.add(record)
        if len(self._pending.records) == self._landed_count or self._pending.size >= self.limits.max_bytes:
            self._land()

    def _land_or_renew(self) -> None:
        """Write the object if it is old enough, and renew the lease."""
        if self._pending.records and time.monotonic() - self._pending_since >= self.limits.max_seconds:
            self._land()
        elif self.lease.age >= self.lease_seconds / 3:
            self.lease.renew()

    def _land(self) -> None:
        """Write the object, then the checkpoint: in this order no failure skips a record."""
        if not self._pending.records:
            return
        pending, self._pending, self._landed_count = self._pending, PendingRecords(), None
        last_record = pending.records[-1]
        name, content = pending.name(self.stream.name, self.shard), pending.content()
        self.landing.write_durably(name, content)
        self.lease.save_position(last_record.sequence_number, last_record.arrived_at)
        self.records += len(pending.records)
        self.objects += 1
        self.bytes_landed += len(content)
        lag_seconds = (self.millis_behind or 0) / 1000
        LOG.info(
            "landed %s: %d records, %d bytes, %.0f s behind", name, len(pending.records), len(content), lag_seconds
        )


def _records(answer: "GetRecordsOutputTypeDef") -> Iterator[Record]:
    for record in answer["Records"]:
        yield Record(record["Data"], record["SequenceNumber"], record["ApproximateArrivalTimestamp"])
