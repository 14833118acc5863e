"""Producing: everything is sent once, in calls that Kinesis takes; what it refuses is sent again, and told."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from click.testing import CliRunner, Result

from event_platform.cli.main import main
from event_platform.events.errors import StreamError
from event_platform.stream.events import Event, OutgoingRecord, as_records
from event_platform.stream.kinesis import Stream
from event_platform.stream.produce import FailedEvent, Producer
from event_platform_tests.support.kinesis import needs_kinesis
from event_platform_tests.support.world import MONDAY, World, event

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

MIB = 1 << 20


class Fake:
    """A client whose stream takes what `refuses` does not name an error for. It notes what it is sent."""

    def __init__(self, refuses: Callable[[int, bytes], str | Exception | None] = lambda _call, _data: None) -> None:
        """Begin with nothing."""
        self.calls: list[list[bytes]] = []
        self._refuses = refuses

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Answer as Kinesis does."""
        assert StreamName == "events"
        self.calls.append([record["Data"] for record in Records])
        verdicts = [self._refuses(len(self.calls), record["Data"]) for record in Records]
        for verdict in verdicts:
            if isinstance(verdict, Exception):
                raise verdict
        return {"Records": [{"ErrorCode": each} if each else {"ShardId": "s"} for each in verdicts]}


def sending(
    fake: Fake,
    *lines: bytes,
    rate: float | None = None,
    limit: int = MIB,
    sleep: Callable[[float], None] = lambda _seconds: None,
) -> tuple[Producer, list[FailedEvent]]:
    """Send lines to a fake stream, without waiting between tries; return the producer and what failed."""
    stream = Stream(fake, "events", datetime.now(UTC), limit, 24)  # type: ignore[arg-type]
    failures: list[FailedEvent] = []
    producer = Producer(stream, rate, failures.append, sleep)
    events = [Event("file", number, line) for number, line in enumerate(lines, start=1)]
    for _ in producer.send(as_records(events, "event_uuid", 1, limit)):
        pass
    return producer, failures


def numbered(count: int, size: int = 0) -> list[bytes]:
    """Return different lines."""
    return [b"%d" % number + b" " * size for number in range(count)]


def test_calls_hold_no_more_than_kinesis_takes() -> None:
    """500 records, or 5 MiB with their keys; a record that is larger than that goes alone."""
    fake = Fake()
    sending(fake, *numbered(1_201))
    assert [len(call) for call in fake.calls] == [500, 500, 201]
    fake = Fake()
    sending(fake, *numbered(7, MIB - 100), b"x" * (6 * MIB), limit=10 * MIB)
    assert [len(call) for call in fake.calls] == [5, 2, 1]
    assert all(sum(map(len, call)) <= 5 * MIB for call in fake.calls[:2])


def test_only_what_was_refused_is_sent_again() -> None:
    """In its order, until it is taken."""
    fake = Fake(lambda call, data: "ProvisionedThroughputExceededException" if call < 3 and b"7" in data else None)
    producer, failed = sending(fake, *numbered(100))
    rejected_data = [data for data in fake.calls[0] if b"7" in data]
    assert fake.calls[1:] == [rejected_data, rejected_data]
    assert not failed
    assert (producer.totals.events, producer.totals.retries, len(rejected_data)) == (100, 38, 19)


def test_what_is_never_taken_is_told_and_stops_nothing() -> None:
    """By its line, with the reason."""
    fake = Fake(lambda _call, data: "InternalFailure" if data == b"7\n" else None)
    producer, failed = sending(fake, *numbered(600))
    assert [(each.event.number, each.reason) for each in failed] == [(8, "InternalFailure, 12 times")]
    assert (producer.totals.events, producer.totals.failures) == (599, 1)


def test_what_is_too_large_for_the_stream_is_told_and_stops_nothing() -> None:
    """The key counts too."""
    fits = b'{"event_uuid":"%s"}' % (b"k" * 40)
    fake = Fake()
    _, failed = sending(fake, b"x" * 200, fits, b"y", limit=len(fits) + 41)
    assert fake.calls == [[fits + b"\n", b"y\n"]]
    _, failed = sending(fake, b"x" * 200, fits, b"y", limit=len(fits) + 40)
    assert [(each.event.number, each.reason) for each in failed] == [
        (1, "217 bytes: the stream takes 97 in a record"),
        (2, "98 bytes: the stream takes 97 in a record"),
    ]


