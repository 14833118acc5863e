"""Objects whose keys are data become maps: every key is found again, beside what does not fit."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column, typed
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader
from event_platform.events.rescue import Rescuer
from event_platform.events.rewriting import Rewriter
from event_platform_tests.support.exact import read_exactly
from event_platform_tests.support.fidelity import lost

INTEGER, TEXT = {"type": "integer"}, {"type": "string"}


def a_map(values: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a map with such values."""
    return {"type": "object", "x-map": True, "additionalProperties": values}


DEVICE = {
    "type": "object",
    "properties": {"v": INTEGER, "@at": {"type": "string", "format": "date-time", "x-column": "at"}, "any": {}},
}
PROPERTIES: dict[str, Any] = {
    "counts": a_map(INTEGER),
    "days": a_map({"type": "string", "format": "date"}),
    "scores": a_map({"type": "number"}),
    "devices": a_map(DEVICE),
    "lists": a_map({"type": "array", "items": INTEGER}),
    "maps": a_map(a_map(TEXT)),
    "rows": {"type": "array", "items": a_map(INTEGER)},
    "o": {"type": "object", "properties": {"flags": a_map({"type": "boolean"}), "n": INTEGER}},
    "n": INTEGER,
}
COLUMNS = parse_columns({"properties": PROPERTIES}, "properties", [])
READER = PayloadReader(EventType("a", "a", COLUMNS), Envelope())


def read(*bodies: str) -> list[dict[str, Any]]:
    """Return the rows of bodies; columns without a value are left out."""
    frame = READER.read(pl.Series(bodies))
    assert frame.schema == {**{column.name: column.dtype for column in typed(COLUMNS)}, "_rescued": pl.String}
    return [{name: value for name, value in row.items() if value is not None} for row in frame.to_dicts()]


NOON = datetime(2025, 6, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "row"),
    [
        ('{"counts": {"a": 1, "": null, "ü €": 3}}', {"counts": {"a": 1, "": None, "ü €": 3}}),
        ('{"counts": {}}', {"counts": {}}),
        ('{"counts": null}', {}),
        (r'{"counts": {"a\"b\\\u0000\n": 1, "\ud83d\ude00": 2}}', {"counts": {'a"b\\\0\n': 1, "😀": 2}}),
        ('{"counts": {"x\\u0022:y": 1}}', {"counts": {'x":y': 1}}),
        ('{"counts" : {"x" : 1, "y": 2}}', {"counts": {"x": 1, "y": 2}}),
        ('{"counts": {"key": 1, "value": 2}}', {"counts": {"key": 1, "value": 2}}),
        ('{"counts": {"a": 7.0, "b": 1e3}}', {"counts": {"a": 7, "b": 1000}}),
        ('{"days": {"a": "2025-06-02"}}', {"days": {"a": date(2025, 6, 2)}}),
        (
            '{"devices": {"a": {"v": 1, "@at": "2025-06-02T12:00:00Z"}, "b": null, "c": {"any": {}, "new": []}}}',
            {"devices": {"a": {"v": 1, "at": NOON}, "b": None, "c": {"v": None, "at": None}}},
        ),
        ('{"lists": {"a": [1, null], "b": []}}', {"lists": {"a": [1, None], "b": []}}),
        ('{"maps": {"a": {"b": "c"}, "d": {}, "e": null}}', {"maps": {"a": {"b": "c"}, "d": {}, "e": None}}),
        ('{"rows": [{"a": 1}, null, {}]}', {"rows": [{"a": 1}, None, {}]}),
        ('{"o": {"flags": {"a": true}}}', {"o": {"flags": {"a": True}, "n": None}}),
        ('{"o": null}', {}),
        ('{"o": {}}', {"o": {"flags": None, "n": None}}),
    ],
)
def test_what_fits_is_in_the_map(body: str, row: dict[str, Any]) -> None:
    """With any keys, beside rows with other keys or none."""
    before, found, behind = read('{"counts": {"z": 9}, "n": 1}', body, "{}")
    assert found == row
    assert (before, behind) == ({"counts": {"z": 9}, "n": 1}, {})


