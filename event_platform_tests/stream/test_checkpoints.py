"""Checkpoints: how far a shard has landed, and that one consumer at a time reads it."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from event_platform.events.errors import OwnershipError, SettingError
from event_platform.storage.folder import FolderStore
from event_platform.stream.checkpoints import Checkpoints

SHARD = "shardId-000000000000"
NOW = datetime(2025, 6, 2, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock that checkpoints go by; `now` is set by hand."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("event_platform.stream.checkpoints.time", clock)
    return clock


def asked_by(owner: str, folder: Path, lease_seconds: float = 30) -> Checkpoints:
    """Return the checkpoints in a folder, as a consumer sees them."""
    return Checkpoints(FolderStore(folder), "events-1", owner, lease_seconds)


def test_a_consumer_goes_on_where_another_has_left(tmp_path: Path) -> None:
    """At once, if that one has said that it leaves."""
    lease = asked_by("first", tmp_path).claim(SHARD)
    assert lease is not None
    assert lease.checkpoint.sequence_number is None
    lease.save_position("17", NOW)
    lease.release(ended=False)
    second = asked_by("second", tmp_path).claim(SHARD)
    assert second is not None
    assert (second.checkpoint.sequence_number, second.checkpoint.arrived_at) == ("17", NOW)


def test_a_shard_that_is_read_cannot_be_taken(tmp_path: Path, clock: SimpleNamespace) -> None:
    """As long as its consumer shows that it is there; the other knows who that is."""
    lease, other = asked_by("first", tmp_path).claim(SHARD), asked_by("second", tmp_path)
    assert lease is not None
    for _ in range(6):
        assert other.claim(SHARD) is None
        clock.now += 29
        assert lease.age == 29
        lease.renew()
    assert other.live_owners == {SHARD: "first"}
    assert not other.is_free(SHARD)


def test_a_shard_whose_consumer_is_silent_is_taken(tmp_path: Path, clock: SimpleNamespace) -> None:
    """After the length of a lease by the taker's own clock; the silent one finds out before it notes anything more."""
    lost, other = asked_by("first", tmp_path).claim(SHARD), asked_by("second", tmp_path)
    assert lost is not None
    assert other.claim(SHARD) is None
    clock.now += 29
    assert other.claim(SHARD) is None
    clock.now += 1
    lease = other.claim(SHARD)
    assert lease is not None
    ownership_error = pytest.raises(
        OwnershipError, match=r"shardId-000000000000\.json: another consumer has taken this shard"
    )
    with ownership_error:
        lost.save_position("17", NOW)
    with ownership_error:
        lost.renew()
    with ownership_error:
        lost.release(ended=True)
    assert other.read(SHARD)[0] == lease.checkpoint
    lease.save_position("18", NOW)
    assert other.read(SHARD)[0].sequence_number == "18"


def test_of_two_that_begin_at_once_one_gets_the_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other has seen nobody there, and is refused."""
    first, second = asked_by("first", tmp_path), asked_by("second", tmp_path)
    entry = second.read(SHARD)
    assert first.claim(SHARD) is not None
    monkeypatch.setattr(second, "read", lambda _shard: entry)
    assert second.claim(SHARD) is None
    assert first.read(SHARD)[0].owner == "first"


def test_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    """It names the file, and says what can be done: to begin anew is a decision."""
    path = tmp_path / "events-1" / f"{SHARD}.json"
    path.parent.mkdir()
    path.write_bytes(b'{"sequence_number": 17}')
    with pytest.raises(SettingError, match=rf"{path}: no checkpoint: .*delete it to read the shard from the oldest"):
        asked_by("first", tmp_path).claim(SHARD)
