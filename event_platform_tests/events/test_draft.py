"""Records seen become a schema that holds them: the widest type that loses nothing, or none."""

import json
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
    draft.add(["a"] * len(payloads), [json.dumps(event("u", **payload)) for payload in payloads])
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


@settings(max_examples=150, deadline=None)
@given(payloads=st.lists(st.dictionaries(KEYS, JSON, max_size=4), min_size=1, max_size=5))
def test_a_drafted_catalog_has_no_fault_and_holds_every_record(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, Any]]
) -> None:
    """Whatever the records are."""
    folder = write_catalog(tmp_path_factory.mktemp("catalog"), {"a": drafted(*payloads)})
    (event_type,) = load_catalog(folder).event_types
    rows = PayloadReader(event_type, Envelope()).read(pl.Series([json.dumps(event("u", **p)) for p in payloads]))
    for payload, row in zip(payloads, rows.to_dicts(), strict=True):
        assert lost(payload, row, event_type.columns) == []


def test_typed_records_need_no_rescue() -> None:
    """What got a type has a column that holds it."""
    payloads: list[dict[str, Any]] = [{"n": 1, "o": {"x": [1.5]}}, {"n": 2**60, "o": None}, {"o": {"x": []}}]
    columns = parse_columns(drafted(*payloads), "properties", [])
    bodies = pl.Series([json.dumps(event("u", **payload)) for payload in payloads])
    rows = PayloadReader(EventType("a", "a", columns), Envelope()).read(bodies)
    assert rows["_rescued"].null_count() == 3
    assert rows.select("n", "o").rows() == [(1, {"x": [1.5]}), (2**60, None), (None, {"x": []})]
