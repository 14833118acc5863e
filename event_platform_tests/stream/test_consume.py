"""Consuming: what a stream holds is landed, all of it, in order, whatever happens to the stream and the consumer."""

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from event_platform.cli.consume import checkpoints_beside
from event_platform.cli.main import main
from event_platform.events.errors import OwnershipError, SettingError, StorageError, StreamError
from event_platform.lake.totals import lake_totals
from event_platform.storage.folder import FolderStore
from event_platform.stream.kinesis import Stream, describe_stream
from event_platform_tests.stream.consumers import Dying, consumer, dying, fill, landed, merge, split
from event_platform_tests.support.command import finish, start
from event_platform_tests.support.kinesis import needs_kinesis, settled
from event_platform_tests.support.s3 import new_bucket
from event_platform_tests.support.world import World

Make = Callable[[int], Stream]
SHARDS = [f"shardId-{number:012d}" for number in range(10)]

pytestmark = [needs_kinesis, pytest.mark.xdist_group("kinesis")]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "landing"


def waited_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for a condition to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.usefixtures("hasty")
def test_four_shards_land_in_the_order_of_each(make_stream: Make, landing: Path) -> None:
    """With a newline after each record, once; in objects as large as is asked for; and nothing again the next time."""
    stream = make_stream(4)
    fill(stream, range(80), shards=4)
    totals = consumer(stream, landing, max_bytes=200).run()
    assert landed(landing) == {SHARDS[part]: list(range(part, 80, 4)) for part in range(4)}
    objects = list(landing.rglob("*.gz"))
    assert (totals.shards, totals.records, totals.objects) == (4, 80, len(objects))
    assert totals.bytes_landed == sum(path.stat().st_size for path in objects)
    assert len(objects) == 12  # 20 lines of 30 bytes in each shard
    assert consumer(stream, landing).run().records == 0
    fill(stream, range(80, 84), shards=4)
    assert consumer(stream, landing).run().records == 4
    assert landed(landing) == {SHARDS[part]: list(range(part, 84, 4)) for part in range(4)}


@pytest.mark.usefixtures("hasty")
def test_a_shard_lands_after_those_that_it_was_made_of(make_stream: Make, landing: Path) -> None:
    """Split and merged while it is read, and again when all of that is read later by another."""
    stream = make_stream(2)
    watched = Dying(landing, [1000], after=True)
    live = consumer(
        stream, watched, until_idle=False, max_seconds=0.1, checkpoints=FolderStore(landing.with_name("checkpoints"))
    )
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(live.run)
        try:
            fill(stream, range(10), shards=4)
            waited_for(lambda: len(watched.written) >= 2)
            split(stream, SHARDS[0])
            fill(stream, range(10, 20), shards=4)
            merge(stream, SHARDS[3], SHARDS[1])
            fill(stream, range(20, 30), shards=4)
            waited_for(lambda: sum(map(len, landed(landing).values())) == 30)
        finally:
            live.stop.set()
        running.result()
    late = Dying(landing.with_name("late"), [1000], after=True)
    consumer(stream, late, max_bytes=30, checkpoints=FolderStore(landing.with_name("late-checkpoints"))).run()
    for each, folder in ((watched, landing), (late, landing.with_name("late"))):
        records_landed = landed(folder)
        assert sorted(n for numbers in records_landed.values() for n in numbers) == list(range(30))
        assert all(numbers == sorted(numbers) for numbers in records_landed.values())
        order = [next(shard for shard in SHARDS if shard in name) for name in each.written]
        for parent, child in ((0, 2), (0, 3), (1, 4), (3, 4)):
            behind = [place for place, shard in enumerate(order) if shard == SHARDS[child]]
            before = [place for place, shard in enumerate(order) if shard == SHARDS[parent]]
            assert not before or not behind or max(before) < min(behind)
        assert {SHARDS[0], SHARDS[1], SHARDS[2], SHARDS[4]} <= set(order)


