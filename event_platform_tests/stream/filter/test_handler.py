"""The Lambda as Firehose calls it, with DynamoDB and SQS: what is delivered, dropped, and in the queue."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from event_platform.stream.filter import handler as module
from event_platform.stream.filter.handler import handler, open_filter
from event_platform.stream.filter.seen import RETENTION
from event_platform_tests.stream.filter.firehose import (
    NOW,
    SHARD,
    Context,
    FilteredStream,
    aggregated,
    direct_put,
    invocation,
    record,
)
from event_platform_tests.support.world import event

A, B, C = (json.dumps(event(name)).encode() for name in "abc")


def test_a_redelivery_is_dropped_and_in_the_queue_with_its_survivor(stream: FilteredStream) -> None:
    """Only after it was seen in another stream record; the queue has the event itself."""
    assert stream.call(record(1, A), record(2, B)) == [A, B]
    assert stream.letters() == []
    assert stream.call(record(3, A + b"\n")) == [None]
    assert stream.letters() == [
        {
            "event_uuid": "a",
            "record": f"{SHARD}:3",
            "number": 0,
            "arrived_at": "2025-06-02T12:00:00Z",
            "survivor": f"{SHARD}:1",
            "survivor_seen_at": "2025-06-02T12:00:00Z",
            "body": A.decode(),
        }
    ]


def test_a_repeated_invocation_delivers_the_same(stream: FilteredStream) -> None:
    """Whatever became of the first answer, and also if another invocation has come in between."""
    batch = [record(1, A), record(2, A), record(3, B)]
    assert stream.call(*batch) == [A, None, B]
    assert stream.call(record(4, B)) == [None]
    assert stream.call(*batch) == [A, None, B]
    assert stream.call(batch[0]) == [A]


def test_the_same_id_with_another_body_is_for_the_lake(stream: FilteredStream) -> None:
    """A conflict is a producer's bug, which people want to see; a blank around the body is no other body."""
    other = json.dumps(event("a", version=2)).encode()
    assert stream.call(record(1, A), record(2, other), record(3, b" " + A + b"\r\n")) == [A, other, None]
    assert stream.call(record(4, other), record(5, A)) == [other, None]


def test_a_record_of_many_loses_what_is_redelivered(stream: FilteredStream) -> None:
    """The bytes of the others are unchanged; what is twice in one record stays once."""
    assert stream.call(record(1, B)) == [B]
    assert stream.call(record(2, A + b"\n" + B + b"\n\n" + C + b" \n" + A)) == [A + b"\n\n" + C + b" \n"]
    letters = stream.letters()
    assert sorted((letter["event_uuid"], letter["number"], letter["survivor"]) for letter in letters) == [
        ("a", 3, f"{SHARD}:2"),
        ("b", 1, f"{SHARD}:1"),
    ]
    assert stream.call(record(3, aggregated([A, b'{"event_uuid": null}', C]))) == [b'{"event_uuid": null}\n']
    (data,) = stream.call(record(4, gzip.compress(A + b"\n" + json.dumps(event("d")).encode())))
    assert json.loads(gzip.decompress(data or b""))["event_uuid"] == "d"


def test_whatever_cannot_be_read_is_delivered_as_it_is(stream: FilteredStream) -> None:
    """Twice as well: damage, what is no event, and events whose time is yet to come; each byte of them."""
    future = json.dumps({**event("f"), "created_at": NOW + 90_000}).encode()
    poison = [b"", b"\x00\xff", A[:-1], b"[]", b"{}", gzip.compress(A)[:-9], A + b"\n{", future, b'{"a":' * 9_999]
    records = [record(number, data) for number, data in enumerate([*poison, *poison], start=1)]
    records.append({**record(99, b""), "data": "no base64!"})
    answer = handler(invocation(*records), Context())
    assert [each["data"] for each in answer["records"]] == [each["data"] for each in records]
    assert {each["result"] for each in answer["records"]} == {"Ok"}
    assert stream.letters() == []


