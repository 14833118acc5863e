"""One round of accepting is enough: after a rebuild, no sampled difference is proposed again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.differences.proposal import Finding
from event_platform.events.draft import Draft
from event_platform.events.envelope import Envelope
from event_platform_tests.events.test_proposals import MONDAY, Schema, accepted, proposed

KEYS = st.sampled_from("pqPo")
#: Values of which each says something: `[]`, `{}` and null are in no `_rescued` while their property has no type.
SCALARS = st.booleans() | st.integers(-(2**55), 2**55) | st.floats(-9, 9) | st.sampled_from(["x", "", "2025-06-02"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3),
    max_leaves=5,
)
PAYLOADS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=5)


def drafted(*payloads: Any) -> Schema:
    """Return the schema drafted from payloads."""
    draft = Draft(Envelope())
    draft.add(["a"] * len(payloads), map(json.dumps, payloads))
    return draft.schemas()["a"]


@given(before=PAYLOADS, after=PAYLOADS)
def test_one_round_is_enough(before: list[Any], after: list[Any]) -> None:
    """For any draft and any later events."""
    document = drafted(*before)
    document = accepted(document, proposed(document, *before, *after))
    assert proposed(document, *before, *after) == []


@pytest.mark.parametrize("empty", [{}, [], {"a": None}, {"a": {}, "b": []}])
@pytest.mark.parametrize("value", [1, "x", "2025-06-02", True, [1], [[{"a": 1}]], {"c": 1}])
def test_empty_values_that_the_schema_has_are_expected_beside_the_first_type(empty: Any, value: Any) -> None:
    """At the top level, and for objects in an array, which has a column only if every item fits."""
    events = [{"p": empty, "list": [{"q": empty, "r": 1}]}, {"p": value, "list": [{"q": value, "r": 1}]}]
    document = drafted(events[0])
    document = accepted(document, proposed(document, *events))
    assert [each for each in proposed(document, *events) if each.finding is not Finding.BROKEN_RULE] == []


def test_what_is_empty_in_an_array_needs_no_place() -> None:
    """The array keeps its column, and gets the new fields."""
    before = {"list": [{"a": 1, "none": {}, "some": {}}]}
    document = drafted(before)
    (found,) = proposed(document, before, {"list": [{"a": 1, "none": {}, "some": {"b": 2}}]})
    items = accepted(document, [found])["properties"]["list"]["items"]["properties"]
    assert (items["none"], items["some"]["properties"]) == ({"type": "object"}, {"b": {"type": "integer"}})


def test_values_that_stay_in_rescued_are_said_to() -> None:
    """`x-mixed` gives no value a column."""
    document: Schema = {"properties": {"p": {"type": "integer"}}}
    (found,) = proposed(document, {"p": []})
    assert (found.after, found.action.partition(":")[0]) == ("type: integer, x-mixed: array", "no column has it")


def test_keys_that_are_data_make_the_object_a_map() -> None:
    """No edit is proposed, because the properties would be removed and the object needs a new column.

    An event cannot be a map.
    """
    document: Schema = {"properties": {"days": {"type": "object", "properties": {"first": {"type": "integer"}}}}}
    keys = {f"2025-{number:04}": number for number in range(200)}
    (found,) = proposed(document, {"days": keys})
    assert (found.path, found.example, found.edits) == ("days.…", '"2025-0000": 0', ())
    assert found.action.endswith("x-map: true, additionalProperties in the place of properties, x-column: days_map")
    values = {"type": "object", "x-map": True, "additionalProperties": {"type": "integer"}, "x-column": "days_map"}
    assert proposed({"properties": {"days": values}}, {"days": keys}) == []
    (found,) = proposed(document, keys)
    assert (found.path, found.edits) == ("…", ())
    assert "an event is no map" in found.action


def test_a_key_that_is_spelled_as_another_may_be_the_same_field() -> None:
    """If accepted, it gets its own column; with x-was, its values are in the existing column."""
    user = {"user_id": {"type": "string"}}
    document: Schema = {"properties": {**user, "o": {"type": "object", "properties": user}}}
    event = {"userId": "a", "o": {"UserID": "b", "other": "c"}}
    found = {each.path: each.action for each in proposed(document, event)}
    assert found["userId"].startswith(
        "if it is user_id with another key, x-was: [userId] in that property instead; else"
    )
    assert found["o.UserID"].startswith("if it is user_id with another key, x-was: [UserID]")
    assert found["o.other"].startswith("nothing is lost")
    same = {"user_id": {"type": "string", "x-was": ["userId"]}}
    assert proposed({"properties": same}, {"userId": "a"}) == []


def test_a_rule_of_a_map_is_that_of_the_map() -> None:
    """Its values have no column of their own. Accepted, the rule is not broken any more."""
    scores: Schema = {"type": "object", "x-map": True, "additionalProperties": {"type": "integer"}}
    document: Schema = {"required": ["scores"], "properties": {"scores": scores}}
    (found,) = proposed(document, {}, broken_rules={MONDAY: {"required: scores": 1}})
    assert (found.path, found.after) == ("scores", "optional")
    assert accepted(document, [found]) == {"properties": {"scores": scores}}
