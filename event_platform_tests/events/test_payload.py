"""Bodies of one event type become typed columns; what does not fit is kept in `_rescued`, and nothing is cast."""

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.catalog import EventType
from event_platform.events.columns import parse_columns
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader
from event_platform_tests.exact import read_exactly
from event_platform_tests.fidelity import lost

SCHEMA: dict[str, Any] = {
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "score": {"type": "number"},
        "right": {"type": "boolean"},
        "at": {"type": "string", "format": "date-time"},
        "on": {"type": "string", "format": "date"},
        "@tag": {"type": "string", "x-column": "tag"},
        "device": {
            "type": "object",
            "properties": {
                "os": {"type": "string"},
                "screen": {"type": "object", "properties": {"width": {"type": "integer"}}},
            },
        },
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "answers": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "integer"}, "words": {"type": "array", "items": {"type": "string"}}},
            },
        },
        "any": {},
    }
}
COLUMNS = parse_columns(SCHEMA, "properties", [])
TYPE = EventType("lesson:started", "lesson_started", COLUMNS)
READER = PayloadReader(TYPE, Envelope())
HEAD = '"event_uuid": "u", "event_name": "lesson:started", "created_at": 1'
NOON = datetime(2025, 6, 2, 12, tzinfo=UTC)


def read(*payloads: str) -> list[dict[str, Any]]:
    """Return the rows of events with these insides; columns without a value are left out."""
    bodies = pl.Series([f"{{{HEAD}{', ' if payload else ''}{payload}}}" for payload in payloads], dtype=pl.String)
    frame = READER.read(bodies)
    assert frame.schema == {**{c.name: c.dtype for c in COLUMNS if c.name != "any"}, "_rescued": pl.String}
    return [{name: value for name, value in row.items() if value is not None} for row in frame.to_dicts()]


@pytest.mark.parametrize(
    ("payload", "row"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param('"text": "añ\\u00f1 \\" 猫"', {"text": 'aññ " 猫'}, id="text"),
        pytest.param('"text": ""', {"text": ""}, id="empty text"),
        pytest.param('"text": "\\u0000"', {"text": "\0"}, id="text that holds a NUL"),
        pytest.param('"text": "a \\":1 b"', {"text": 'a ":1 b'}, id="text that looks like a key"),
        pytest.param('"count": 7', {"count": 7}, id="integer"),
        pytest.param('"count": -9223372036854775808', {"count": -(2**63)}, id="smallest integer"),
        pytest.param('"count": 9007199254740993', {"count": 2**53 + 1}, id="integer beyond 2^53"),
        pytest.param('"score": 7', {"score": 7.0}, id="integer as number"),
        pytest.param('"score": 1.5e3', {"score": 1500.0}, id="number"),
        pytest.param('"right": false', {"right": False}, id="boolean"),
        pytest.param('"at": "2025-06-02T12:00:00Z"', {"at": NOON}, id="timestamp"),
        pytest.param('"at": "2025-06-02T14:30:00.5+02:30"', {"at": NOON.replace(microsecond=500_000)}, id="offset"),
        pytest.param('"on": "2024-02-29"', {"on": date(2024, 2, 29)}, id="date"),
        pytest.param('"@tag": "x"', {"tag": "x"}, id="key that is no column name"),
        pytest.param('"device": {"os": "ios"}', {"device": {"os": "ios", "screen": None}}, id="object"),
        pytest.param('"device": {}', {"device": {"os": None, "screen": None}}, id="empty object"),
        pytest.param('"device": {"screen": {"width": 9}}', {"device": {"os": None, "screen": {"width": 9}}}, id="deep"),
        pytest.param('"numbers": []', {"numbers": []}, id="empty array"),
        pytest.param('"numbers": [1, null, 3]', {"numbers": [1, None, 3]}, id="array with a null"),
        pytest.param(
            '"answers": [{"id": 1, "words": ["a", "b"]}, null, {}]',
            {"answers": [{"id": 1, "words": ["a", "b"]}, None, {"id": None, "words": None}]},
            id="array of objects",
        ),
        pytest.param('"text": null, "device": null, "numbers": null, "new": null', {}, id="nulls are no values"),
    ],
)
def test_what_fits_is_in_its_column(payload: str, row: dict[str, Any]) -> None:
    """With its type, and nothing in `_rescued`."""
    assert read(payload) == [row]


