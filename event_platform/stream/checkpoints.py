"""Checkpoints: the position and the owner of each shard, as a small JSON object beside landing.

A consumer writes its name into the checkpoint and renews it every third of a lease. Conditional puts ensure that it
only replaces what it wrote itself: one of two consumers of a shard is rejected and stops. If a checkpoint does not
change for a whole lease, its consumer was killed, and the shard is free. Each consumer measures this by its own clock.

Each stream has its own folder. A stream that is deleted and created again starts with new checkpoints.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from event_platform.events.errors import OwnershipError, SettingError
from event_platform.storage.store import ChangedError, Store


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """State of a shard. All fields are empty at first."""

    #: Sequence number of the last landed record; all records before it have landed as well.
    sequence_number: str | None = None
    #: When that record arrived in the stream.
    arrived_at: datetime | None = None
    #: The shard is closed, and all of it is in landing.
    ended: bool = False
    owner: str | None = None
    #: Heartbeat: incremented by the owner.
    beat: int = 0


class Lease:
    """Ownership of a shard, until another consumer takes it."""

    def __init__(self, store: Store, name: str, checkpoint: Checkpoint, tag: str) -> None:
        """Take the checkpoint in which this consumer is the owner, and its tag."""
        self.checkpoint = checkpoint
        self._store, self._name, self._tag = store, name, tag
        self._written_at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the checkpoint was last written."""
        return time.monotonic() - self._written_at

    def save_position(self, sequence_number: str, arrived_at: datetime) -> None:
        """Save that all records up to this one have landed. Raises OwnershipError if the shard has another owner."""
        self._save(replace_in(self.checkpoint, sequence_number=sequence_number, arrived_at=arrived_at))

    def renew(self) -> None:
        """Renew the lease. Raises OwnershipError."""
        self._save(self.checkpoint)

    def release(self, *, ended: bool) -> None:
        """Give up ownership; mark the shard as ended if it is. Raises OwnershipError."""
        self._save(replace_in(self.checkpoint, ended=ended, owner=None))

    def _save(self, checkpoint: Checkpoint) -> None:
        checkpoint = replace_in(checkpoint, beat=checkpoint.beat + 1)
        try:
            self._tag = self._store.swap(self._name, msgspec.json.encode(checkpoint), self._tag)
        except ChangedError as error:
            raise OwnershipError(
                f"{self._store.uri(self._name)}: another consumer has taken this shard, so this one stops. Nothing is "
                "lost: the other one continues after the last landed record. To have only one consumer, stop the other"
            ) from error
        self.checkpoint, self._written_at = checkpoint, time.monotonic()


@dataclass
class Checkpoints:
    """The checkpoints of a stream, for one consumer. Not thread-safe."""

    store: Store
    folder: str
    owner: str
    lease_seconds: float
    #: Shards of other consumers: the tag of their checkpoint, and the time at which it was first seen.
    _first_seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    #: Owners of shards whose checkpoint has changed since it was first seen: these owners are alive.
    live_owners: dict[str, str] = field(default_factory=dict)

    def read(self, shard: str) -> tuple[Checkpoint, str | None]:
        """Return the checkpoint of a shard and its tag. Without a checkpoint, it is empty and the tag is None."""
        entry = self.store.read_tagged(self._name(shard))
        if entry is None:
            return Checkpoint(), None
        try:
            return msgspec.json.decode(entry[0], type=Checkpoint), entry[1]
        except msgspec.MsgspecError as error:
            raise SettingError(
                f"{self.store.uri(self._name(shard))}: no checkpoint: {error}. Restore it, or delete it to read the "
                "shard from the oldest record that the stream still has"
            ) from error

    def is_free(self, shard: str) -> bool:
        """Return whether no consumer owns a shard."""
        return self.read(shard)[0].owner is None

    def claim(self, shard: str) -> Lease | None:
        """Return the lease of a shard that has no owner, or whose owner was killed; None while it has an owner."""
        checkpoint, tag = self.read(shard)
        if checkpoint.owner is not None and tag is not None and not self._is_abandoned(shard, checkpoint.owner, tag):
            return None
        new_checkpoint = replace_in(checkpoint, owner=self.owner, beat=checkpoint.beat + 1)
        try:
            new_tag = self.store.swap(self._name(shard), msgspec.json.encode(new_checkpoint), tag)
        except ChangedError:  # another consumer was faster
            return None
        self._first_seen.pop(shard, None)
        self.live_owners.pop(shard, None)
        return Lease(self.store, self._name(shard), new_checkpoint, new_tag)

    def _is_abandoned(self, shard: str, owner: str, tag: str) -> bool:
        now = time.monotonic()
        last_tag, seen_at = self._first_seen.get(shard, (tag, now))
        if last_tag != tag:
            self.live_owners[shard] = owner
            seen_at = now
        self._first_seen[shard] = (tag, seen_at)
        return now - seen_at >= self.lease_seconds

    def _name(self, shard: str) -> str:
        return f"{self.folder}/{shard}.json"


def replace_in(checkpoint: Checkpoint, **changes: object) -> Checkpoint:
    """Return a copy of a checkpoint with changes."""
    return msgspec.structs.replace(checkpoint, **changes)