@pytest.mark.usefixtures("hasty")
def test_whenever_it_is_killed_nothing_is_lost_and_nothing_is_repeated(make_stream: Make, landing: Path) -> None:
    """At every write, before it and after it; and whoever comes next would cut objects otherwise."""
    stream = make_stream(1)
    fill(stream, range(12))
    cuts = 0
    for after in (False, True):
        for writes in range(1, 100):
            here = landing.with_name(f"landing-{after}-{writes}")
            try:
                dying(stream, here, writes, after=after, max_bytes=120).run()
            except StorageError:
                cuts += 1
            else:
                break
            consumer(stream, here, lease_seconds=0.05).run()
            assert landed(here) == {SHARDS[0]: list(range(12))}, (after, writes)
    # The claim, three objects and a note of each, and that the shard was left: before and after each.
    assert cuts == 2 * 8


def test_a_killed_process_goes_on_where_it_had_landed(make_stream: Make, world: World) -> None:
    """SIGKILL, while events arrive: afterwards landing holds each of them, and the books balance."""
    stream = make_stream(2)
    settings = {**os.environ, **_variables(world)}
    fast = ("--max-bytes", "150", "--lease-seconds", "0.5")
    killed = 0
    for first in range(0, 20, 10):
        process = start(settings, "consume", stream.name, *fast)
        try:
            before = _objects(world)
            _send(stream, range(first, first + 10))
            waited_for(lambda: _objects(world) > before)  # noqa: B023 - called before it changes
        finally:
            process.kill()
            process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed == 2
    finish(start(settings, "consume", stream.name, "--until-idle", *fast))
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=1), today]
    world.build(*days)
    totals = lake_totals(world.lake, world.catalog)
    assert totals["balanced"]
    assert (totals["landed"], totals["deduplicated"], totals["typed"]) == (20, 20, 20)
    assert sorted(world.events("account_created")["event_uuid"]) == sorted(f"u{number}" for number in range(20))


def test_sigterm_lands_what_there_is_and_leaves_the_shards(make_stream: Make, world: World) -> None:
    """Exit code 0. The next consumer does not have to wait."""
    stream = make_stream(1)
    _send(stream, range(5))
    process = start({**os.environ, **_variables(world)}, "consume", stream.name, "--lease-seconds", "1")
    try:
        # The claim of the shard was the first beat; the next comes with what was read.
        waited_for(lambda: _beats(world) > 1)
        assert _objects(world) == 0
        process.terminate()
        message, _ = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, message
    assert "5 records of 1 shards landed in 1 objects" in message
    assert _objects(world) == 1
    assert [each["owner"] for each in _checkpoints(world)] == [None]
    _call(world, "consume", stream.name, "--until-idle", "--lease-seconds", "60")


@pytest.mark.usefixtures("hasty")
def test_a_name_that_promises_more_than_there_is_holds_nothing_up(make_stream: Make, landing: Path) -> None:
    """Somebody has put it there, or objects were larger: records may be there twice then, and are never missing."""
    stream = make_stream(1)
    fill(stream, range(9))
    consumer(stream, landing.with_name("first"), max_bytes=90).run()
    first, *_ = sorted(landing.with_name("first").rglob("*-4.gz"))
    planted = landing / first.relative_to(landing.with_name("first")).with_name(
        first.name.replace("-4.gz", "-99999.gz")
    )
    planted.parent.mkdir(parents=True)
    planted.touch()
    assert consumer(stream, landing, max_bytes=90).run().records == 9
    planted.unlink()
    assert landed(landing) == {SHARDS[0]: list(range(9))}


