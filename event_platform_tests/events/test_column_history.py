"""Columns of what a property was: by earlier keys, with values of earlier types, and of any type as a text."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column, storage_shape, typed
from event_platform.events.drift import Outcome, count_drift
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader

ANY: dict[str, Any] = {"x-variant": True}
TEXT: dict[str, Any] = {"type": "string", "x-was-type": ["boolean", "integer"]}
MOMENT: dict[str, Any] = {"type": "string", "format": "date-time", "x-was-type": ["date"]}
PROPERTIES: dict[str, Any] = {
    "any": ANY,
    "text": TEXT,
    "number": {"type": "string", "x-was-type": ["number"]},
    "at": MOMENT,
    "new": {"type": "integer", "x-was": ["old", "older"]},
    "list": {"type": "array", "items": ANY, "x-was": ["items"]},
    "name": {"type": "string", "x-was": ["title"]},
    "flag": {"type": "boolean", "x-was": ["is"]},
    "texts": {"type": "object", "x-map": True, "additionalProperties": TEXT},
    "o": {
        "type": "object",
        "x-was": ["object"],
        "properties": {"any": ANY, "text": {**TEXT, "x-was": ["t"]}, "at": MOMENT, "n": {"type": "number"}},
    },
}


def columns_of(properties: dict[str, Any], faults: list[str]) -> tuple[Column, ...]:
    """Parse properties."""
    return parse_columns({"properties": properties}, "properties", faults)


COLUMNS = columns_of(PROPERTIES, [])
READER = PayloadReader(EventType("a", "a", COLUMNS), Envelope())


def read(*bodies: str) -> list[dict[str, Any]]:
    """Return the rows of bodies; columns without a value are left out."""
    frame = READER.read(pl.Series(bodies))
    assert frame.schema == {**{column.name: column.dtype for column in typed(COLUMNS)}, "_rescued": pl.String}
    return [{name: value for name, value in row.items() if value is not None} for row in frame.to_dicts()]


MIDNIGHT = datetime(2025, 6, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "row"),
    [
        ('{"any":1.0}', {"any": "1.0"}),
        ('{"any":"a"}', {"any": '"a"'}),
        ('{"any": {"a" : [1, 1e400]} }', {"any": '{"a" : [1, 1e400]}'}),
        ('{"any":{}}', {"any": "{}"}),
        ('{"any":null}', {}),
        ('{"any":"caf\\ud83d"}', {"_rescued": '{"any":"caf\\ud83d"}'}),
        ('{"any":{"a":1,"a":2}}', {"any": '{"a":2}', "_rescued": '{"$record":"{\\"any\\":{\\"a\\":1,\\"a\\":2}}"}'}),
        ('{"text":12345678901234567890123}', {"text": "12345678901234567890123"}),
        ('{"text":1e3}', {"text": "1e3"}),
        ('{"text":1.0}', {"text": "1.0"}),
        ('{"text":1.5}', {"_rescued": '{"text":1.5}'}),
        ('{"text":true}', {"text": "true"}),
        ('{"text":"a\\n"}', {"text": "a\n"}),
        ('{"text":"\\ud83d"}', {"_rescued": '{"text":"\\ud83d"}'}),
        ('{"text":[1]}', {"_rescued": '{"text":[1]}'}),
        ('{"text":{}}', {"_rescued": '{"text":{}}'}),
        ('{"number":-1.50}', {"number": "-1.50"}),
        ('{"number":true}', {"_rescued": '{"number":true}'}),
        ('{"at":"2025-06-02"}', {"at": MIDNIGHT}),
        ('{"at":"2025-06-02T00:00:00Z"}', {"at": MIDNIGHT}),
        ('{"at":"2025-06-31"}', {"_rescued": '{"at":"2025-06-31"}'}),
        ('{"old":1}', {"new": 1}),
        ('{"new":1}', {"new": 1}),
        ('{"older":1}', {"new": 1}),
        ('{"old":null,"older":1}', {"new": 1}),
        ('{"new":null,"old":1}', {"new": 1}),
        ('{"old":1,"new":2}', {"new": 2, "_rescued": '{"old":1}'}),
        ('{"older":1,"old":2}', {"new": 2, "_rescued": '{"older":1}'}),
        ('{"old":1,"new":"a"}', {"_rescued": '{"old":1,"new":"a"}'}),
        ('{"old":"a"}', {"_rescued": '{"old":"a"}'}),
        ('{"name":"a","flag":true}', {"name": "a", "flag": True}),
        ('{"title":"a","is":false}', {"name": "a", "flag": False}),
        ('{"title":"a","name":"b"}', {"name": "b", "_rescued": '{"title":"a"}'}),
        ('{"title":1,"is":"a"}', {"_rescued": '{"title":1,"is":"a"}'}),
        ('{"items":[1,null,"a",{"b":2.0}]}', {"list": ["1", None, '"a"', '{"b":2.0}']}),
        ('{"items":[],"list":[1]}', {"list": ["1"]}),
        ('{"texts":{"a":1.0,"b":"x"}}', {"texts": {"a": "1.0", "b": "x"}}),
        ('{"texts":{"a":1.5}}', {"texts": {"a": None}, "_rescued": '{"texts":{"a":1.5}}'}),
        (
            '{"object":{"t":7,"any":[1],"at":"2025-06-02"}}',
            {"o": {"any": "[1]", "text": "7", "at": MIDNIGHT, "n": None}},
        ),
        (
            '{"o":{"t":7,"text":"b","n":"c"}}',
            {"o": {"any": None, "text": "b", "at": None, "n": None}, "_rescued": '{"o":{"t":7,"n":"c"}}'},
        ),
    ],
)
def test_values_are_read_as_they_were_written(body: str, row: dict[str, Any]) -> None:
    """In a block by itself, with others, and on the slow path beside a field that does not fit."""
    assert read(body) == [row]
    assert read('{"new":5}', body, '{"text":"x"}') == [{"new": 5}, row, {"text": "x"}]
    (slow,) = read(f'{{"zz":1,{body[1:]}')
    if "$record" not in row.get("_rescued", ""):
        rescued = json.loads(slow.pop("_rescued"))
        assert rescued.pop("zz") == 1
        assert rescued == json.loads(row.get("_rescued", "{}"))
        assert slow == {name: value for name, value in row.items() if name != "_rescued"}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.just("2025-06-02"),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abt"), below, max_size=3),
    max_leaves=6,
)
KEYS = [key for column in COLUMNS for key in column.keys]
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5).map(json.dumps)


@settings(deadline=None, max_examples=60)
@given(bodies=st.lists(BODIES, min_size=1, max_size=8))
def test_a_body_gives_the_same_row_whatever_is_beside_it(bodies: list[str]) -> None:
    """In one block and by itself. A body that is written again as JSON has the same values."""
    assert read(*bodies) == [row for body in bodies for row in read(body)]


@settings(deadline=None, max_examples=60)
@given(value=VALUES)
def test_a_variant_is_any_value(value: Any) -> None:
    """Its text is what was written."""
    text = json.dumps(value)
    (row,) = read(f'{{"any":{text}}}')
    assert row == ({} if value is None else {"any": text})


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ({"a": {"type": "integer", "x-was-type": ["string"]}}, "x-was-type: expected a list of the types"),
        ({"a": {"type": "string", "x-was-type": ["date"]}}, "x-was-type: expected a list of the types"),
        ({"a": {"type": "string", "x-was-type": "integer"}}, "x-was-type: expected a list of the types"),
        ({"a": {"type": "string", "x-was": "b"}}, "x-was: expected a list of the keys"),
        ({"a": {"x-was": ["b"]}}, "x-was: expected a list of the keys"),
        ({"a": {"type": "string", "x-was": ["b"]}, "b": {"type": "string"}}, "'b' is a key of a property as well"),
        ({"a": {"type": "string", "x-was": ["a"]}}, "'a' is a key of a property as well"),
        ({"a": {"type": "string", "x-was": ["c"]}, "b": {"type": "string", "x-was": ["c"]}}, "'c' is a key"),
        ({"a": {"type": "array", "items": {"type": "string", "x-was": ["c"]}}}, "expected in a property, which has"),
        ({"a": {"x-variant": 1}}, "x-variant: expected true, got 1"),
        ({"a": {"x-variant": True, "x-was-type": ["integer"]}}, "in variant"),
        ({"a": {"x-variant": True, "x-map": True}}, "x-map: expected type: object"),
    ],
)
def test_a_catalog_that_says_something_else_is_at_fault(properties: dict[str, Any], fault: str) -> None:
    """The message says what was expected."""
    faults: list[str] = []
    columns_of(properties, faults)
    assert [each for each in faults if fault in each]


def test_a_variant_is_personal_if_anything_in_its_schema_is() -> None:
    """It has no columns below that could be masked."""
    below = {"type": "object", "properties": {"mail": {"type": "string", "x-personal": True}}}
    for schema, is_personal in ((ANY, False), (ANY | below, True), (ANY | {"items": [below]}, True), (below, False)):
        (column,) = columns_of({"a": schema}, [])
        assert column.is_personal is is_personal


def test_the_shape_of_rows_has_the_keywords_and_others_stay_as_they_were() -> None:
    """So that days are rebuilt where, and only where, rows would differ."""
    plain = columns_of({"a": {"type": "string"}}, [])
    more: list[dict[str, Any]] = [{"x-was": ["b"]}, {"x-was-type": ["integer"]}, {"x-variant": True}]
    shapes = [storage_shape(plain)]
    shapes += [storage_shape(columns_of({"a": {"type": "string", **each}}, [])) for each in more]
    assert shapes[0] == [["a", "a", "string", [], None]]
    assert len({json.dumps(each) for each in shapes}) == len(shapes)


def test_an_earlier_key_that_is_rescued_is_no_unknown_field() -> None:
    """The conformance check counts it as a value that does not fit."""
    drift = count_drift(['{"old":"a","o":{"t":[]}}', '{"none":1}'], COLUMNS)
    assert drift == {
        (Outcome.MISFIT, ("old",)): 1,
        (Outcome.MISFIT, ("o", "t")): 1,
        (Outcome.UNKNOWN, ("none",)): 1,
    }
