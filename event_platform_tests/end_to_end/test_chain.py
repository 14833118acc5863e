"""The whole chain for real: a stream that is re-sharded, what is killed half-way, a store that checks signatures."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from deltalake.transaction import AddAction

from event_platform.compute.pool import local_pool
from event_platform.events.errors import StorageError
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.file_writer import write_file
from event_platform.lake.specs import spec_of_schema
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.storage.opening import open_store
from event_platform.stream.kinesis import Stream, connect, describe_stream
from event_platform_tests.storage.stores import assert_one_wins
from event_platform_tests.stream.consumers import merge, split
from event_platform_tests.support.ceph import Ceph
from event_platform_tests.support.command import all_end, call_with, finish, start, variables
from event_platform_tests.support.kinesis import kinesis_server, needs_kinesis, new_stream
from event_platform_tests.support.s3 import client
from event_platform_tests.support.world import World, rows

pytestmark = pytest.mark.xdist_group("chain")

EVENTS = 20_000
NAMES = ("account:created", "lesson:started", "payment:order:completed")
WRITERS, COMMITS = 4, 6


@pytest.fixture
def bucket(ceph_store: Ceph, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket in it, with the AWS variables set to reach it."""
    for name, value in ceph_store.variables.items():
        monkeypatch.setenv(name, value)
    name = f"events-{os.urandom(6).hex()}"
    client().create_bucket(Bucket=name)
    return name


def append(table: Table, writer: int) -> None:
    """Append rows of one day, commit by commit, as somebody else does at the same time."""
    import polars as pl  # noqa: PLC0415 - in a worker

    for number in range(COMMITS):
        day = date(2025, 6, 1) + timedelta(days=number % 3)
        frame = pl.DataFrame({"day": [day], "n": [writer * COMMITS + number]})
        retry_on_conflict(partial(_append_file, table, day, write_file(frame, table, day)))


def _append_file(table: Table, day: date, add: AddAction) -> None:
    snapshot = table.snapshot_to_write()
    TableCommit(snapshot).append([day], [add], {day: snapshot.version + 1}).commit()


def test_commits_at_once_lose_no_row(bucket: str) -> None:
    """Of several processes, to the same three partitions."""
    import polars as pl  # noqa: PLC0415

    storage = open_lake(f"s3://{bucket}/lake").storage
    table = Table(spec_of_schema("counted", pl.Schema({"day": pl.Date, "n": pl.Int64}), "day"), storage)
    table.snapshot_to_write()
    with local_pool(WRITERS) as pool:
        for done in [pool.submit(append, table, writer) for writer in range(WRITERS)]:
            done.result()
    assert rows(table, "n")["n"].to_list() == list(range(WRITERS * COMMITS))
    assert table.snapshot().version == WRITERS * COMMITS


def test_of_consumers_at_once_one_wins(bucket: str) -> None:
    """A checkpoint or a lease has one owner."""
    assert_one_wins(open_store(f"s3://{bucket}/landing"))


def test_a_wrong_secret_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each library, and without the secret."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-another-key")
    message = "SignatureDoesNotMatch.* The secret does not belong to the access key: check AWS_ACCESS_KEY_ID"
    lake, landing = open_lake(f"s3://{bucket}/lake"), open_landing(f"s3://{bucket}/landing")
    for attempt in (lake.raw_events.snapshot, lake.storage.check, lambda: list(landing.list_objects())):
        with pytest.raises(StorageError, match=f"^s3://{bucket}/l.*{message}") as raised:
            attempt()
        assert "a-secret" not in str(raised.value)
        assert not raised.value.transient


def lines(first: int, last: int) -> Iterator[str]:
    """Return events `e<number>`, of three types in turn, as JSON."""
    now = int(time.time())
    for number in range(first, last):
        event = {"event_uuid": f"e{number}", "event_name": NAMES[number % 3], "created_at": now, "user": "usr_1"}
        yield json.dumps(event) + "\n"


def waited_for(condition: Callable[[], object], seconds: float = 300) -> None:
    """Wait for a condition to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def count(bucket: str, prefix: str) -> int:
    """Count the objects below a prefix, up to a thousand."""
    return client().list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"]


@pytest.fixture
def stream(ceph_store: Ceph, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    """An empty stream of four shards."""
    with ExitStack() as stack:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", ceph_store.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", stack.enter_context(kinesis_server(tmp_path)))
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        yield describe_stream(connect(), new_stream(connect(), 4))


@needs_kinesis
def test_every_event_of_the_stream_is_in_its_table_once(stream: Stream, bucket: str, tmp_path: Path) -> None:
    """20,000 of them, through a split, a merge, a consumer and a run that are killed half-way."""
    world = World(tmp_path, start_date=datetime.now(UTC).date() - timedelta(days=1))
    settings = {
        **variables(world),
        "EVENT_PLATFORM_ENV": "dev",
        "EVENT_PLATFORM_LANDING": f"s3://{bucket}/landing",
        "EVENT_PLATFORM_LAKE": f"s3://{bucket}/lake",
    }
    halves = [tmp_path / "first.ndjson", tmp_path / "second.ndjson"]
    for number, path in enumerate(halves):
        path.write_text("".join(lines(number * EVENTS // 2, (number + 1) * EVENTS // 2)), encoding="utf-8")
    consume = ("consume", stream.name, "--max-bytes", "500000", "--max-seconds", "1", "--lease-seconds", "3")
    produce = ("produce", stream.name, "--per-record", "25")
    killed = start(settings, *consume)
    finish(start(settings, *produce, str(halves[0])))
    split(stream, "shardId-000000000000")
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(lambda: finish(start(settings, *produce, str(halves[1]))))
        landed = count(bucket, "landing/")
        waited_for(lambda: count(bucket, "landing/") > landed or killed.poll() is not None)
        assert killed.poll() is None, killed.communicate()
        killed.kill()
        killed.communicate()
        merge(stream, "shardId-000000000001", "shardId-000000000002")
        sending.result()
    finish(start(settings, *consume, "--until-idle"))
    killed = start({**settings, "CHAIN": str(tmp_path)}, "run")
    waited_for(lambda: count(bucket, "lake/deduplicated_events/_delta_log/"))
    killed.kill()
    killed.communicate()
    assert all_end(f"CHAIN={tmp_path}", 300)
    call_with(settings, "run")
    lake = open_lake(f"s3://{bucket}/lake")
    totals = lake_totals(lake, world.catalog)
    assert totals["balanced"]
    assert (totals["typed"], totals["corrupt"], totals["unregistered"]) == (EVENTS, 0, 0)
    for number, key in enumerate(name.replace(":", "_") for name in NAMES):
        table = lake.event_table(world.catalog.by_key[key])
        uuids = table.snapshot().scan().select("event_uuid").collect().to_series().to_list()
        assert sorted(uuids) == sorted(f"e{each}" for each in range(number, EVENTS, 3))