@pytest.mark.parametrize(
    ("body", "row", "rescued"),
    [
        ('{"counts":{"a":"1","b":2}}', {"counts": {"a": None, "b": 2}}, '{"counts":{"a":"1"}}'),
        ('{"counts":{"a":1.5,"b":[]}}', {"counts": {"a": None, "b": None}}, '{"counts":{"a":1.5,"b":[]}}'),
        ('{"counts":[1]}', {}, '{"counts":[1]}'),
        ('{"counts":"a"}', {}, '{"counts":"a"}'),
        ('{"days":{"a":"soon"}}', {"days": {"a": None}}, '{"days":{"a":"soon"}}'),
        ('{"scores":{"a":1e400,"b":0.5}}', {"scores": {"a": None, "b": 0.5}}, '{"scores":{"a":1e400}}'),
        (
            '{"scores":{"a":9007199254740993.5,"b":1}}',
            {"scores": {"a": None, "b": 1.0}},
            '{"scores":{"a":9007199254740993.5}}',
        ),
        (
            '{"devices":{"a":{"v":"x","@at":"2025-06-02T12:00:00Z","new":1,"any":2},"b":3}}',
            {"devices": {"a": {"v": None, "at": NOON}, "b": None}},
            '{"devices":{"a":{"v":"x","new":1,"any":2},"b":3}}',
        ),
        ('{"lists":{"a":[1,"x"],"b":[2]}}', {"lists": {"a": None, "b": [2]}}, '{"lists":{"a":[1,"x"]}}'),
        ('{"maps":{"a":{"b":1,"c":"d"}}}', {"maps": {"a": {"b": None, "c": "d"}}}, '{"maps":{"a":{"b":1}}}'),
        ('{"rows":[{"a":1},{"b":"x"}]}', {}, '{"rows":[{"a":1},{"b":"x"}]}'),
        ('{"o":{"flags":{"a":1},"n":2}}', {"o": {"flags": {"a": None}, "n": 2}}, '{"o":{"flags":{"a":1}}}'),
        (r'{"counts":{"k\ud83d":1,"b":2}}', {"counts": {"b": 2}}, r'{"counts":{"k\ud83d":1}}'),
        (r'{"maps":{"a":{"b":"\ud83d"}}}', {"maps": {"a": {"b": None}}}, r'{"maps":{"a":{"b":"\ud83d"}}}'),
        ('{"new":{"a":1},"counts":{"a":1}}', {"counts": {"a": 1}}, '{"new":{"a":1}}'),
    ],
)
def test_what_does_not_fit_is_rescued_by_its_key(body: str, row: dict[str, Any], rescued: str) -> None:
    """Its key has null in the map; a key that is no text is not in it. An array is kept or rescued whole."""
    before, found, behind = read('{"counts": {"a": 1}}', body, '{"counts": {"b": 2}}')
    assert found.pop("_rescued") == rescued
    assert found == row
    assert (before, behind) == ({"counts": {"a": 1}}, {"counts": {"b": 2}})


@pytest.mark.parametrize(
    ("body", "row"),
    [
        ('{"counts": {"a": 1, "a": 2}}', {"counts": {"a": 2}}),
        (r'{"counts": {"a": 1, "\u0061": 2}}', {"counts": {"a": 2}}),
        (r'{"counts": {"x\u0022:": 1, "x\u0022:": 2}}', {"counts": {'x":': 2}}),
        (r'{"counts": {"\"\u003a": 1, "a": 1, "a": 2}}', {"counts": {'":': 1, "a": 2}}),
        (r'{"counts": {"\u0022:": 1, "a": 1, "a": 2}}', {"counts": {'":': 1, "a": 2}}),
        ('{"counts": {"a" : 1, "b": 3, "a": 2}}', {"counts": {"a": 2, "b": 3}}),
        ('{"n": 1, "n": 2, "counts": {"a": 1}}', {"counts": {"a": 1}, "n": 2}),
        ('{"counts": {"a": 1}, "counts": {"b": 2}}', {"counts": {"b": 2}}),
        ('{"devices": {"a": {"v": 1, "v": 2}}}', {"devices": {"a": {"v": 2, "at": None}}}),
        ('{"maps": {"a": {"b": "c", "b": "d"}}}', {"maps": {"a": {"b": "d"}}}),
        ('{"rows": [{"a": 1}, {"a": 1, "a": 2}]}', {"rows": [{"a": 1}, {"a": 2}]}),
        ('{"o": {"flags": {"a": true, "a": false}}}', {"o": {"flags": {"a": False}, "n": None}}),
    ],
)
def test_a_record_with_a_key_twice_is_rescued_whole(body: str, row: dict[str, Any]) -> None:
    """At any depth, also in a map; the last value is in it."""
    before, found, behind = read('{"counts": {"a": 1}}', body, '{"counts": {"a": 2}}')
    assert json.loads(found.pop("_rescued")) == {"$record": body}
    assert found == row
    assert (before, behind) == ({"counts": {"a": 1}}, {"counts": {"a": 2}})


def test_records_that_fit_are_read_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is looked at by itself, also where texts and keys have escapes and blanks."""
    monkeypatch.setattr(Rescuer, "split", lambda *_: pytest.fail("looked at by itself"))
    bodies = ['{"counts" : {"a\\u0022:" : 1}}', '{"counts": {"\\u00fc": 2}}', '{"maps": {"\\":": {"\\":": "\\":"}}}']
    assert read(*bodies) == [{"counts": {'a":': 1}}, {"counts": {"ü": 2}}, {"maps": {'":': {'":': '":'}}}]


def test_types_without_a_map_are_not_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The price of maps is paid by the types that have some."""
    monkeypatch.setattr(Rewriter, "__init__", lambda *_: pytest.fail("rewritten"))
    columns = parse_columns({"properties": {"n": INTEGER, "o": {"type": "object"}}}, "", [])
    rows = PayloadReader(EventType("a", "a", columns), Envelope()).read(pl.Series(['{"n": 1, "o": {}}']))
    assert rows.rows() == [(1, None)]