def refusal(code: str) -> ClientError:
    """Return what boto3 raises for a whole call."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "PutRecords")


@pytest.mark.parametrize(
    "error", [refusal("ProvisionedThroughputExceededException"), ReadTimeoutError(endpoint_url="http://127.0.0.1")]
)
def test_a_call_that_fails_as_a_whole_is_made_again(error: Exception) -> None:
    """If waiting may help. Where an answer was lost, its events are there twice: redeliveries."""
    fake = Fake(lambda call, _data: error if call == 1 else None)
    producer, failed = sending(fake, *numbered(3))
    assert (len(fake.calls), producer.totals.events, failed) == (2, 3, [])


def test_a_call_that_cannot_succeed_ends_it() -> None:
    """With the stream's name, and what to look at."""
    fake = Fake(lambda _call, _data: refusal("AccessDeniedException"))
    with pytest.raises(StreamError, match=r"stream events: .*AccessDenied.*AWS_PROFILE"):
        sending(fake, *numbered(3))
    assert len(fake.calls) == 1


def test_a_rate_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In calls of a tenth of a second, not in one burst."""
    fake, clock = Fake(), [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr("event_platform.stream.produce.time", SimpleNamespace(monotonic=lambda: clock[0]))
    sending(fake, *numbered(200), rate=500, sleep=sleep)
    assert clock == [pytest.approx(0.4)]
    assert [len(call) for call in fake.calls] == [50] * 4


# With a stream.


def call(*arguments: str, code: int = 0) -> Result:
    """Call the command line; it must end with `code`."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


def records_by_shard(kinesis: "KinesisClient", stream: str) -> dict[str, list[bytes]]:
    """Return what is in each shard of a stream, in its order."""
    records: dict[str, list[bytes]] = {}
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        name = shard["ShardId"]
        place = kinesis.get_shard_iterator(StreamName=stream, ShardId=name, ShardIteratorType="TRIM_HORIZON")
        records[name] = [
            record["Data"] for record in kinesis.get_records(ShardIterator=place["ShardIterator"])["Records"]
        ]
    return records