@pytest.mark.parametrize(
    ("payload", "row", "rescued"),
    [
        pytest.param('"count": "7"', {}, {"count": "7"}, id="text in an integer column"),
        pytest.param('"count": 7.0', {}, {"count": 7.0}, id="float in an integer column"),
        pytest.param('"count": true', {}, {"count": True}, id="boolean in an integer column"),
        pytest.param('"count": 9223372036854775808', {}, {"count": 2**63}, id="beyond 64 bits"),
        pytest.param('"score": 9007199254740993', {}, {"score": 2**53 + 1}, id="integer that a float would change"),
        pytest.param('"text": 7', {}, {"text": 7}, id="number in a text column"),
        pytest.param('"right": 1', {}, {"right": 1}, id="number in a boolean column"),
        pytest.param('"at": "2025-06-02T12:00:00"', {}, {"at": "2025-06-02T12:00:00"}, id="timestamp without offset"),
        pytest.param(
            '"at": "2025-06-02T12:00:00.123456789Z"', {}, {"at": "2025-06-02T12:00:00.123456789Z"}, id="nanoseconds"
        ),
        pytest.param('"at": "2025-13-02T12:00:00Z"', {}, {"at": "2025-13-02T12:00:00Z"}, id="month 13"),
        pytest.param('"at": 1748865600', {}, {"at": 1748865600}, id="timestamp as a number"),
        pytest.param('"on": "2025-02-29"', {}, {"on": "2025-02-29"}, id="no such day"),
        pytest.param('"on": "2025-6-2"', {}, {"on": "2025-6-2"}, id="date of another form"),
        pytest.param('"on": "2025- 6- 2"', {}, {"on": "2025- 6- 2"}, id="date with blanks"),
        pytest.param('"on": "+20250-1-1"', {}, {"on": "+20250-1-1"}, id="year of five digits"),
        pytest.param('"on": "0000-01-01"', {}, {"on": "0000-01-01"}, id="year 0"),
        pytest.param('"at": "0001-01-01T00:00:00+01:00"', {}, {"at": "0001-01-01T00:00:00+01:00"}, id="before it all"),
        pytest.param('"at": "9999-12-31T23:30:00-01:00"', {}, {"at": "9999-12-31T23:30:00-01:00"}, id="after it all"),
        pytest.param('"at": "2016-12-31T23:59:60Z"', {}, {"at": "2016-12-31T23:59:60Z"}, id="leap second"),
        pytest.param('"any": {"a": [1]}', {}, {"any": {"a": [1]}}, id="known without a type"),
        pytest.param('"new": 1, "text": "t"', {"text": "t"}, {"new": 1}, id="unknown field"),
        pytest.param('"Text": "t"', {}, {"Text": "t"}, id="key that differs in case"),
        pytest.param('"id.orig_h": "x"', {}, {"id.orig_h": "x"}, id="key with a dot"),
        pytest.param('"a\\u0000b": 1', {}, {"a\0b": 1}, id="key with a NUL"),
        pytest.param('"a\\"b": 1', {}, {'a"b': 1}, id="key with a quote"),
        pytest.param('"device": "ios"', {}, {"device": "ios"}, id="text in an object column"),
        pytest.param(
            '"device": {"os": 7, "screen": {"width": 9, "dpi": 2}}',
            {"device": {"os": None, "screen": {"width": 9}}},
            {"device": {"os": 7, "screen": {"dpi": 2}}},
            id="the rest of an object stays",
        ),
        pytest.param('"numbers": [1, "2"]', {}, {"numbers": [1, "2"]}, id="an array is kept whole or rescued whole"),
        pytest.param('"answers": [{"id": 1, "new": 2}]', {}, {"answers": [{"id": 1, "new": 2}]}, id="unknown in array"),
        pytest.param('"numbers": [[1]]', {}, {"numbers": [[1]]}, id="array in array"),
    ],
)
def test_what_does_not_fit_is_rescued_by_field(payload: str, row: dict[str, Any], rescued: dict[str, Any]) -> None:
    """Its column is null, and its neighbours in the row and in the frame are as they would be without it."""
    before, found, behind = read('"text": "before", "count": 1', payload, '"text": "behind", "numbers": [2]')
    assert json.loads(found.pop("_rescued")) == rescued
    assert found == row
    assert (before, behind) == ({"text": "before", "count": 1}, {"text": "behind", "numbers": [2]})


def test_a_number_that_no_double_holds_is_kept_as_it_was_written() -> None:
    """Digit by digit."""
    (row,) = read('"score": 1e400')
    assert row == {"_rescued": '{"score":1e400}'}


@pytest.mark.parametrize("twice", ['"count": 1, "count": 2', '"device": {"os": "a", "os": "b"}', '"new": 1, "new": 2'])
def test_a_record_with_a_key_written_twice_is_rescued_whole(twice: str) -> None:
    """A JSON object cannot hold both, so that its text is kept."""
    (row,) = read(twice)
    assert json.loads(row["_rescued"])["$record"] == f"{{{HEAD}, {twice}}}"


@pytest.mark.parametrize("payload", ['"new" : 1', '"text" : "t", "new": 1', '"new"\t: 1', '"device": {"new" : 1}'])
def test_blanks_between_key_and_colon_hide_nothing(payload: str) -> None:
    """JSON allows them, in one place of a record as in another."""
    (row,) = read(payload)
    assert lost(json.loads(f"{{{payload}}}"), {"text": None, "device": None, **row}, COLUMNS) == []