def test_a_map_of_thousands_of_keys_is_read_like_one_of_a_few() -> None:
    """In the order in which they were written, over more rows than a block has."""
    keys = {f"user_{number}": number for number in range(6_000)}
    bodies = [json.dumps({"counts": keys}), *(json.dumps({"counts": {f"k{n}": n}}) for n in range(5_000))]
    first, *others = read(*bodies)
    assert list(first["counts"].items()) == list(keys.items())
    assert others == [{"counts": {f"k{number}": number}} for number in range(5_000)]


def test_decimals_in_a_map_are_exact_or_rescued() -> None:
    """A text is none, nor is one with too many digits."""
    columns = parse_columns({"properties": {"prices": a_map({"type": "number", "x-decimal": [5, 2]})}}, "", [])
    bodies = ['{"prices": {"a": 1.5, "b": 2}}', '{"prices":{"a":1000,"b":1e3,"c":"1","d":0.25}}']
    first, second = PayloadReader(EventType("a", "a", columns), Envelope()).read(pl.Series(bodies)).rows()
    assert first == ({"a": Decimal("1.50"), "b": Decimal("2.00")}, None)
    values = {"a": None, "b": None, "c": None, "d": Decimal("0.25")}
    assert second == (values, '{"prices":{"a":1000,"b":1e3,"c":"1"}}')


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a": ', "}")])
def test_a_value_however_deep_fails_no_block(opens: str, closes: str) -> None:
    """Also one that can be read and not be searched for keys that are there twice."""
    for levels in range(880, 1_000):
        body = f'{{"counts" : {{"a": 1}}, "new": {opens * levels}1{closes * levels}}}'
        before, deep = read('{"counts": {"z": 1}}', body)
        assert before == {"counts": {"z": 1}}
        assert opens * levels in deep["_rescued"].replace('\\"', '"')


SCALARS: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    (TEXT, st.text(max_size=5)),
    (INTEGER, st.integers(-(2**63), 2**63 - 1)),
    ({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False)),
    ({"type": "boolean"}, st.booleans()),
    ({"type": "string", "format": "date"}, st.dates().map(date.isoformat)),
    ({"type": "string", "format": "date-time"}, st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)),
]
KEYS = st.sampled_from(["a", "b", "key", "value", '":', "half-"]) | st.text(max_size=4)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(KEYS, below, max_size=2),
    max_leaves=4,
)


def schema_and_values(draw: Callable[[Any], Any], depth: int = 0) -> tuple[dict[str, Any], st.SearchStrategy[Any]]:
    """Draw a schema, and a strategy for its values: most of them fit."""
    kind = draw(st.integers(0, len(SCALARS) + (3 if depth < 3 else 0) - 1))
    if kind < len(SCALARS):
        schema, values = SCALARS[kind]
    else:
        below, inner = schema_and_values(draw, depth + 1)
        schema, values = {
            0: (a_map(below), st.dictionaries(KEYS, inner, max_size=3)),
            1: ({"type": "array", "items": below}, st.lists(inner, max_size=2)),
            2: ({"type": "object", "properties": {"x": below}}, st.fixed_dictionaries({}, optional={"x": inner})),
        }[kind - len(SCALARS)]
    return schema, st.none() | values | values | ANY


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_nothing_of_any_map_is_lost(data: st.DataObject) -> None:
    """Of any maps of any types, at any depth: in bulk as field by field, and every value is found again."""
    schema, values = schema_and_values(data.draw)
    columns = parse_columns({"properties": {"m": a_map(schema), "n": INTEGER}}, "", [])
    maps = data.draw(st.lists(st.dictionaries(KEYS, values, max_size=4) | ANY, min_size=1, max_size=5))
    payloads = [{"m": each, "n": number} for number, each in enumerate(maps)]
    blanks, ascii_only = data.draw(st.booleans()), data.draw(st.booleans())
    bodies = [
        json.dumps(payload, separators=(",", " : " if blanks else ":"), ensure_ascii=ascii_only) for payload in payloads
    ]
    expect_exact(columns, payloads, bodies)


def expect_exact(columns: tuple[Column, ...], payloads: list[dict[str, Any]], bodies: list[str]) -> None:
    """See that rows read in bulk are those read exactly, and that they lack nothing."""
    frame = PayloadReader(EventType("a", "a", columns), Envelope()).read(pl.Series(bodies))
    assert frame.rows() == [read_exactly(body, columns, Envelope().consumed) for body in bodies]
    for payload, row in zip(payloads, frame.to_dicts(), strict=True):
        assert lost(payload, row, columns) == []
