"""Sample records become a schema that holds them: the widest type without loss, or none."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.checks.result import Result
from event_platform.events import shapes
from event_platform.events.catalog import EventType, load_catalog
from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.draft import Draft
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader
from event_platform_tests.support.conforming import check_rows
from event_platform_tests.support.counting import count_calls
from event_platform_tests.support.fidelity import lost
from event_platform_tests.support.world import event, write_catalog


def drafted(*payloads: dict[str, Any]) -> dict[str, Any]:
    """Return the schema drafted from events with these payloads."""
    draft = Draft(Envelope())
    draft.add(["a"] * len(payloads), [json.dumps(event("u") | payload) for payload in payloads])
    return draft.schemas()["a"]


@pytest.mark.parametrize(
    ("values", "definition"),
    [
        (["a", "b"], {"type": "string"}),
        ([1, 2], {"type": "integer"}),
        ([1, 2**60], {"type": "integer"}),
        ([1, 2.5], {"type": "number"}),
        ([2**60, 2.5], {}),
        ([2**70], {}),
        ([True], {"type": "boolean"}),
        ([True, 1], {}),
        (["a", 1], {}),
        ([None], {"type": "null"}),
        ([None, 1], {"type": ["integer", "null"]}),
        (["2025-06-02T12:00:00Z", "2025-06-02T12:00:00.5+02:00"], {"type": "string", "format": "date-time"}),
        (["2025-06-02"], {"type": "string", "format": "date"}),
        (["2025-06-02", "2025-06-02T12:00:00Z"], {"type": "string"}),
        (["2025-06-02", "soon"], {"type": "string"}),
        ([["a"], []], {"type": "array", "items": {"type": "string"}}),
        ([[1, "a"]], {}),
        ([[]], {"type": "array"}),
        ([[], None], {"type": ["array", "null"]}),
        ([[None]], {}),
        ([["a"], "a"], {}),
        ([{}], {"type": "object"}),
        ([{}, {"x": None}], {"type": "object", "properties": {"x": {"type": "null"}}}),
        ([{}, {}, [], None], {"type": ["object", "null"]}),
        ([["a"], [], "a", ["b"]], {"type": "array", "items": {"type": "string"}, "x-mixed": ["string"]}),
        (["a", 1, "b"], {"type": "string", "x-mixed": ["integer"]}),
        ([1, 2, 3, 2.5, True], {"type": "number", "x-mixed": ["boolean"]}),
        ([1, 2, 2**70], {"type": "integer", "x-mixed": ["integer"]}),
        ([2**60, 2**61, 2.5], {"type": "integer", "x-mixed": ["number"]}),
        (["a", [], {}], {"type": "string", "x-mixed": ["array", "object"]}),
        (["2025-02-30"], {"type": "string"}),
        (["2025-06-02T25:00:00Z"], {"type": "string"}),
        ([[1], [2], ["a"]], {"type": "array", "items": {"type": "integer"}, "x-mixed": ["array"]}),
        ([[1], [2, "a"]], {}),
        ([[{"x": 1, "y": [None]}]], {}),
        (
            [[{"x": 1, "y": []}]],
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"x": {"type": "integer"}, "y": {"type": "array"}},
                    "required": ["x", "y"],
                },
            },
        ),
        (
            [{"x": 1}, {"x": 2, "y": "t"}],
            {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}, "required": ["x"]},
        ),
        (
            [[{"x": 1}]],
            {
                "type": "array",
                "items": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
            },
        ),
    ],
)
def test_values_get_the_widest_type_that_loses_nothing(values: list[Any], definition: dict[str, Any]) -> None:
    """If no type holds them all, the type of more than half of them, with the others noted; or none."""
    assert drafted(*({"field": value} for value in values))["properties"] == {"field": definition}


def test_what_every_event_has_is_required() -> None:
    """The fields of the envelope are no payload."""
    schema = drafted({"always": 1, "often": 1}, {"always": None, "often": 2}, {"always": 3})
    assert schema["required"] == ["always"]
    assert list(schema["properties"]) == ["always", "often"]


def test_odd_keys_get_a_column_name() -> None:
    """What is no identifier, is taken, or differs only in case; the most frequent keeps its own."""
    schema = drafted({"Tag": 1, "tag": 2, "@timestamp": "t", "id.orig_h": "h", "body": "b", "7": 1}, {"tag": 3})
    named = {key: definition.get("x-column", key) for key, definition in schema["properties"].items()}
    assert named == {
        "Tag": "Tag_2",
        "tag": "tag",
        "@timestamp": "timestamp",
        "id.orig_h": "id_orig_h",
        "body": "body_2",
        "7": "_7",
    }


def test_names_of_columns_can_be_read() -> None:
    """In the letters of their keys; keys that differ in a sign differ in a word."""
    keys = ["größe", "购买", "a b", "a.b", "a-b", "x", "$x", "Straße", "strasse", "e\u0301"]
    schema = drafted(dict.fromkeys(keys, 1))
    named = {key: definition.get("x-column", key) for key, definition in schema["properties"].items()}
    assert named == {
        "größe": "größe",
        "购买": "购买",
        "a b": "a_b",
        "a.b": "a_dot_b",
        "a-b": "a_dash_b",
        "x": "x",
        "$x": "dollar_x",
        "Straße": "Straße",
        "strasse": "strasse_2",
        "e\u0301": "\u00e9",
    }


def test_keys_below_are_named_as_those_above() -> None:
    """But only a table's own columns are reserved."""
    below = drafted({"o": [{"body": 1, "id.x": 2, "ID_X": 3}]})["properties"]["o"]["items"]["properties"]
    assert {key: definition.get("x-column", key) for key, definition in below.items()} == {
        "body": "body",
        "id.x": "id_dot_x",
        "ID_X": "ID_X",
    }


