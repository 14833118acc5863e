"""Records seen become a schema that holds them: the widest type that loses nothing, or none."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.catalog import EventType, load_catalog
from event_platform.events.columns import parse_columns
from event_platform.events.draft import Draft
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader
from event_platform_tests.fidelity import lost
from event_platform_tests.world import event, write_catalog


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
        ([None], {}),
        ([None, 1], {"type": ["integer", "null"]}),
        (["2025-06-02T12:00:00Z", "2025-06-02T12:00:00.5+02:00"], {"type": "string", "format": "date-time"}),
        (["2025-06-02"], {"type": "string", "format": "date"}),
        (["2025-06-02", "2025-06-02T12:00:00Z"], {"type": "string"}),
        (["2025-06-02", "soon"], {"type": "string"}),
        ([["a"], []], {"type": "array", "items": {"type": "string"}}),
        ([[1, "a"]], {}),
        ([[]], {}),
        ([["a"], "a"], {}),
        ([{}], {}),
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
    """Where no type holds them all, the property is known and has none."""
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


def test_keys_below_are_named_as_those_above() -> None:
    """But only a table's own columns are reserved."""
    below = drafted({"o": [{"body": 1, "id.x": 2, "ID_X": 3}]})["properties"]["o"]["items"]["properties"]
    assert {key: definition.get("x-column", key) for key, definition in below.items()} == {
        "body": "body",
        "id.x": "id_x",
        "ID_X": "ID_X_2",
    }


@pytest.mark.parametrize("key", ["a\0b", 'a"b', "a\\b", "a\nb"])
def test_a_key_that_json_escapes_is_known_without_a_type(key: str) -> None:
    """At the top and below: its values live in `_rescued`."""
    assert drafted({key: 1, "o": {"x": 1, key: 2}})["properties"] == {
        key: {},
        "o": {"type": "object", "properties": {"x": {"type": "integer"}, key: {}}, "required": ["x", key]},
    }


def test_a_number_that_no_double_holds_leaves_the_other_fields_their_types() -> None:
    """It has none, also where others of its field do."""
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
        (Envelope(event_uuid=("id",)), ["event_uuid", "header"]),
        (Envelope(created_at=("header", "at")), ["created_at", "header"]),
    ],
)
def test_what_the_envelope_holds_whole_is_no_payload(envelope: Envelope, properties: list[str]) -> None:
    """What it finds inside an object stays in that object."""
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
    """Whatever the records are."""
    folder = write_catalog(tmp_path_factory.mktemp("catalog"), {"a": drafted(*payloads)})
    (event_type,) = load_catalog(folder).event_types
    rows = PayloadReader(event_type, Envelope()).read(
        pl.Series([json.dumps(event("u") | payload) for payload in payloads])
    )
    for payload, row in zip(payloads, rows.to_dicts(), strict=True):
        assert lost(payload, row, event_type.columns) == []


def test_typed_records_need_no_rescue() -> None:
    """What got a type has a column that holds it."""
    payloads: list[dict[str, Any]] = [{"n": 1, "o": {"x": [1.5]}}, {"n": 2**60, "o": None}, {"o": {"x": []}}]
    columns = parse_columns(drafted(*payloads), "properties", [])
    bodies = pl.Series([json.dumps(event("u") | payload) for payload in payloads])
    rows = PayloadReader(EventType("a", "a", columns), Envelope()).read(bodies)
    assert rows["_rescued"].null_count() == 3
    assert rows.select("n", "o").rows() == [(1, {"x": [1.5]}), (2**60, None), (None, {"x": []})]
