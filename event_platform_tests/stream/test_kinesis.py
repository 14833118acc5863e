"""A stream as it is found: what it is called for good, its shards, and how long to wait for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from itertools import pairwise

import pytest

from event_platform.stream.kinesis import Shard, Stream, retry_pause
from event_platform_tests.stream.consumers import merge, split
from event_platform_tests.support.kinesis import needs_kinesis

SHARDS = [f"shardId-{number:012d}" for number in range(10)]


@needs_kinesis
@pytest.mark.xdist_group("kinesis")
def test_shards_come_with_what_they_were_made_of(
    make_stream: Callable[[int], Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: they come in pages."""
    monkeypatch.setattr("event_platform.stream.kinesis._PAGE_SHARDS", 2)
    stream = make_stream(2)
    split(stream, SHARDS[0])
    merge(stream, SHARDS[3], SHARDS[1])
    parents = {shard.name: set(shard.parents) for shard in stream.shards()}
    expected = [set(), set(), {SHARDS[0]}, {SHARDS[0]}, {SHARDS[3], SHARDS[1]}]
    assert parents == dict(zip(SHARDS, expected, strict=False))
    assert all(isinstance(shard, Shard) for shard in stream.shards())


@needs_kinesis
@pytest.mark.xdist_group("kinesis")
def test_a_stream_has_one_identity_wherever_it_is_looked_at(make_stream: Callable[[int], Stream]) -> None:
    """boto3 tells times in the zone of the machine; checkpoints are found by this name from all of them."""
    stream = make_stream(1)
    elsewhere = replace(stream, created_at=stream.created_at.astimezone(timezone(timedelta(hours=-7))))
    assert elsewhere.identity == stream.identity
    assert replace(stream, created_at=stream.created_at + timedelta(seconds=1)).identity != stream.identity
    assert (stream.max_record_bytes, stream.retention_hours) == (1 << 20, 24)


def test_pauses_grow_and_have_an_end() -> None:
    """Ten seconds at most, after however many tries; and two consumers do not come back at the same moment."""
    longest = [max(retry_pause(tries) for _ in range(200)) for tries in range(8)]
    assert all(before < after for before, after in pairwise(longest[:6]))
    assert all(5 <= retry_pause(tries) <= 10 for tries in range(6, 2000))
    assert len({retry_pause(3) for _ in range(20)}) > 10