@pytest.mark.parametrize("key", ["a\0b", 'a"b', "a\\b", "a\nb"])
def test_a_key_that_json_escapes_is_known_without_a_type(key: str) -> None:
    """At the top and below: its values live in `_rescued`."""
    assert drafted({key: 1, "o": {"x": 1, key: 2}})["properties"] == {
        key: {},
        "o": {"type": "object", "properties": {"x": {"type": "integer"}, key: {}}, "required": ["x", key]},
    }


def test_a_number_that_no_double_holds_leaves_the_other_fields_their_types() -> None:
    """Such a field has no type, even if other numbers in it fit."""
    draft = Draft(Envelope())
    draft.add(["a"] * 2, ['{"big": 1e400, "n": 1, "o": {"x": 1e400}}', '{"big": 1, "n": 2, "o": {"x": 1}}'])
    assert draft.schemas()["a"]["properties"] == {"big": {}, "n": {"type": "integer"}, "o": {}}


@pytest.mark.parametrize("levels", [10, 200, 900])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a": ', "}")])
def test_a_record_however_deep_can_be_drafted(tmp_path: Path, levels: int, opens: str, closes: str) -> None:
    """What is deeper than any table should be has no type; what is beside it has."""
    deep = opens * levels + "1" + closes * levels
    body = f'{{"event_uuid": "u", "event_name": "a", "created_at": 1, "n": 1, "deep": {deep}}}'
    draft = Draft(Envelope())
    draft.add(["a"], [body])
    (event_type,) = load_catalog(write_catalog(tmp_path / "catalog", draft.schemas())).event_types
    (row,) = PayloadReader(event_type, Envelope()).read(pl.Series([body])).to_dicts()
    assert row["n"] == 1
    assert ("deep" in row) == (levels == 10)
    assert row["_rescued"] == (None if levels == 10 else f'{{"deep":{deep}}}')


def test_types_are_drafted_apart() -> None:
    """By name, in alphabetical order, whatever the order of the records."""
    draft = Draft(Envelope())
    draft.add(["b", "a", "b"], ['{"x": 1}', '{"y": "t"}', '{"x": 1.5}'])
    schemas = draft.schemas()
    assert list(schemas) == ["a", "b"]
    assert schemas["b"] == {
        "title": "b",
        "description": "Drafted from 2 events.",
        "type": "object",
        "properties": {"x": {"type": "number"}},
        "required": ["x"],
    }
    assert schemas["a"]["properties"] == {"y": {"type": "string"}}


@pytest.mark.parametrize(
    ("envelope", "properties"),
    [
        (Envelope(), ["header"]),
        (Envelope(event_uuid=(("id",),)), ["event_uuid", "header"]),
        (Envelope(created_at=("header", "at")), ["created_at", "header"]),
    ],
)
def test_what_the_envelope_holds_whole_is_no_payload(envelope: Envelope, properties: list[str]) -> None:
    """Fields inside an object stay in that object."""
    draft = Draft(envelope)
    draft.add(["a"], [json.dumps(event("u", header={"at": 1}))])
    assert list(draft.schemas()["a"]["properties"]) == properties


