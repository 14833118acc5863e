"""A stream record is split into parts, each of which can be dropped without a change of the others."""

import base64
import gzip
import json

import pytest

from event_platform.events.envelope import Envelope, RecordsPath
from event_platform.stream.filter.parts import PartReader, Parts
from event_platform_tests.stream.filter.firehose import NOW, aggregated
from event_platform_tests.support.world import event, ndjson

A, B, C = (json.dumps(event(name, text="}{ \u00e9")).encode() for name in "abc")
READER = PartReader(Envelope())
WRAPPED = PartReader(Envelope(records=RecordsPath((("Records", True),))))
MESSAGES = PartReader(Envelope(records=RecordsPath((("logEvents", True), ("message", False)))))


def ids(parts: Parts) -> list[str]:
    """Return the ids in parts, those of one part joined."""
    return ["".join(each.event_uuid for each in part.events) for part in parts.parts]


@pytest.mark.parametrize(
    ("data", "event_ids", "without_second"),
    [
        pytest.param(A + b"\n" + B + b"\n" + C + b"\n", ["a", "b", "c", ""], A + b"\n" + C + b"\n", id="lines"),
        pytest.param(A + b"\r\n \n" + B, ["a", "", "b"], A + b"\r\n" + B, id="blanks"),
        pytest.param(A + b'\n{"no": "event"}\n' + C, ["a", "", "c"], A + b"\n" + C, id="corrupt"),
    ],
)
def test_lines(data: bytes, event_ids: list[str], without_second: bytes) -> None:
    """Each is a part, with its newline."""
    parts = READER.read(data, NOW)
    assert (ids(parts), parts.without(()), parts.without({1})) == (event_ids, data, without_second)


def test_events_behind_each_other_are_parts() -> None:
    """Where no newline is between them, and no `}{` in them."""
    first, second, third = ndjson(event("a"), event("b"), event("c")).splitlines()
    data = first + second + b"\n" + third
    parts = READER.read(data, NOW)
    assert (ids(parts), parts.without(())) == (["a", "b", "c"], data)
    assert parts.without({0}) == second + b"\n" + third
    assert READER.read(A + B, NOW) == Parts()  # `}{` in a text is cut as well: it cannot be read


def test_aggregated_records_are_parts() -> None:
    """Each with a newline behind it, as they land."""
    parts = READER.read(aggregated([A, B + b"\n", C]), NOW)
    assert [each for each in ids(parts) if each] == ["a", "b", "c"]
    second = ids(parts).index("b")
    assert parts.without({second}) == A + b"\n" + C + b"\n"


def test_gzip_stays_gzip() -> None:
    """What is read of it is what is in it."""
    parts = READER.read(gzip.compress(A + b"\n" + B), NOW)
    assert ids(parts) == ["a", "b"]
    assert gzip.decompress(parts.without({1})) == A + b"\n"


def test_a_wrapper_is_one_part() -> None:
    """With all of its events, in texts and base64 too; with none where one of them is corrupt."""
    assert ids(WRAPPED.read(b'{"Records": [' + A + b"," + B + b"]}\n", NOW)) == ["ab", ""]
    assert ids(WRAPPED.read(b'{"Records": [' + A + b',{"no": "event"}]}', NOW)) == [""]
    assert ids(WRAPPED.read(b'{"other": 1}', NOW)) == [""]
    messages = [{"message": A.decode()}, {"message": base64.b64encode(gzip.compress(B)).decode()}]
    assert ids(MESSAGES.read(gzip.compress(json.dumps({"logEvents": messages}).encode()), NOW)) == ["ab"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        A[:-1],
        A + b"\n" + B[:20],
        A + b", " + B,
        gzip.compress(A, mtime=0)[:-9],
        gzip.compress(A, mtime=0) * 2,
        aggregated([A, b"\xff"]),
        aggregated([A, B])[:-1],
        b'{"a":' * 5_000,
    ],
)
def test_nothing_is_read_of_what_is_damaged(data: bytes) -> None:
    """It has no part that could be dropped."""
    for reader in (READER, WRAPPED):
        assert not any(ids(reader.read(data, NOW)))
