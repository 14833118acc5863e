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


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        *(("event_uuid", written, None) for written in ["null", "7", "1.5", "true", "{}", '["u"]']),
        ("event_uuid", '""', ""),
        ("event_uuid", r'"\u0061\ud83d\ude00\u0000"', "a\U0001f600\0"),
        ("event_name", "null", None),
        *(("event_name", written, NAME_OF_WRONG_TYPE) for written in ["7", "true", "{}", '["x"]']),
        ("event_name", '""', ""),
        ("created_at", "null", None),
        *(
            ("created_at", written, float("nan"))
            for written in ['"1748865600"', "true", "{}", "[1]", "1e400", "-1e400"]
        ),
        ("created_at", "9" * 400, float("inf")),
        ("created_at", "123456789012345678901234567890", 123456789012345678901234567890.0),
        ("created_at", "-1.25E2", -125.0),
    ],
)
def test_a_value_is_read_alike_among_sound_records_and_damaged_ones(field: str, written: str, value: Any) -> None:
    """Whole, by the lines around damage, or by itself: none of these is a fault of form."""
    record = A.replace(f'"{field}": {json.dumps(event("a")[field])}', f'"{field}": {written}')
    for data in (record, f"{B}\n{record}\n{C}", f"{B}{record}{C}", f"{{broken\n{record}"):
        frame = READER.read(data.encode()).filter(body=record)
        assert repr(frame.select(field, "fault").rows()) == repr([(value, None)])


@pytest.mark.parametrize("unit", [TimeUnit.SECONDS, TimeUnit.MILLISECONDS, TimeUnit.MICROSECONDS])
def test_a_time_is_given_as_it_is_written(unit: TimeUnit) -> None:
    """The unit is for the rules to apply."""
    frame = EnvelopeReader(Envelope(unit=unit)).read(b'{"created_at": 1748865600123}{"created_at": 0.5}')
    assert frame["created_at"].to_list() == [1748865600123.0, 0.5]


def test_of_a_key_written_twice_the_last_counts() -> None:
    """As most JSON readers have it; the body keeps both."""
    twice = A.replace("{", '{"event_uuid": "first", ', 1)
    assert uuids(twice) == ["a"]
    assert uuids(f"{twice}\n{{broken") == ["a", None]


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


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        pytest.param(b'{"plan": "\xff"}', "not_utf8", id="a byte that never occurs"),
        pytest.param(b'{"\xc3": 1}', "not_utf8", id="half a letter in a key"),
        pytest.param(b'{"plan": "\xed\xa0\x80"}', "not_utf8", id="a surrogate as bytes"),
        pytest.param(b'{"plan": "\xc0\x80"}', "not_utf8", id="a NUL in two bytes"),
        pytest.param(b"{broken \xff}", "not_utf8", id="neither UTF-8 nor JSON"),
        pytest.param(rb'{"plan": "\ud800"}', "not_json", id="a lone surrogate"),
        pytest.param(rb'{"\udc00": 1}', "not_json", id="a lone surrogate in a key"),
        pytest.param(b'{"plan": NaN}', "not_json", id="NaN"),
        pytest.param(b'{"created_at": -Infinity}', "not_json", id="infinity"),
        pytest.param(b'{"created_at": 01}', "not_json", id="a leading zero"),
        pytest.param(b'{"plan": "a\tb"}', "not_json", id="a tab in a text"),
        pytest.param(b'{"plan": "\0"}', "not_json", id="a NUL in a text"),
        pytest.param(b"{'plan': 1}", "not_json", id="quotes of Python"),
        pytest.param(b'{"plan": 1,}', "not_json", id="a comma too many"),
        pytest.param(b'[{"event_uuid": "a"}]', "not_an_object", id="an array"),
        pytest.param(b'"{}"', "not_an_object", id="a text"),
        pytest.param(b"-1.5e3", "not_an_object", id="a number"),
        pytest.param(b"true", "not_an_object", id="a truth value"),
        pytest.param(b"null", "not_an_object", id="null"),
    ],
)
def test_a_fault_of_form_has_its_reason_and_no_values(record: bytes, fault: str) -> None:
    """Also where it is in a field that is not looked at, and in a record that has all it needs."""
    if record.startswith(b'{"'):
        record = A.encode()[:-1] + b", " + record[1:]
    (_, *values, found) = READER.read(record).row(0)
    assert (values, found) == ([None] * 3, fault)
    assert faults(b"\n".join([A.encode(), record, B.encode()])) == [None, fault, None]
    assert faults(b"".join([A.encode(), record, B.encode()])) == [None, fault, None]