KEYS = st.sampled_from(["a", "A", "b", "@a", "a.b", "body", "EVENT_TYPE", "_rescued"]) | st.text(max_size=3)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["2025-06-02", "2025-06-02T12:00:00Z", "", "x", '":1']),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=8,
)


@settings(max_examples=75, deadline=None)
@given(payloads=st.lists(st.dictionaries(KEYS, JSON, max_size=4), min_size=1, max_size=5))
def test_a_drafted_catalog_has_no_fault_and_holds_every_record(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, Any]]
) -> None:
    """Whatever the records are: and what got a type is in its column, and no check fails on them."""
    expect_held(tmp_path_factory.mktemp("catalog"), payloads)


def expect_held(folder: Path, payloads: list[dict[str, Any]]) -> None:
    """Draft a catalog from records and read them: each value is found again, and the check passes."""
    write_catalog(folder, {"a": drafted(*payloads)})
    (event_type,) = load_catalog(folder).event_types
    rows = read_drafted(event_type, [json.dumps(event("u") | payload) for payload in payloads])
    for payload, row in zip(payloads, rows.to_dicts(), strict=True):
        assert lost(payload, row, event_type.columns) == []
    verdict = conformed(event_type, rows)
    assert verdict.passed, verdict.description


def read_drafted(event_type: EventType, bodies: list[str]) -> pl.DataFrame:
    """Return the rows of an event type that was drafted from these bodies."""
    return PayloadReader(event_type, Envelope()).read(pl.Series(bodies))


def conformed(event_type: EventType, rows: pl.DataFrame) -> Result:
    """Return the verdict on the rows, which are those of a day."""
    return check_rows(event_type, rows.lazy())


def holes() -> st.SearchStrategy[Any]:
    """Return values that hold nothing."""
    return st.recursive(
        st.none() | st.builds(list) | st.builds(dict), lambda below: st.dictionaries(KEYS, below, max_size=2)
    )


def values_of_a_place(draw: Callable[[Any], Any], depth: int = 0) -> Any:
    """Draw a strategy for the values of one place: all of one type, with nulls, and fields that are there or not."""
    scalars = [
        st.text(max_size=3),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.dates().map(date.isoformat),
    ]
    kind = draw(st.integers(0, len(scalars) + (2 if depth < 3 else 0)))
    if kind < len(scalars):
        return scalars[kind] | st.none()
    if kind == len(scalars):
        return holes()
    if kind == len(scalars) + 1:
        return st.lists(values_of_a_place(draw, depth + 1), max_size=3) | st.none()
    fields = {key: values_of_a_place(draw, depth + 1) for key in draw(st.sets(KEYS, max_size=3))}
    return st.fixed_dictionaries({}, optional=fields) | st.none()