def test_records_without_a_sequence_number_are_delivered(stream: FilteredStream) -> None:
    """Put into Firehose directly, a repeated one cannot be told from a redelivery."""
    without_time = {name: value for name, value in record(1, A).items() if name != "approximateArrivalTimestamp"}
    assert stream.call(direct_put(1, A), direct_put(2, A), without_time, without_time) == [A] * 4
    assert stream.call(record(2, A)) == [A]


def test_ids_are_forgotten_after_seven_days(stream: FilteredStream) -> None:
    """By the clock, though DynamoDB deletes them when it comes to it; whoever passes then is the survivor."""
    assert stream.call(record(1, A)) == [A]
    stream.now += RETENTION.total_seconds() - 1
    assert stream.call(record(2, A)) == [None]
    stream.now += 1
    assert stream.call(record(3, A), record(4, A)) == [A, None]
    assert stream.call(record(3, A), record(1, A)) == [A, None]
    (item,) = stream.dynamodb.scan(TableName=stream.table)["Items"]
    assert int(item["expires_at"]["N"]) == stream.now + RETENTION.total_seconds()


def test_what_the_queue_does_not_take_is_delivered(stream: FilteredStream) -> None:
    """Because it is not there, or because the event is too large for it."""
    large = json.dumps(event("l", text="x" * 300_000)).encode()
    assert stream.call(record(1, large), record(2, A)) == [large, A]
    assert stream.call(record(3, large), record(4, A)) == [large, None]
    stream.sqs.delete_queue(QueueUrl=stream.queue)
    assert stream.call(record(5, A)) == [A]


def test_without_a_table_everything_is_delivered(
    stream: FilteredStream,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Metrics say how many events were not decided on, and the log why; also where the function is set up wrongly."""
    stream.dynamodb.delete_table(TableName=stream.table)
    assert stream.call(record(1, A), record(2, A + b"\n" + B)) == [A, A + b"\n" + B]
    assert metrics(capsys) == {"Events": 3, "Dropped": 0, "Undecided": 3}
    assert "of 2 calls 0 took too long and 2 failed: ResourceNotFoundException" in caplog.text
    monkeypatch.undo()
    assert stream.call(record(1, A)) == [A]
    assert metrics(capsys) == {"Events": 1, "Dropped": 0, "Undecided": 1}
    assert "an invocation of 1 records is delivered unfiltered" in caplog.text


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    """Return what CloudWatch reads in the last line of the log."""
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    (group,) = printed["_aws"]["CloudWatchMetrics"]
    assert group["Dimensions"] == [["FunctionName"]]
    return {metric["Name"]: printed[metric["Name"]] for metric in group["Metrics"]}


@contextmanager
def dynamodb_that(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[str]]]:
    """Run a server, and yield its address and the paths that were asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def at(stream: FilteredStream, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What lets the handler talk to a DynamoDB at another address."""

    def use(endpoint: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        opened = open_filter.__wrapped__()
        monkeypatch.setattr(module, "open_filter", lambda: opened)

    return use


def test_nobody_waits_for_a_table_that_does_not_answer(stream: FilteredStream, at: Callable[[str], None]) -> None:
    """What has no answer when time is up is delivered; with no time left nothing is asked."""
    released = threading.Event()

    def be_silent(_: BaseHTTPRequestHandler) -> None:
        released.wait()

    with dynamodb_that(be_silent) as (endpoint, paths):
        at(endpoint)
        assert stream.call(record(1, A), record(2, A), seconds=5) == [A, A]
        assert paths == []
        assert stream.call(record(1, A), record(2, B), seconds=5.2) == [A, B]
        released.set()


def test_what_is_throttled_is_delivered(stream: FilteredStream, at: Callable[[str], None]) -> None:
    """After one more try."""

    def throttle(request: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}).encode()
        request.send_response(400)
        request.send_header("Content-Length", f"{len(body)}")
        request.end_headers()
        request.wfile.write(body)

    assert stream.call(record(1, A)) == [A]
    with dynamodb_that(throttle) as (endpoint, paths):
        at(endpoint)
        assert stream.call(record(2, A), record(3, A)) == [A, A]
        assert len(paths) == 2
