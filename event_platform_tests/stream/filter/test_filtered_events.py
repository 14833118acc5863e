"""What the filter drops is in filtered_events: each event once, whatever is sent again, killed or refused."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from event_platform.doctor.finding import Verdict
from event_platform.doctor.services import check_redeliveries
from event_platform.environment import Environment
from event_platform.events.errors import StorageError
from event_platform.lake.files import scan_files
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.totals import lake_totals
from event_platform.metrics.gauges import Gauge
from event_platform.metrics.lake_samples import lake_samples
from event_platform.pipeline.loading import filtered
from event_platform.pipeline.loading.filtered import FilteredReport, take_filtered
from event_platform.storage.queue import Queue
from event_platform.stream.filter.dead_letters import DeadLetter
from event_platform_tests.defs.automation.requests.ticking import FIRST, carry_out, reconcile, tick
from event_platform_tests.stream.filter.firehose import NOW, SHARD, FilteredStream, record
from event_platform_tests.support.command import call_with, variables
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, rows

A, B, C, D = (json.dumps(event(name)).encode() for name in "abcd")
FILTERED_EVENTS = dg.AssetKey("filtered_events")
NOON = datetime.fromtimestamp(NOW, UTC)


@dataclass
class FilteredWorld(World):
    """A world before which a filter is, and the receipts of messages that somebody has received."""

    stream: FilteredStream = field(kw_only=True)
    receipts: list[str] = field(default_factory=list, kw_only=True)

    @property
    def environment(self) -> Environment:
        """The local environment, with the queue."""
        return Environment(**{**super().environment.__dict__, "redeliveries_queue": self.stream.queue})

    @property
    def settings(self) -> dict[str, str]:
        """The variables that make it the local environment."""
        return {**variables(self), "EVENT_PLATFORM_REDELIVERIES_QUEUE": self.stream.queue}

    def take(self) -> FilteredReport:
        """Take what is in the queue."""
        with self.pipeline() as context:
            return take_filtered(context, Queue(self.stream.queue, "QUEUE"), [MONDAY])

    def send(self, *bodies: str) -> None:
        """Send messages to the queue."""
        for first in range(0, len(bodies), 10):
            batch = enumerate(bodies[first : first + 10])
            entries: Any = [{"Id": f"{number}", "MessageBody": body} for number, body in batch]
            self.stream.sqs.send_message_batch(QueueUrl=self.stream.queue, Entries=entries)

    def come_again(self) -> None:
        """Let messages that were received, and not deleted, be received again: as after two minutes."""
        for receipt in self.receipts:
            try:
                self.stream.sqs.change_message_visibility(
                    QueueUrl=self.stream.queue, ReceiptHandle=receipt, VisibilityTimeout=0
                )
            except ClientError:  # it is deleted
                continue
        self.receipts.clear()

    @property
    def messages(self) -> int:
        """How many messages are in the queue."""
        state = Queue(self.stream.queue, "QUEUE").state()
        return state.waiting_messages + state.received_messages

    @property
    def keys(self) -> list[tuple[str, int]]:
        """The events in the table."""
        return list(rows(self.lake.filtered_events, "record", "number").select("record", "number").iter_rows())


@pytest.fixture
def filtered_world(world: World, stream: FilteredStream, monkeypatch: pytest.MonkeyPatch) -> FilteredWorld:
    """A world and its filter. The server knows at once whether there are messages: nobody waits for one."""
    monkeypatch.setattr(filtered, "_WAIT", 0)
    filtered_world, receive = FilteredWorld(world.root, stream=stream), Queue.receive

    def remembered(queue: Queue, **options: Any) -> Any:
        messages = receive(queue, **options)
        filtered_world.receipts += [message["ReceiptHandle"] for message in messages]
        return messages

    monkeypatch.setattr(Queue, "receive", remembered)
    return filtered_world


def letter(number: int, arrived_at: datetime = NOON) -> str:
    """Return a message of the filter."""
    return DeadLetter(
        event_uuid=f"e{number}",
        record=f"{SHARD}:{number}",
        number=0,
        arrived_at=arrived_at,
        survivor=f"{SHARD}:0",
        survivor_seen_at=arrived_at,
        body=json.dumps(event(f"e{number}")),
    ).message


def test_a_survivor_that_the_lake_cannot_read_is_found_by_its_redelivery(filtered_world: FilteredWorld) -> None:
    """With the query on the page, and landed again: here the object begins with a damaged record."""
    damaged = gzip.compress(b"".join(b"%d" % number for number in range(9_000)), mtime=0)[:-99]
    landed = [filtered_world.stream.call(each)[0] for each in (record(1, damaged), record(2, A), record(3, A))]
    assert landed == [damaged, A, None]
    filtered_world.deliver_bytes(MONDAY, "a", damaged + b"\n" + A + b"\n")
    page = (PROJECT / "docs" / "how-to" / "stream-filter.md").read_text(encoding="utf-8")
    (query,) = re.findall(r'query --json "(.*anti join.*)"', page)
    call_with(filtered_world.settings, "run")
    missing = json.loads(call_with(filtered_world.settings, "query", "--json", query))
    assert [each["body"].encode() for each in missing] == [A]
    filtered_world.deliver_bytes(MONDAY, "b", A)
    call_with(filtered_world.settings, "run")
    assert json.loads(call_with(filtered_world.settings, "query", "--json", query)) == []


def test_what_was_sent_has_landed_or_is_filtered(filtered_world: FilteredWorld) -> None:
    """By commands, from the stream to the page: an invocation whose answer was lost is repeated, a message doubled."""
    first = filtered_world.stream.call(record(1, A), record(2, B + b"\n" + C))
    again = [record(3, A), record(4, B + b"\n" + D + b"\n" + B)]
    assert filtered_world.stream.call(*again) == filtered_world.stream.call(*again) == [None, D + b"\n"]
    filtered_world.deliver_bytes(MONDAY, "a", b"\n".join(each for each in (*first, D) if each))
    filtered_world.send(letter(7, NOON + timedelta(days=1)), letter(7, NOON + timedelta(days=1)))
    assert filtered_world.messages == 8
    waiting = json.loads(call_with(filtered_world.settings, "status", "--json", code=1).splitlines()[-1])
    assert (waiting["sent"], waiting["completeness"]["waiting_redeliveries"]) == (0, 8)
    printed = call_with(filtered_world.settings, "run")
    assert "balanced: nothing is lost" in printed
    assert ["sent", "8"] in [line.split() for line in printed.splitlines()]
    totals = json.loads(call_with(filtered_world.settings, "status", "--json").splitlines()[-1])
    assert (totals["sent"], totals["landed"], totals["filtered"]) == (8, 4, 4)  # with the one of Tuesday
    assert [
        (day["arrival_date"], day["sent"], day["landed"], day["filtered"]) for day in totals["by_arrival_date"]
    ] == [
        (str(MONDAY), 7, 4, 3),
        (str(TUESDAY), 1, 0, 1),
    ]
    assert filtered_world.messages == totals["completeness"]["waiting_redeliveries"] == 0
    filtered_rows = rows(filtered_world.lake.filtered_events, "record", "number")
    assert filtered_rows["body"].to_list()[:3] == [A.decode(), B.decode(), B.decode()]
    assert filtered_rows.select("record", "number", "event_uuid", "survivor").rows()[:3] == [
        (f"{SHARD}:3", 0, "a", f"{SHARD}:1"),
        (f"{SHARD}:4", 0, "b", f"{SHARD}:2"),
        (f"{SHARD}:4", 2, "b", f"{SHARD}:2"),
    ]
    assert filtered_rows["survivor_seen_at"].to_list()[0] == filtered_rows["arrived_at"].to_list()[0] == NOON
    samples = list(lake_samples(filtered_world.lake, filtered_world.catalog, filtered_world.environment))
    assert [sample.value for sample in samples if sample.gauge is Gauge.FILTERED] == [4]
    assert next(sample.value for sample in samples if sample.labels == ("filtered_events",)) == 4
    page = (filtered_world.root / "lake" / "reports" / "quality" / "index.html").read_text(encoding="utf-8")
    assert "sent = landed + filtered" in page
    assert "7 = 4 + 3 <b>✓</b>" in page
    assert "body: " + A.decode() in call_with(filtered_world.settings, "query", "select body from filtered_events")
    assert "verified: " in call_with(filtered_world.settings, "status", "--verify")
    assert lake_totals(filtered_world.lake, filtered_world.catalog).keys().isdisjoint({"sent", "filtered"})


def test_a_run_takes_messages_also_where_nothing_has_landed(filtered_world: FilteredWorld, today: date) -> None:
    """As does the daily reconciliation, by a run of today; without any, neither does anything."""
    instance = dg.DagsterInstance.ephemeral()
    assert reconcile(filtered_world, instance).run_requests == []
    filtered_world.send(letter(1))
    (request,) = reconcile(filtered_world, instance).run_requests or []
    assert request.tags[FIRST] == str(today)
    assert FILTERED_EVENTS in (request.asset_selection or [])
    call_with(filtered_world.settings, "run")
    assert (filtered_world.keys, filtered_world.messages) == ([(f"{SHARD}:1", 0)], 0)
    assert "starting Dagster" not in call_with(filtered_world.settings, "run")


def test_a_run_that_the_landing_sensor_asks_for_takes_messages(filtered_world: FilteredWorld, today: date) -> None:
    """Beside what has landed; Dagster has the events that it took by the days on which they arrived."""
    filtered_world.deliver(today, "a", event("a", today))
    filtered_world.send(letter(1), letter(2, NOON + timedelta(days=1)))
    instance = dg.DagsterInstance.ephemeral()
    carry_out(filtered_world, tick(filtered_world, "landing_sensor", instance), instance)
    assert (len(filtered_world.keys), filtered_world.messages) == (2, 0)
    records = instance.fetch_materializations(FILTERED_EVENTS, limit=10).records
    materializations = [each.asset_materialization for each in records if each.asset_materialization]
    assert {each.partition: each.metadata["events_taken"].value for each in materializations} == {
        str(today): 0,
        str(MONDAY): 1,
        str(TUESDAY): 1,
    }


def test_without_the_queue_there_is_neither_asset_nor_table(filtered_world: FilteredWorld) -> None:
    """Nor with it unless somebody takes; its name is not for other assets."""
    assert "filtered_events" in {
        key.to_user_string() for key in filtered_world.definitions().resolve_asset_graph().get_all_asset_keys()
    }
    without = World(filtered_world.root)
    without.deliver(MONDAY, "a", event("a"))
    without.materialize(MONDAY)
    assert "filtered_events" not in without.lake.names()


def fail(*_: Any, **__: Any) -> Any:
    """Fail as a store does."""
    raise StorageError("made up")


@pytest.mark.parametrize("step", ["receive", "read", "commit", "delete", "half of delete"])
def test_whatever_fails_the_next_run_has_the_same_rows(
    filtered_world: FilteredWorld, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is deleted that is not committed, and what is committed is not committed again."""
    letters = [letter(number, NOON + timedelta(seconds=number)) for number in range(25)]
    filtered_world.send(*letters)
    received, deleted = Queue.receive, Queue._delete
    calls = iter(range(100))

    def on_the_third(queue: Queue, *arguments: Any, **options: Any) -> Any:
        call = deleted if arguments else received
        return fail() if next(calls) == 2 else call(queue, *arguments, **options)

    with monkeypatch.context() as broken:
        if step == "receive":
            broken.setattr(Queue, "receive", on_the_third)
        elif step == "read":
            broken.setattr(filtered, "_append", fail)
        elif step == "commit":
            broken.setattr(TableCommit, "_commit", fail)
        else:
            broken.setattr(Queue, "_delete", fail if step == "delete" else on_the_third)
        with pytest.raises(StorageError, match="made up"):
            filtered_world.take()
    committed = step in {"delete", "half of delete"}
    assert len(filtered_world.keys) == (25 if committed else 0)
    assert filtered_world.messages == (5 if step == "half of delete" else 25)
    version = filtered_world.lake.filtered_events.snapshot().version
    filtered_world.come_again()
    filtered_world.send(letters[3])
    report = filtered_world.take()
    assert (len(filtered_world.keys), len({*filtered_world.keys}), filtered_world.messages) == (25, 25, 0)
    assert report.events.total() == (0 if committed else 25)
    assert (filtered_world.lake.filtered_events.snapshot().version == version) is committed