@settings(max_examples=75, deadline=None)
@given(data=st.data())
def test_what_has_one_type_at_each_place_is_in_its_column(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Of the very records that a catalog was drafted from, nothing that got a type is rescued."""
    strategies = {key: values_of_a_place(data.draw) for key in data.draw(st.sets(KEYS, max_size=3))}
    payloads = data.draw(st.lists(st.fixed_dictionaries({}, optional=strategies), min_size=1, max_size=4))
    folder = write_catalog(tmp_path_factory.mktemp("catalog"), {"a": drafted(*payloads)})
    (event_type,) = load_catalog(folder).event_types
    rows = read_drafted(event_type, [json.dumps(event("u") | payload) for payload in payloads])
    for payload, row in zip(payloads, rows.to_dicts(), strict=True):
        assert lost(payload, row, event_type.columns) == []
        assert rescued_of_typed(json.loads(row["_rescued"] or "{}"), event_type.columns) == []
    assert conformed(event_type, rows).passed


def rescued_of_typed(rescued: dict[str, Any], columns: tuple[Column, ...]) -> list[str]:
    """Return the fields of a `_rescued` text that have a column."""
    by_field = {column.field: column for column in typed(columns)}
    found = []
    for field, value in rescued.items():
        column = by_field.get(field)
        if column is not None and column.kind is Kind.OBJECT and isinstance(value, dict):
            found.extend(rescued_of_typed(value, column.fields))
        elif column is not None:
            found.append(field)
    return found


def test_the_minority_is_rescued_and_no_check_fails_on_it() -> None:
    """The schema expects these types; another type that comes later is a fault."""
    payloads: list[dict[str, Any]] = [
        {"v": "a"},
        {"v": "b"},
        {"v": 1},
        {"v": "c", "o": {"w": [1]}},
        {"o": {"w": [2]}},
        {"o": {"w": ["x"]}},
    ]
    event_type = EventType("a", "a", parse_columns(drafted(*payloads), "properties", []))
    rows = read_drafted(event_type, [json.dumps(event("u") | payload) for payload in payloads])
    assert rows["v"].to_list() == ["a", "b", None, "c", None, None]
    assert rows["_rescued"].to_list() == [None, None, '{"v":1}', None, None, '{"o":{"w":["x"]}}']
    verdict = conformed(event_type, rows)
    assert verdict.passed
    assert verdict.metadata["expected_fields"] == {"o.w": 1, "v": 1}
    later = read_drafted(event_type, [json.dumps(event("u") | {"v": True})])
    assert conformed(event_type, later).description == "1 x rescued: v"


def test_numbers_and_texts_that_no_column_holds_are_a_minority_like_others() -> None:
    """Too many digits, half of an emoji: those that fit are in the column."""
    bodies = [
        f'{{"event_uuid": "u", "event_name": "a", "created_at": 1, "n": {number}, "t": {text}}}'
        for number, text in [("0.5", '"a"'), ("19.99999999999999999", r'"caf\ud83d"'), ("1e3", '"b"')]
    ]
    draft = Draft(Envelope())
    draft.add(["a"] * 3, bodies)
    schema = draft.schemas()["a"]
    assert schema["properties"] == {
        "n": {"type": "number", "x-mixed": ["number"]},
        "t": {"type": "string", "x-mixed": ["string"]},
    }
    event_type = EventType("a", "a", parse_columns(schema, "properties", []))
    rows = read_drafted(event_type, bodies)
    assert rows.rows() == [
        (0.5, "a", None),
        (None, None, r'{"n":19.99999999999999999,"t":"caf\ud83d"}'),
        (1000.0, "b", None),
    ]
    assert conformed(event_type, rows).passed


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([f"user_{10_000 + number}" for number in range(6_000)], id="6,000 user ids"),
        pytest.param([f"{number}" for number in range(200)], id="numbers"),
        pytest.param([f"{UUID(int=number)}" for number in range(200)], id="uuids"),
        pytest.param([f"{date.fromordinal(700_000 + number)}" for number in range(200)], id="dates"),
        pytest.param([f"k{'x' * number}" for number in range(1_001)], id="more names than an object has"),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_an_object_whose_keys_are_data_is_a_map(keys: list[str], together: bool) -> None:
    """Whether one record has all keys, or each has its own; most values fit, and no check fails on the others."""
    values = dict.fromkeys(keys, 1) | {keys[0]: "x", keys[1]: None}
    maps = [values] if together else [{key: value} for key, value in values.items()]
    payloads = [{"n": 1, "o": {"by_user": each, "total": 1}} for each in maps]
    schema = drafted(*payloads)
    assert schema["properties"]["o"]["properties"] == {
        "by_user": a_map({"type": ["integer", "null"], "x-mixed": ["string"]}),
        "total": {"type": "integer"},
    }
    event_type = EventType("a", "a", parse_columns(schema, "properties", []))
    rows = read_drafted(event_type, [json.dumps(event("u") | payload) for payload in payloads])
    assert rows["o"][0] == {"by_user": {**maps[0], keys[0]: None}, "total": 1}
    assert json.loads(rows["_rescued"][0]) == {"o": {"by_user": {keys[0]: "x"}}}
    verdict = conformed(event_type, rows)
    assert verdict.passed
    assert verdict.metadata["expected_fields"] == {"o.by_user.*": 1}


def a_map(values: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a map."""
    return {"type": "object", "x-map": True, "additionalProperties": values}


@pytest.mark.parametrize("number", [101, 1_001])
def test_a_map_without_a_type_of_its_values_is_not_typed(number: int) -> None:
    """A note says so."""
    values = {f"{key}": [key, "x", True][key % 3] for key in range(number)}
    note = "Not typed: its keys look like data, and no type holds most of its values."
    assert drafted({"o": values})["properties"] == {"o": {"description": note}}


@pytest.mark.parametrize(
    ("values", "is_map"),
    [
        pytest.param([1.5] * 200, True, id="of one type"),
        pytest.param([*[1, None] * 100], True, id="or null"),
        pytest.param([{"x": 1}, {"x": 2, "y": "t"}] * 100, True, id="objects alike"),
        pytest.param([[1]] * 200, True, id="arrays"),
        pytest.param([1.5] * 199, False, id="too few"),
        pytest.param([*[1] * 299, "x"], False, id="one of another type"),
        pytest.param([*[{"x": 1}] * 299, {"x": "t"}], False, id="an object with a field of another type"),
        pytest.param([*[[1]] * 299, ["x"]], False, id="an array of others"),
    ],
)
def test_an_object_of_some_hundred_names_is_a_map_if_one_type_holds_all_values(
    values: list[Any], *, is_map: bool
) -> None:
    """Otherwise it has a column for each; also where some of the names have numbers."""
    (definition,) = drafted({"o": {f"answer_{n}": value for n, value in enumerate(values)}})["properties"].values()
    assert ("x-map" in definition) == is_map
    assert is_map or len(definition["properties"]) == len(values)


def test_the_values_of_a_map_are_typed_together() -> None:
    """Those before there were too many keys and those after; in objects, arrays and maps of maps."""
    number = 1_500
    device = [{"v": 1, "tags": ["a"]}, {"v": 2.5, "at": "2025-06-02"}, None]
    payloads = [
        {
            "devices": {f"k{'x' * each}": device[each % 3]},
            "rows": [{f"{each}": {"n": each}}],
            "days": {f"2025-06-{each % 30}-{each}": {f"{each}_{below:04}": below} for below in range(1)},
        }
        for each in range(number)
    ]
    assert drafted(*payloads)["properties"] == {
        "devices": a_map(
            {
                "type": ["object", "null"],
                "properties": {
                    "v": {"type": "number"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "at": {"type": "string", "format": "date"},
                },
                "required": ["v"],
            }
        ),
        "rows": {
            "type": "array",
            "items": a_map({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
        },
        "days": a_map(a_map({"type": "integer"})),
    }


def test_the_values_of_a_map_are_taken_together_for_a_price_that_is_linear() -> None:
    """In its keys, however many fields the values have together."""

    def calls(keys: int) -> int:
        draft = Draft(Envelope())
        draft.add(["a"], [json.dumps({"o": {f"{number}": [{f"f{'x' * number}": 1}] for number in range(keys)}})])
        return count_calls(draft.schemas)

    assert calls(500) < 2.5 * calls(250)


@settings(max_examples=40, deadline=None)
@given(payloads=st.lists(st.dictionaries(KEYS, JSON, max_size=4), min_size=1, max_size=5), limit=st.integers(0, 3))
def test_so_it_is_with_maps(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, Any]], limit: int
) -> None:
    """Where an object of a few keys is one already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "_MAX_KEYS", limit)
        patch.setattr(shapes, "_MANY_KEYS", 1)
        expect_held(tmp_path_factory.mktemp("catalog"), payloads)


def test_names_that_clash_are_counted_once_each() -> None:
    """Twice as many keys that all want the same name take twice the calls."""

    def calls(keys: int) -> int:
        draft = Draft(Envelope())
        draft.add(["a"], [json.dumps({"@" * number: 1 for number in range(1, keys + 1)})])
        return count_calls(draft.schemas)

    assert calls(400) < 2.5 * calls(200)


def test_typed_records_need_no_rescue() -> None:
    """What got a type has a column that holds it."""
    payloads: list[dict[str, Any]] = [{"n": 1, "o": {"x": [1.5]}}, {"n": 2**60, "o": None}, {"o": {"x": []}}]
    columns = parse_columns(drafted(*payloads), "properties", [])
    bodies = pl.Series([json.dumps(event("u") | payload) for payload in payloads])
    rows = PayloadReader(EventType("a", "a", columns), Envelope()).read(bodies)
    assert rows["_rescued"].null_count() == 3
    assert rows.select("n", "o").rows() == [(1, {"x": [1.5]}), (2**60, None), (None, {"x": []})]
