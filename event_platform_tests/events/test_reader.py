"""The bytes of an object become records, one row each, in order, whatever stands between them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.reader import NAME_OF_WRONG_TYPE, EnvelopeReader
from event_platform_tests.world import event

READER = EnvelopeReader(Envelope())
A, B, C = (json.dumps(event(uuid, plan="añ 猫")) for uuid in "abc")


def uuids(data: str | bytes) -> list[str | None]:
    """Return the uuids of an object's records."""
    return READER.read(data if isinstance(data, bytes) else data.encode())["event_uuid"].to_list()


def faults(data: bytes) -> list[str | None]:
    """Return the faults of form of an object's records."""
    return READER.read(data)["fault"].to_list()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{A}\n{B}\n{C}\n", id="newlines"),
        pytest.param(f"{A}\n{B}\n{C}", id="no newline at the end"),
        pytest.param(f"{A}\r\n{B}\r\n{C}\r\n", id="CRLF"),
        pytest.param(f"{A}{B}{C}", id="nothing between them"),
        pytest.param(f"{A}{B}\n{C}", id="now and then a newline"),
        pytest.param(f"{A} {B}\t{C}", id="blanks"),
        pytest.param(f"\n\n{A}\n\n \n{B}\n{C}\n\n", id="empty lines"),
        pytest.param(f"\ufeff{A}\n{B}\n{C}\n", id="a byte order mark"),
        pytest.param(f"  {A}  \n\t{B}\n {C} ", id="blanks around"),
    ],
)
def test_records_are_found_whatever_stands_between_them(data: str) -> None:
    """And their bodies are what was written."""
    frame = READER.read(data.encode())
    assert frame["body"].to_list() == [A, B, C]
    assert frame["event_uuid"].to_list() == ["a", "b", "c"]
    assert frame["fault"].null_count() == 3


def test_nothing_is_no_record() -> None:
    """Nor are blanks."""
    assert uuids("") == uuids("\n \r\n") == []


def test_a_brace_pair_inside_a_text_separates_nothing() -> None:
    """Neither in a stream without delimiters, nor beside one that has them."""
    tricky = json.dumps(event("t", plan='}{"event_uuid": "no"}{'))
    for data in (f"{tricky}{A}", f"{tricky}\n{A}", f"{A}{tricky}{{"):
        assert set(uuids(data)) - {None} == {"t", "a"}


def test_a_record_over_several_lines_is_not_taken_for_one() -> None:
    """Landing holds a record a line: each piece is corrupt, and its neighbours are sound."""
    pretty = json.dumps(event("p"), indent=1)
    frame = READER.read(f"{A}\n{pretty}\n{B}\n".encode())
    assert frame["event_uuid"].to_list()[:: frame.height - 1] == ["a", "b"]
    assert frame["fault"].null_count() == 2


def test_values_that_are_none_are_told_from_values_of_a_wrong_type() -> None:
    """The rules say which reason that is."""
    frame = READER.read(b'{"event_uuid":1,"event_name":2,"created_at":"3"}\n{"event_name":null}\n')
    assert frame["event_uuid"].to_list() == [None, None]
    assert frame["event_name"].to_list() == [NAME_OF_WRONG_TYPE, None]
    assert frame["created_at"].is_nan().to_list() == [True, None]


def test_an_envelope_may_be_deep_and_its_name_in_parts() -> None:
    """Parts that are absent are left out; what is no object on the way is absent, too."""
    envelope = Envelope(("head", "id"), (("type",), ("payload", "action")), ("at",), TimeUnit.ISO8601)
    records: list[dict[str, Any]] = [
        {"head": {"id": "1"}, "type": "Push", "at": "2025-06-02T12:00:00Z"},
        {"head": {"id": "2"}, "type": "Issues", "payload": {"action": "opened", "x": 1}, "at": 7},
        {"head": 3, "type": "Fork", "payload": ["action"]},
    ]
    for order in (records, records[:1], records[::-1]):
        frame = EnvelopeReader(envelope).read("\n".join(map(json.dumps, order)).encode())
        expected = {"Push": ("1", "2025-06-02T12:00:00Z"), "Issues:opened": ("2", ""), "Fork": (None, None)}
        assert {name: rest for name, *rest in frame.select("event_name", "event_uuid", "created_at").rows()} == {
            name: list(expected[name]) for name in frame["event_name"]
        }


DAMAGED = [
    b"{broken",
    b"[1]",
    b"7",
    b"null",
    A.encode()[:-5],
    b'{"event_uuid": "x", "plan": "\xff"}',
    b'{"a": "\\ud800"}',
    b'{"event_uuid": 7}',
    b"{" * 2_000,
    b"}",
    b"{}x",
]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([A.encode(), B.encode(), C.encode(), *DAMAGED]), max_size=300),
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n\t"]),
)
def test_a_damaged_record_costs_its_neighbours_nothing(records: list[bytes], delimiter: bytes) -> None:
    """Many records are read as each by itself."""
    together = READER.read(delimiter.join(records)).rows()
    assert repr(together) == repr([row for record in records for row in READER.read(record).rows()])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=12), max_size=20))
def test_no_bytes_make_the_reader_fail(lines: list[bytes]) -> None:
    """Every line that is not blank becomes a record, at least one; a byte order mark is no line."""
    data = b"\n".join(lines).removeprefix(b"\xef\xbb\xbf")
    assert READER.read(data).height >= sum(bool(line.strip()) for line in data.split(b"\n"))


def test_deep_nesting_is_a_fault_of_one_record() -> None:
    """However deep, and wherever."""
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert faults(b"\n".join([A.encode(), deep, B.encode()])) == [None, "not_json", None]