@pytest.mark.usefixtures("hasty")
def test_of_two_consumers_each_reads_what_the_other_does_not(make_stream: Make, landing: Path) -> None:
    """Shards that one leaves are read by the other; a consumer that is to read an occupied shard reports its owner."""
    stream = make_stream(2)
    fill(stream, range(4), shards=2)
    first = consumer(stream, landing, until_idle=False, max_shards=1, max_seconds=0.05)
    # It takes nothing from the first one, however slow that is, as long as that has not left it.
    second = consumer(stream, landing, until_idle=False, max_seconds=0.05, lease_seconds=3600)
    third = consumer(stream, landing, lease_seconds=60)
    with ThreadPoolExecutor(2) as threads, ExitStack() as afterwards:
        for each in (first, second):  # also where something fails: threads that go on are waited for
            afterwards.callback(each.stop.set)
        running = [threads.submit(first.run)]
        waited_for(lambda: first._readers)
        running.append(threads.submit(second.run))
        waited_for(lambda: sum(map(len, landed(landing).values())) == 4)
        owners = zip(SHARDS, (first.checkpoints.owner, second.checkpoints.owner), strict=False)
        # The error names one of both shards.
        message = "|".join(f"{shard} is read by another consumer, {owner}" for shard, owner in owners)
        with pytest.raises(OwnershipError, match=message):
            third.run()
        first.stop.set()
        assert (running[0].result().shards, running[0].result().records) == (1, 2)
        fill(stream, range(4, 8), shards=2)
        waited_for(lambda: sum(map(len, landed(landing).values())) == 8)
        second.stop.set()
        assert (running[1].result().shards, running[1].result().records) == (2, 6)
    assert landed(landing) == {SHARDS[0]: [0, 2, 4, 6], SHARDS[1]: [1, 3, 5, 7]}


@pytest.mark.usefixtures("hasty")
def test_a_consumer_that_lost_its_shard_stops(make_stream: Make, landing: Path) -> None:
    """It was paused for longer than its lease. What it still writes equals existing content."""
    stream = make_stream(1)
    fill(stream, range(6))
    slow = consumer(stream, landing, until_idle=False, lease_seconds=60)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(slow.run)
        waited_for(lambda: slow._readers and slow._readers[SHARDS[0]][0]._pending.records)
        taker = consumer(stream, landing, max_bytes=90, lease_seconds=0)
        assert taker.run().records == 6
        slow.stop.set()
        with pytest.raises(OwnershipError, match="another consumer has taken this shard"):
            running.result()
    records_landed = landed(landing)[SHARDS[0]]
    assert set(records_landed) == set(range(6))
    assert consumer(stream, landing).run().records == 0


class Faulty:
    """A client whose calls fail as `faults` say: a list of errors by the name of the call, each raised once."""

    def __init__(self, client: Any, faults: dict[str, list[Exception]]) -> None:
        """Begin."""
        self._client, self._faults = client, faults

    def __getattr__(self, name: str) -> Any:
        """Return a call."""

        def call(**arguments: Any) -> Any:
            if self._faults.get(name):
                raise self._faults[name].pop()
            return getattr(self._client, name)(**arguments)

        return call if name in self._faults else getattr(self._client, name)


def refusal(code: str) -> ClientError:
    """Return what boto3 raises."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetRecords")


@pytest.mark.usefixtures("hasty")
def test_a_busy_stream_and_an_iterator_that_expires_cost_nothing(
    make_stream: Make, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits, or asks for the place again. A refusal that stays is an error, with the place."""
    monkeypatch.setattr("event_platform.stream.kinesis._FIRST_PAUSE", 0.01)
    stream = make_stream(1)
    fill(stream, range(4))
    codes = ["ProvisionedThroughputExceededException", "ExpiredIteratorException", "InternalFailureException"]
    faults: dict[str, list[Exception]] = {
        "get_records": [refusal(code) for code in codes],
        "get_shard_iterator": [refusal("ProvisionedThroughputExceededException")],
    }
    faulty = replace(stream, client=Faulty(stream.client, faults))  # type: ignore[arg-type]
    consumer(faulty, landing).run()
    assert landed(landing) == {SHARDS[0]: [0, 1, 2, 3]}
    assert not faults["get_records"]
    fill(stream, range(4, 6))
    faults["get_records"].append(refusal("AccessDeniedException"))
    with pytest.raises(
        StreamError, match=rf"stream {stream.name}, {SHARDS[0]}: .*AccessDenied.*run the consumer again"
    ):
        consumer(faulty, landing, lease_seconds=60).run()
    # The shard was left: nobody waits for its lease to run out.
    consumer(faulty, landing, lease_seconds=60).run()
    assert landed(landing) == {SHARDS[0]: [0, 1, 2, 3, 4, 5]}