@pytest.mark.parametrize("opens", ["[", '{"a": '])
def test_a_field_nested_a_hundred_thousand_deep_is_kept(opens: str) -> None:
    """As text, in the record that holds it; the rows beside it are as they would be without it."""
    payload = f'"text": "t", "new": {opens * 100_000}1{(chr(ord(opens[0]) + 2)) * 100_000}'
    before, deep, behind = read('"count": 1', payload, '"count": 3')
    assert (before, behind) == ({"count": 1}, {"count": 3})
    assert json.loads(deep["_rescued"]) == {"$record": f"{{{HEAD}, {payload}}}"}


def test_a_type_without_a_payload_has_rows_all_the_same() -> None:
    """Whatever comes beside the envelope is rescued."""
    reader = PayloadReader(EventType("ping", "ping", ()), Envelope())
    rows = reader.read(pl.Series([f"{{{HEAD}}}", f'{{{HEAD}, "new": 1}}']))
    assert rows.rows() == [(None,), ('{"new":1}',)]


@pytest.mark.parametrize("name", ["__init__", "__dict__", "__hash__", "__class__", "class", "None", "f1", "mro"])
def test_any_column_name_will_do(name: str) -> None:
    """Also one that means something in Python; at the top and below."""
    inside = {"type": "object", "properties": {name: {"type": "integer"}, "x": {"type": "integer"}}}
    columns = parse_columns({"properties": {"x": {"type": "integer"}, name: {"type": "integer"}, "o": inside}}, "", [])
    reader = PayloadReader(EventType("a", "a", columns), Envelope())
    rows = reader.read(pl.Series([f'{{{HEAD}, "{name}": 7, "o": {{"{name}": 8}}}}']))
    assert rows.rows() == [(None, 7, {name: 8, "x": None}, None)]


def test_many_rows_are_read_as_each_by_itself() -> None:
    """Across the slices that rows are decoded in, with damage at their edges."""
    payloads = [f'"count": {number}, "numbers": [{number}]' for number in range(2_500)]
    expected: list[dict[str, Any]] = [{"count": number, "numbers": [number]} for number in range(2_500)]
    for odd in (0, 999, 1_000, 2_499):
        payloads[odd], expected[odd] = f'"count": "{odd}"', {"_rescued": f'{{"count":"{odd}"}}'}
    assert read(*payloads) == expected


KEYS = st.sampled_from(["text", "count", "os", "screen", "width", "id", "words", "Text", "$record"]) | st.text(
    max_size=4
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=6,
)
FITTING = {
    "text": st.text(max_size=5),
    "count": st.integers(-(2**63), 2**63 - 1),
    "score": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    "right": st.booleans(),
    "at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    "on": st.dates().map(date.isoformat),
    "@tag": st.text(max_size=3),
    "device": st.dictionaries(st.sampled_from(["os", "screen"]), JSON, max_size=2),
    "numbers": st.lists(st.integers(-5, 5) | st.none(), max_size=3),
    "answers": st.lists(
        st.fixed_dictionaries({}, optional={"id": st.integers(0, 9), "words": st.lists(st.text(max_size=2))})
    ),
    "any": JSON,
}
PAYLOADS = st.fixed_dictionaries({}, optional={key: value | JSON for key, value in FITTING.items()}).flatmap(
    lambda known: st.dictionaries(KEYS, JSON, max_size=2).map(lambda more: {**more, **known})
)


def bodies_of(payloads: list[dict[str, Any]]) -> list[str]:
    """Return events with these payloads as JSON."""
    head = json.loads(f"{{{HEAD}}}")
    return [json.dumps({**payload, **head}) for payload in payloads]


@settings(max_examples=75, deadline=None)
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=6))
def test_nothing_of_any_record_is_lost(payloads: list[dict[str, Any]]) -> None:
    """Every value is in its column or in `_rescued`."""
    for payload, row in zip(payloads, READER.read(pl.Series(bodies_of(payloads))).to_dicts(), strict=True):
        assert lost(payload, row, COLUMNS) == []


@settings(max_examples=75, deadline=None)
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=6))
def test_reading_in_bulk_is_reading_field_by_field(payloads: list[dict[str, Any]]) -> None:
    """The fast way and the exact way give the same rows."""
    bodies = bodies_of(payloads)
    frame = READER.read(pl.Series(bodies))
    exact = [read_exactly(body, COLUMNS, Envelope().consumed) for body in bodies]
    assert frame.equals(pl.DataFrame(exact, schema=frame.schema, orient="row"))


@settings(max_examples=75, deadline=None)
@given(payloads=st.lists(st.tuples(PAYLOADS, PAYLOADS, st.booleans()), min_size=1, max_size=4))
def test_so_it_is_where_keys_are_written_twice(payloads: list[tuple[dict[str, Any], dict[str, Any], bool]]) -> None:
    """Also beside records that have each key once."""
    bodies = []
    for first, second, twice in payloads:
        one, other = bodies_of([first, second])
        bodies.append(f"{one[:-1]}, {other[1:]}" if twice else one)
    frame = READER.read(pl.Series(bodies))
    exact = [read_exactly(body, COLUMNS, Envelope().consumed) for body in bodies]
    assert frame.equals(pl.DataFrame(exact, schema=frame.schema, orient="row"))