def test_a_record_beyond_what_the_stream_takes_is_cut_and_its_neighbours_are_whole() -> None:
    """Up to 10 MiB a record is sound, to the byte; of a longer one 4 KiB are kept."""
    sound = A[:-1] + ', "more": "' + "x" * ((10 << 20) - len(A.encode()) - len(', "more": ""')) + '"}'
    large = sound.replace("x", "xx", 1)
    for delimiter in ("\n", ""):
        frame = READER.read(delimiter.join([B, sound, large, C]).encode())
        assert frame["fault"].to_list() == [None, None, "record_too_large", None]
        assert frame["body"].str.len_bytes().to_list()[1:3] == [10 << 20, 4096]
        assert frame["event_uuid"].to_list() == ["b", "a", None, "c"]


def test_the_order_is_that_of_the_object() -> None:
    """Across the pieces in which an object with damage is read."""
    records = [json.dumps(event(str(number))) if number % 7 else f"{{{number}" for number in range(1_000)]
    found = READER.read("\n".join(records).encode())
    assert found["body"].to_list() == records
    assert found["event_uuid"].to_list() == [str(number) if number % 7 else None for number in range(1_000)]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ('{"type": "a", "p": {"sub": "b"}, "more": "c"}', "a:b:c"),
        ('{"type": "a", "p": {"sub": null}, "more": "c"}', "a:c"),
        ('{"p": {"sub": "b"}}', "b"),
        ('{"type": "a", "p": {}, "more": ""}', "a:"),
        ('{"type": "a", "p": null}', "a"),
        ('{"type": "a", "p": "sub", "p.sub": "b"}', "a"),
        ('{"type": "a", "p": {"sub": 7}, "more": "c"}', f"a:{NAME_OF_WRONG_TYPE}:c"),
        ('{"type": "a:b", "more": "c"}', "a:b:c"),
        ("{}", None),
    ],
)
def test_parts_of_a_name_are_joined(record: str, name: str | None) -> None:
    """Absent and null parts are left out; an empty one and one of a wrong type are there, and make no valid name."""
    reader = EnvelopeReader(Envelope(event_name=(("type",), ("p", "sub"), ("more",))))
    for data in (record, f"{record}\n{{broken", f'{record}\n{{"type": 7}}'):
        assert reader.read(data.encode())["event_name"][0] == name


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


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([A.encode(), B.encode(), C.encode(), *DAMAGED]), max_size=300),
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n\t"]),
)
def test_a_damaged_record_costs_its_neighbours_nothing(records: list[bytes], delimiter: bytes) -> None:
    """Many records are read as each by itself."""
    together = READER.read(delimiter.join(records)).rows()
    assert repr(together) == repr([row for record in records for row in READER.read(record).rows()])


#: Of what is damaged, that which shows where it ends without a delimiter.
CLOSED = [
    b"{broken}",
    b"{}",
    b'{"event_uuid": "x", "plan": "\xff"}',
    b'{"a": "\\ud800"}',
    b'{"event_uuid": 7}',
    b'{"plan": NaN}',
    b'{"plan": "open}',
    json.dumps(event("t", plan='}{"')).encode(),
]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([A.encode(), B.encode(), *CLOSED]), st.sampled_from([b"", b"", b"\n", b"\r\n"])))
)
def test_nor_does_it_where_now_and_then_nothing_stands_between(pieces: list[tuple[bytes, bytes]]) -> None:
    """Objects of which some are damaged inside, with or without delimiters."""
    together = READER.read(b"".join(record + delimiter for record, delimiter in pieces)).rows()
    assert repr(together) == repr([row for record, _ in pieces for row in READER.read(record).rows()])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=12), max_size=20))
def test_no_bytes_make_the_reader_fail(lines: list[bytes]) -> None:
    """Every line that is not blank becomes a record, at least one; a byte order mark is no line."""
    data = b"\n".join(lines).removeprefix(b"\xef\xbb\xbf")
    assert READER.read(data).height >= sum(bool(line.strip()) for line in data.split(b"\n"))


def test_deep_nesting_is_a_fault_of_one_record() -> None:
    """However deep, and wherever."""
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert faults(b"\n".join([A.encode(), deep, B.encode()])) == [None, "not_json", None]
