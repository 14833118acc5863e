"""Checkpoints: the position and the owner of each shard, as a small JSON object beside landing.

A consumer writes its name into the checkpoint and renews it every third of a lease. It only replaces its own entries
(with conditional puts), so that one of two consumers of a shard is rejected and stops. A checkpoint that was not
changed for a whole lease has no owner any more: its consumer was killed. Each consumer measures this by its own clock.

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
        """Take the checkpoint that was written with our name."""
        self.checkpoint = checkpoint
        self._store, self._name, self._tag = store, name, tag
        self._written = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the checkpoint was last written."""
        return time.monotonic() - self._written

    def landed(self, sequence_number: str, arrived_at: datetime) -> None:
        """Record that everything up to a record has landed. Raises OwnershipError if another one took the shard."""
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
                "lost: the other begins where this one had landed. If there should be one consumer only, stop the other"
            ) from error
        self.checkpoint, self._written = checkpoint, time.monotonic()


@dataclass
class Checkpoints:
    """The checkpoints of a stream, for one consumer. Not thread-safe."""

    store: Store
    folder: str
    owner: str
    lease_seconds: float
    #: Shards of other consumers: the tag of their checkpoint, and when it was first seen.
    _watched: dict[str, tuple[str, float]] = field(default_factory=dict)
    #: Shards whose owner is alive: their checkpoint has changed since.
    busy: dict[str, str] = field(default_factory=dict)

    def read(self, shard: str) -> tuple[Checkpoint, str | None]:
        """Return the checkpoint of a shard and its tag, or None if there is none yet."""
        tagged = self.store.read_tagged(self._name(shard))
        if tagged is None:
            return Checkpoint(), None
        try:
            return msgspec.json.decode(tagged[0], type=Checkpoint), tagged[1]
        except msgspec.MsgspecError as error:
            raise SettingError(
                f"{self.store.uri(self._name(shard))}: no checkpoint: {error}. Restore it, or delete it to read the "
                "shard from the oldest record that the stream still has"
            ) from error

    def is_free(self, shard: str) -> bool:
        """Return whether no consumer owns a shard."""
        return self.read(shard)[0].owner is None

    def claim(self, shard: str) -> Lease | None:
        """Take a shard without an owner; None while it has one."""
        checkpoint, tag = self.read(shard)
        if checkpoint.owner is not None and tag is not None and not self._is_abandoned(shard, checkpoint.owner, tag):
            return None
        mine = replace_in(checkpoint, owner=self.owner, beat=checkpoint.beat + 1)
        try:
            new_tag = self.store.swap(self._name(shard), msgspec.json.encode(mine), tag)
        except ChangedError:  # another was faster
            return None
        self._watched.pop(shard, None)
        self.busy.pop(shard, None)
        return Lease(self.store, self._name(shard), mine, new_tag)

    def _is_abandoned(self, shard: str, owner: str, tag: str) -> bool:
        now = time.monotonic()
        last_tag, since = self._watched.get(shard, (tag, now))
        if last_tag != tag:
            self.busy[shard] = owner
            since = now
        self._watched[shard] = (tag, since)
        return now - since >= self.lease_seconds

    def _name(self, shard: str) -> str:
        return f"{self.folder}/{shard}.json"


def replace_in(checkpoint: Checkpoint, **changes: object) -> Checkpoint:
    """Return a copy of a checkpoint with changes."""
    return msgspec.structs.replace(checkpoint, **changes)