@pytest.mark.usefixtures("hasty")
def test_a_stream_lands_in_a_bucket(
    make_stream: Make, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a folder, with the checkpoints beside landing."""
    stream = make_stream(2)
    fill(stream, range(10), shards=2)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    bucket = new_bucket()
    assert consumer(stream, f"s3://{bucket}/landing").run().records == 10
    assert consumer(stream, f"s3://{bucket}/landing").run().records == 0
    client = boto3.client("s3", region_name="eu-central-1")
    keys = [content["Key"] for content in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert [key.partition("/")[0] for key in keys] == ["landing-checkpoints"] * 2 + ["landing"] * 2
    for key in keys[2:]:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, key, str(path))
    assert landed(tmp_path / "landing") == {SHARDS[0]: [0, 2, 4, 6, 8], SHARDS[1]: [1, 3, 5, 7, 9]}


def test_a_stream_that_was_created_again_is_read_from_its_beginning(make_stream: Make, world: World) -> None:
    """Although its shards have the names of the old one's, which had landed."""
    stream = make_stream(1)
    _send(stream, range(3))
    _call(world, "consume", stream.name, "--until-idle")
    stream.client.delete_stream(StreamName=stream.name)
    time.sleep(1)  # the time of creation tells them apart

    def is_created() -> bool:
        try:
            stream.client.create_stream(StreamName=stream.name, ShardCount=1)
        except stream.client.exceptions.ResourceInUseException:  # it is being deleted
            return False
        return True

    waited_for(is_created)
    settled(stream.client, stream.name)
    _send(describe_stream(stream.client, stream.name), range(3, 5))
    assert "2 records of 1 shards" in _call(world, "consume", stream.name, "--until-idle")
    assert _objects(world) == 2


@pytest.mark.usefixtures("hasty")
def test_what_may_have_expired_is_told(make_stream: Make, landing: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A consumer that was away for longer than the stream keeps its records says so, and goes on."""
    stream = make_stream(1)
    beside = FolderStore(Path(f"{landing}-checkpoints"))
    long_ago = datetime.now(UTC) - timedelta(days=3)
    name = f"{stream.identity}/{SHARDS[0]}.json"
    beside.swap(name, json.dumps({"arrived_at": long_ago.isoformat()}).encode(), None)
    with caplog.at_level(logging.INFO, "event_platform"):
        consumer(stream, landing).run()
    assert (
        f"{SHARDS[0]} was read up to {long_ago.isoformat()}, and the stream keeps records for 24 hours" in caplog.text
    )


def test_checkpoints_are_beside_landing_and_never_in_it(world: World) -> None:
    """Where they would be loaded as events."""
    assert checkpoints_beside("s3://bucket/landing") == "s3://bucket/landing-checkpoints"
    assert checkpoints_beside("/data/landing") == "/data/landing-checkpoints"
    with pytest.raises(SettingError, match=r"s3://bucket is a whole bucket.*--checkpoints"):
        checkpoints_beside("s3://bucket")
    inside = f"{world.environment.landing}/checkpoints"
    output = _call(world, "consume", "events", "--checkpoints", inside, code=2)
    assert "would be loaded as events" in " ".join(output.split())


def _variables(world: World) -> dict[str, str]:
    settings = world.environment
    return {
        "EVENT_PLATFORM_LANDING": settings.landing,
        "EVENT_PLATFORM_LAKE": settings.lake,
        "EVENT_PLATFORM_CATALOG": str(settings.catalog),
    }


def _call(world: World, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, arguments, env=_variables(world))
    assert result.exit_code == code, result.output
    return result.output


def _send(stream: Stream, numbers: range) -> None:
    now = int(time.time())
    records: list[Any] = [
        {
            "Data": json.dumps({"event_uuid": f"u{n}", "event_name": "account:created", "created_at": now}).encode(),
            "PartitionKey": f"u{n}",
        }
        for n in numbers
    ]
    stream.client.put_records(StreamName=stream.name, Records=records)


def _beats(world: World) -> int:
    """Return how often a consumer has written the checkpoint."""
    return max((int(each["beat"]) for each in _checkpoints(world)), default=0)


def _checkpoints(world: World) -> list[Any]:
    paths = Path(f"{world.environment.landing}-checkpoints").rglob("shardId-*.json")
    return [json.loads(path.read_text("utf-8")) for path in paths]


def _objects(world: World) -> int:
    return len(list(Path(world.environment.landing).rglob("*.gz")))