@needs_kinesis
@pytest.mark.xdist_group("kinesis")
class TestWithAStream:
    """What arrives in one."""

    @pytest.fixture
    def stream(self, make_stream: Callable[[int], Stream]) -> str:
        """A stream with three shards."""
        return make_stream(3).name

    def test_every_event_arrives_and_those_of_a_user_in_order(
        self, stream: str, kinesis: "KinesisClient", tmp_path: Path
    ) -> None:
        """In a shard that is theirs; a newline ends each event."""
        lines = [json.dumps({"event_uuid": f"u{n}", "user": f"usr_{n % 20}", "n": n}).encode() for n in range(120)]
        path = tmp_path / "events.ndjson"
        path.write_bytes(b"\n".join(lines))
        output = call("produce", stream, str(path), "--key", "user").stdout
        assert "120 events sent in 120 records" in output
        shards = records_by_shard(kinesis, stream)
        assert sorted(line for shard in shards.values() for line in shard) == sorted(line + b"\n" for line in lines)
        places: dict[str, list[tuple[str, int]]] = {}
        for shard, records in shards.items():
            for record in map(json.loads, records):
                places.setdefault(record["user"], []).append((shard, record["n"]))
        assert all(len({shard for shard, _ in those}) == 1 and those == sorted(those) for those in places.values())
        assert len({shard for those in places.values() for shard, _ in those}) == 3

    def test_the_same_seed_makes_the_same_events(self, stream: str, kinesis: "KinesisClient", tmp_path: Path) -> None:
        """With the truth about them, and several in a record if that is wanted. Without a seed, they are new."""
        truth = tmp_path / "truth.json"
        output = call("produce", stream, "--events", "60", "--seed", "7", "--truth", str(truth)).stdout
        landed = json.loads(truth.read_text("utf-8"))["landed"]
        assert f"{landed} events sent in {landed} records" in output
        once = Counter(line for shard in records_by_shard(kinesis, stream).values() for line in shard)
        call("produce", stream, "--events", "60", "--seed", "7", "--per-record", "13")
        twice = [
            line
            for shard in records_by_shard(kinesis, stream).values()
            for line in b"".join(shard).splitlines(keepends=True)
        ]
        assert once.total() == landed
        # Unless the hour has changed in between.
        assert Counter(twice) == once + once or datetime.now(UTC).minute == 0
        call("produce", stream, "--events", "60")
        every = [
            line
            for shard in records_by_shard(kinesis, stream).values()
            for line in b"".join(shard).splitlines(keepends=True)
        ]
        assert len(set(every)) > len(set(twice)) + 50

    def test_what_could_not_be_sent_is_told_and_kept(
        self, stream: str, kinesis: "KinesisClient", tmp_path: Path
    ) -> None:
        """And the exit code is 1, though the others were sent."""
        path, failed = tmp_path / "events.ndjson", tmp_path / "failed.ndjson"
        large = b'{"event_uuid":"u2","text":"%s"}' % (b"x" * MIB)
        path.write_bytes(b'{"event_uuid":"u1"}\n' + large + b'\n{"event_uuid":"u3"}\n')
        output = call("produce", stream, str(path), "--failed", str(failed), code=1)
        assert "2 events sent" in output.stdout
        size = len(large) + len("\n") + len("u2")
        assert f"{path}, line 2: not sent: {size:,} bytes: the stream takes 1,048,576 in a record" in output.stderr
        assert failed.read_bytes() == large + b"\n"
        assert sum(map(len, records_by_shard(kinesis, stream).values())) == 2
        again = call("produce", stream, str(failed), "--failed", str(failed), code=2)
        assert "would be overwritten" in again.output
        assert failed.read_bytes() == large + b"\n"

    def test_a_pipe_is_sent_as_it_comes(self, stream: str, kinesis: "KinesisClient") -> None:
        """What was written is in the stream before the pipe is closed."""
        process = subprocess.Popen(
            [sys.executable, "-m", "event_platform", "produce", stream, "-", "--per-record", "13"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=os.environ,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdin is not None
        try:
            process.stdin.write(b'{"event_uuid":"u1"}\n{"event_uuid":"u2"}\n{"event')
            process.stdin.flush()
            while not any(records_by_shard(kinesis, stream).values()):
                assert process.poll() is None
                time.sleep(0.1)
            arrived = [line for shard in records_by_shard(kinesis, stream).values() for line in shard]
            assert arrived == [b'{"event_uuid":"u1"}\n{"event_uuid":"u2"}\n']
            process.stdin.close()
            assert process.wait(300) == 0
            assert b'{"event\n' in [line for shard in records_by_shard(kinesis, stream).values() for line in shard]
        finally:
            process.kill()
            process.wait()

    @pytest.mark.usefixtures("kinesis")
    def test_an_unknown_stream_is_told_with_what_to_look_at(self) -> None:
        """Before anything is made or read."""
        output = call("produce", "nowhere", "--events", "10", code=2).output
        assert "stream nowhere" in " ".join(output.split())
        assert "AWS_REGION" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either FILES"),
        (["--events", "5", "-"], "give either FILES"),
        (["-", "--seed", "1"], "--seed and --truth need --events"),
    ],
)
def test_it_is_clear_what_is_to_be_sent(arguments: list[str], message: str) -> None:
    """Files, or made events; not both, and not neither."""
    assert message in " ".join(call("produce", "events", *arguments, code=2).output.split())


def test_a_record_with_several_events_is_several_events_to_the_platform(world: World) -> None:
    """Also where Firehose puts another newline behind it."""
    events = [Event("", number, json.dumps(event(f"u{number}")).encode()) for number in range(30)]
    records = [record for record in as_records(events, "event_uuid", 13, MIB) if isinstance(record, OutgoingRecord)]
    world.deliver_bytes(MONDAY, "a", b"".join(record.data + b"\n" for record in records))
    world.load(MONDAY)
    assert [len(record.events) for record in records] == [13, 13, 4]
    assert sorted(world.raw()["event_uuid"]) == sorted(f"u{number}" for number in range(30))
    assert world.raw()["corruption_reason"].null_count() == 30
