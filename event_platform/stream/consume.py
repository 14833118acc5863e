"""All shards of a stream → landing, by one consumer or by several that share the shards.

A shard is read only after its parent shards have landed completely, so that records land in the order they were sent.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from event_platform.events.errors import OwnershipError
from event_platform.storage.store import Store
from event_platform.stream.checkpoints import Checkpoint, Checkpoints
from event_platform.stream.kinesis import Shard, Stream
from event_platform.stream.reader import Limits, ShardReader

LOG = logging.getLogger(__name__)

#: Seconds between looks for new shards, and for shards without an owner.
_LOOK_SECONDS = 10.0

#: Seconds between lines of the log about progress.
_REPORT_SECONDS = 60.0

#: Seconds between looks at the readers.
_TICK_SECONDS = 0.2


@dataclass(frozen=True)
class Totals:
    """Totals of a consumer."""

    shards: int
    records: int
    objects: int
    bytes_landed: int  # as stored


@dataclass
class Consumer:
    """Reads the shards that no other consumer owns, with a thread for each, up to `max_shards` at a time."""

    stream: Stream
    landing: Store
    checkpoints: Checkpoints
    limits: Limits
    max_shards: int
    stop: threading.Event
    _readers: "dict[str, tuple[ShardReader, Future[bool]]]" = field(default_factory=dict)
    _finished_readers: list[ShardReader] = field(default_factory=list)
    #: Shards that have landed completely, and shards that were read to the tip, if the consumer stops there.
    _ended_shards: set[str] = field(default_factory=set)
    _idle_shards: set[str] = field(default_factory=set)
    _awaited_shards: set[str] = field(default_factory=set)

    def run(self) -> Totals:
        """Read until stopped, or to the tip. Raises EventPlatformError after all readers have stopped and landed."""
        with ThreadPoolExecutor(self.max_shards, "shard") as threads:
            try:
                self._watch(threads)
            finally:
                self.stop.set()
                wait([future for _, future in self._readers.values()])
        self._collect()
        return self._totals()

    def _watch(self, threads: ThreadPoolExecutor) -> None:
        next_look, next_report = 0.0, time.monotonic() + _REPORT_SECONDS
        while not self.stop.is_set():
            if self._collect() or time.monotonic() >= next_look:
                next_look = time.monotonic() + min(_LOOK_SECONDS, self.checkpoints.lease_seconds / 3)
                is_waiting = self._start(threads)
                if self.limits.until_idle and not is_waiting and not self._readers:
                    return
            if time.monotonic() >= next_report:
                next_report += _REPORT_SECONDS
                self._report()
            if self._readers:
                wait([future for _, future in self._readers.values()], _TICK_SECONDS, FIRST_COMPLETED)
            else:
                time.sleep(_TICK_SECONDS)

    def _collect(self) -> bool:
        """Remove finished readers. Return whether there were any. Raises the error of a reader."""
        names = [name for name, (_, future) in self._readers.items() if future.done()]
        for name in names:
            reader, future = self._readers.pop(name)
            self._finished_readers.append(reader)
            (self._ended_shards if future.result() else self._idle_shards).add(name)
        return bool(names)

    def _start(self, threads: ThreadPoolExecutor) -> bool:
        """Start readers for free shards. Return whether any shard has to wait."""
        shards = self.stream.shards()
        is_waiting = False
        for shard in self._unread_shards(shards):
            if len(self._readers) >= self.max_shards:
                return True
            lease = self.checkpoints.claim(shard.name)
            if lease is None:
                is_waiting = True
                self._await_lease(shard.name)
                continue
            self._awaited_shards.discard(shard.name)
            self._report_start(shard.name, lease.checkpoint)
            reader = ShardReader(
                self.stream,
                shard.name,
                lease,
                self.checkpoints.lease_seconds,
                self.landing,
                self.limits,
                self.stop,
            )
            self._readers[shard.name] = (reader, threads.submit(reader.run))
        return is_waiting

    def _unread_shards(self, shards: list[Shard]) -> Iterator[Shard]:
        """Yield the readable shards that this consumer is not reading yet."""
        names = {shard.name for shard in shards}
        for shard in shards:
            if shard.name in self._readers or shard.name in self._ended_shards or shard.name in self._idle_shards:
                continue
            if self.checkpoints.read(shard.name)[0].ended:
                self._ended_shards.add(shard.name)
            elif all(parent in self._ended_shards for parent in shard.parents if parent in names):
                yield shard

    def _await_lease(self, shard: str) -> None:
        """Remember that a shard is leased to another consumer.

        Raises OwnershipError if this consumer stops at the tip, and the other one is alive.
        """
        owner = self.checkpoints.read(shard)[0].owner
        if self.limits.until_idle and shard in self.checkpoints.live_owners:
            raise OwnershipError(
                f"stream {self.stream.name}: {shard} is read by another consumer, {owner}. Stop that consumer, "
                "or let it land the shard"
            )
        if shard not in self._awaited_shards:
            self._awaited_shards.add(shard)
            seconds = self.checkpoints.lease_seconds
            LOG.info("%s is owned by %s: waiting until its lease is not renewed for %.0f s", shard, owner, seconds)

    def _report_start(self, shard: str, checkpoint: Checkpoint) -> None:
        LOG.info("reading %s after %s", shard, checkpoint.sequence_number or "its beginning")
        oldest = datetime.now(UTC) - timedelta(hours=self.stream.retention_hours)
        if checkpoint.arrived_at is not None and checkpoint.arrived_at < oldest:
            LOG.warning(
                "%s was read up to %s, and the stream keeps records for %d hours: records that arrived "
                "in between, if any, are lost",
                shard,
                checkpoint.arrived_at.isoformat(),
                self.stream.retention_hours,
            )

    def _report(self) -> None:
        readers_by_lag = sorted((reader.millis_behind or 0, name) for name, (reader, _) in self._readers.items())
        lags = ", ".join(f"{name} {millis / 1000:.0f} s" for millis, name in reversed(readers_by_lag))
        totals = self._totals()
        LOG.info("%d records in %d objects; behind: %s", totals.records, totals.objects, lags or "no shard")
        free_shards = [
            shard.name for shard in self._unread_shards(self.stream.shards()) if self.checkpoints.is_free(shard.name)
        ]
        if free_shards:
            LOG.warning("no consumer reads %s: start another one, or raise --max-shards", ", ".join(free_shards))

    def _totals(self) -> Totals:
        readers = [*self._finished_readers, *(reader for reader, _ in self._readers.values())]
        return Totals(
            len({reader.shard for reader in readers}),
            sum(reader.records for reader in readers),
            sum(reader.objects for reader in readers),
            sum(reader.bytes_landed for reader in readers),
        )


def new_owner() -> str:
    """Return a unique consumer name with its host."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
