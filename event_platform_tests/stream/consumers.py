"""Streams to fill, and consumers of them in this process."""

import gzip
import json
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from event_platform.events.errors import StorageError
from event_platform.storage.folder import FolderStore
from event_platform.storage.opening import open_store
from event_platform.storage.store import Store
from event_platform.stream.checkpoints import Checkpoints
from event_platform.stream.consume import Consumer, new_owner
from event_platform.stream.kinesis import Stream
from event_platform.stream.reader import Limits
from event_platform_tests.support.kinesis import settled

_NAME = re.compile(r"\d{4}/\d\d/\d\d/\d\d/(?P<stream>.+)-(?P<shard>shardId-\d{12})-(?P<first>\d+)-(?P<count>\d+)\.gz")

#: The largest hash of a key, and one more.
_HASHES = 1 << 128


def fill(stream: Stream, numbers: Iterable[int], shards: int = 1) -> None:
    """Put events `u<number>` into a stream, spread over the whole range of hashes in `shards` parts."""
    records: list[Any] = [
        {
            "Data": json.dumps({"event_uuid": f"u{number}", "n": number}).encode() + b"\n" * (number % 2),
            "PartitionKey": "k",
            "ExplicitHashKey": str(number % shards * (_HASHES // shards) + 1),
        }
        for number in numbers
    ]
    for record in stream.client.put_records(StreamName=stream.name, Records=records)["Records"]:
        assert "ErrorCode" not in record, record


def split(stream: Stream, shard: str) -> None:
    """Split a shard in the middle."""
    (description,) = (
        each for each in stream.client.list_shards(StreamName=stream.name)["Shards"] if each["ShardId"] == shard
    )
    first, last = (int(description["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
    stream.client.split_shard(
        StreamName=stream.name, ShardToSplit=shard, NewStartingHashKey=str((first + last) // 2 + 1)
    )
    settled(stream.client, stream.name)


def merge(stream: Stream, shard: str, other: str) -> None:
    """Merge two shards that are side by side."""
    stream.client.merge_shards(StreamName=stream.name, ShardToMerge=shard, AdjacentShardToMerge=other)
    settled(stream.client, stream.name)


@dataclass(frozen=True)
class Dying(FolderStore):
    """A folder that takes so many writes, and then nothing for ever, as when the consumer is killed.

    With `after`, the last one is still written, and nobody hears of that.
    """

    writes_left: list[int]  # shared by the stores of a consumer
    after: bool
    written: list[str] = field(default_factory=list)

    def write_durably(self, name: str, data: bytes) -> None:
        """See Store."""
        self._count(lambda: super(Dying, self).write_durably(name, data))
        self.written.append(name)

    def swap(self, name: str, data: bytes, expected: str | None) -> str:
        """See Store."""
        folder, tags = FolderStore(self.root), list[str]()
        self._count(lambda: tags.append(folder.swap(name, data, expected)))
        return tags[0]

    def _count(self, write: Any) -> None:
        self.writes_left[0] -= 1
        if self.writes_left[0] > 0 or (self.writes_left[0] == 0 and self.after):
            write()
        if self.writes_left[0] <= 0:
            raise StorageError("killed")


def consumer(
    stream: Stream,
    landing: str | Path | Store,
    *,
    max_bytes: int = 1 << 20,
    max_seconds: float = 60,
    until_idle: bool = True,
    lease_seconds: float = 3,
    max_shards: int = 100,
    checkpoints: Store | None = None,
) -> Consumer:
    """Return a consumer that lands in a folder or bucket, with its checkpoints beside."""
    beside = checkpoints or open_store(f"{landing}-checkpoints")
    return Consumer(
        stream,
        landing if isinstance(landing, Store) else open_store(str(landing)),
        Checkpoints(beside, stream.identity, new_owner(), lease_seconds),
        Limits(max_bytes, max_seconds, until_idle),
        max_shards,
        threading.Event(),
    )


def dying(stream: Stream, landing: Path, writes: int, *, after: bool, max_bytes: int) -> Consumer:
    """Return a consumer that is killed at its so-manieth write."""
    writes_left = [writes]
    checkpoints = Dying(Path(f"{landing}-checkpoints"), writes_left, after)
    # Its lease is not renewed, however slow the machine is: each write is one of those that are counted.
    return consumer(
        stream, Dying(landing, writes_left, after), max_bytes=max_bytes, lease_seconds=3600, checkpoints=checkpoints
    )


def landed(landing: Path) -> dict[str, list[int]]:
    """Return the numbers of the events in landing by shard: in the order of the objects' names' sequence numbers.

    What is in no object's name is checked on the way: a newline ends each record, and the count is right.
    """
    objects: dict[str, list[tuple[int, list[int]]]] = {}
    for path in landing.rglob("*.gz"):
        name = _NAME.fullmatch(path.relative_to(landing).as_posix())
        assert name, path
        data = gzip.decompress(path.read_bytes())
        assert data.endswith(b"}\n")
        numbers = [json.loads(line)["n"] for line in data.splitlines()]
        assert len(numbers) == int(name["count"])
        objects.setdefault(name["shard"], []).append((int(name["first"]), numbers))
    return {shard: [n for _, numbers in sorted(pairs) for n in numbers] for shard, pairs in objects.items()}