#: Takes messages in a process that is killed once their events are committed. It receives one batch.
KILLED = """
import os, signal
from concurrent.futures import ThreadPoolExecutor
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.loading import filtered
from event_platform.pipeline.opening import open_lake
from event_platform.stream.redeliveries import redeliveries_queue
filtered._HIDDEN, filtered._MOST_MESSAGES = 0, 1
filtered.Queue.delete = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
queue = redeliveries_queue(os.environ["EVENT_PLATFORM_REDELIVERIES_QUEUE"])
filtered.take_filtered(PipelineContext(open_lake(os.environ["EVENT_PLATFORM_LAKE"]), ThreadPoolExecutor(1)), queue, [])
"""


def test_a_run_that_is_killed_between_commit_and_delete_is_made_good(filtered_world: FilteredWorld) -> None:
    """The next one finds the events in the table, and deletes their messages."""
    filtered_world.send(letter(1), letter(2))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], env={**os.environ, **filtered_world.settings}, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (len(filtered_world.keys), filtered_world.messages) == (2, 2)
    assert filtered_world.take().events.total() == 0
    assert (len(filtered_world.keys), filtered_world.messages) == (2, 0)


def test_two_runs_at_once_take_each_event_once(filtered_world: FilteredWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same messages, doubled: the second to commit finds what the first one did."""
    filtered_world.send(*map(letter, range(5)))
    append, is_first = filtered._append, iter([True])

    def meanwhile(*arguments: Any) -> None:
        if next(is_first, False):
            filtered_world.send(*map(letter, range(7)))
            assert filtered_world.take().events.total() == 7
        append(*arguments)

    monkeypatch.setattr(filtered, "_append", meanwhile)
    assert filtered_world.take().events.total() == 0
    assert (len(filtered_world.keys), filtered_world.messages) == (7, 0)


def test_a_writer_in_between_is_a_conflict_and_no_double(
    filtered_world: FilteredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the table was looked at before it committed."""
    filtered_world.send(letter(1))
    read_keys: Callable[..., Any] = filtered._existing_keys
    is_first = iter([True])

    def meanwhile(*arguments: Any) -> Any:
        keys = read_keys(*arguments)
        if next(is_first, False):
            filtered_world.send(letter(1), letter(2))
            filtered_world.take()
        return keys

    monkeypatch.setattr(filtered, "_existing_keys", meanwhile)
    filtered_world.take()
    assert (filtered_world.keys, filtered_world.messages) == ([(f"{SHARD}:1", 0), (f"{SHARD}:2", 0)], 0)


FOREIGN = ["not JSON \u202e", "{}", json.dumps({**json.loads(letter(1)), "number": "0"}), "[" * 100_000]


def test_a_message_of_somebody_else_stays_and_is_said(filtered_world: FilteredWorld) -> None:
    """By the run, by status and by doctor; the messages around it are taken."""
    filtered_world.send(letter(1), *FOREIGN, letter(2))
    filtered_world.send(json.dumps({**json.loads(letter(3)), "arrived_at": "0001-01-01T00:00:00+09:00"}))
    printed = call_with(filtered_world.settings, "run")
    assert printed.count("is left there: not a message of the filter: ") == 5
    assert "\u202e" not in printed
    assert (len(filtered_world.keys), filtered_world.messages) == (2, 5)
    filtered_world.come_again()
    assert "about 5 messages in the queue of redeliveries" in call_with(filtered_world.settings, "status")
    assert filtered_world.take().events.total() == 0
    filtered_world.come_again()
    finding = check_redeliveries(filtered_world.stream.queue)
    assert finding.verdict is Verdict.BAD
    assert "of which one is not a message of the filter: " in finding.found
    assert filtered_world.messages == 5


def test_a_queue_that_does_not_answer_fails_its_asset_alone(filtered_world: FilteredWorld) -> None:
    """What landed is loaded; the run and status say why, and end with 1."""
    filtered_world.deliver(MONDAY, "a", event("a"))
    filtered_world.stream.queue += "-elsewhere"
    printed = call_with(filtered_world.settings, "run", code=1)
    assert "NonExistentQueue" in printed
    assert "allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes on it" in printed
    assert lake_totals(filtered_world.lake, filtered_world.catalog)["typed"] == 1
    assert "the queue of redeliveries does not answer" in call_with(filtered_world.settings, "status", code=1)


def test_what_is_read_to_find_doubles_is_what_came_about_then(
    filtered_world: FilteredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files the day has."""
    hours = [[letter(10 * hour + n, NOON + timedelta(hours=hour, seconds=n)) for n in range(3)] for hour in range(3)]
    file_counts = list[int]()

    def counted(table: Any, files: Any, schema: Any) -> Any:
        file_counts.append(len(files))
        return scan_files(table, files, schema)

    monkeypatch.setattr(filtered, "scan_files", counted)
    for hour in hours:
        filtered_world.send(*hour)
        filtered_world.take()
    filtered_world.send(letter(99, NOON - timedelta(hours=1)), hours[1][1], letter(98, NOON + timedelta(hours=9)))
    filtered_world.take()
    assert file_counts == [0, 0, 0, 1]
    assert len(filtered_world.keys) == 11


def test_a_queue_of_many_is_taken_in_some_commits(
    filtered_world: FilteredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several requests at a time; each event once."""
    monkeypatch.setattr(filtered, "_MOST_MESSAGES", 60)
    monkeypatch.setattr(filtered, "THREADS", 3)
    filtered_world.send(*map(letter, range(150)), *map(letter, range(20)))
    before = filtered_world.lake.filtered_events.snapshot_to_write().version
    filtered_world.take()
    assert (len(filtered_world.keys), len({*filtered_world.keys}), filtered_world.messages) == (150, 150, 0)
    assert 1 < filtered_world.lake.filtered_events.snapshot().version - before <= 4
