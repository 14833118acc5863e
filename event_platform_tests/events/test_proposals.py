"""What arrives against a schema: the least change of the schema that has a place for it."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.differences.arrivals import Arrivals
from event_platform.events.differences.field_proposals import propose_fields
from event_platform.events.differences.proposal import Finding, Proposal, apply_edits
from event_platform.events.differences.rescued_sample import RescuedSample
from event_platform.events.differences.rule_proposals import propose_rules
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.drift import Outcome, Path, RescuedReader, count_drift
from event_platform.events.event import RESERVED_COLUMNS
from event_platform.events.evolution.clashes import find_clashes
from event_platform.events.rescue import Rescuer, is_empty_value

Schema = dict[str, Any]
MONDAY = date(2025, 6, 2)
STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
DEVICE = {"type": "object", "properties": {"os": STRING}}


def typed(document: Schema) -> EventType:
    """Return the event type of a schema, which must be without faults."""
    faults: list[str] = []
    columns = parse_columns(document, "", faults, RESERVED_COLUMNS)
    assert faults == []
    return EventType("a", "a", columns)


def rescued(document: Schema, payloads: Iterable[Any]) -> list[str]:
    """Return the `_rescued` texts of payloads."""
    rescuer = Rescuer(typed(document).columns, frozenset())
    return [text for payload in payloads if (text := rescuer.split(json.dumps(payload))[1])]


def proposed(document: Schema, *payloads: Any, **figures: Any) -> list[Proposal]:
    """Return what is proposed for payloads that arrived on one day, read with the schema that it is now."""
    return proposed_for(document, rescued(document, payloads), len(payloads), **figures)


def proposed_for(document: Schema, texts: list[str], rows: int, **figures: Any) -> list[Proposal]:
    """Return what is proposed for `_rescued` texts."""
    event_type = typed(document)
    paths = SchemaPaths(event_type, document)
    sample = RescuedSample(paths)
    for text in texts:
        sample.add(text)
    drifts = {MONDAY: paths.with_present_keys(count_drift(texts, event_type.columns))}
    arrivals = Arrivals({MONDAY: rows}, drifts, figures.pop("broken_rules", {}), sample, **figures)
    return [*propose_fields(paths, arrivals, ()), *propose_rules(paths, arrivals, 0.01)]


def accepted(document: Schema, proposals: Iterable[Proposal]) -> Schema:
    """Return the schema with all that is proposed."""
    found: Schema = json.loads(json.dumps(document))
    apply_edits(found, [edit for proposal in proposals for edit in proposal.edits])
    return found


@pytest.mark.parametrize(
    ("known", "values", "after"),
    [
        pytest.param(None, ["x"], STRING, id="a text"),
        pytest.param(None, [1, 2**60], INTEGER, id="integers"),
        pytest.param(None, [1, 1.5], NUMBER, id="numbers"),
        pytest.param(None, ["2025-06-02"], STRING | {"format": "date"}, id="dates"),
        pytest.param(None, ["2025-06-02", "soon"], STRING, id="dates and texts"),
        pytest.param(None, [{"a": 1}, {}], {"type": "object", "properties": {"a": INTEGER}}, id="objects"),
        pytest.param(None, [[1], [2.5]], {"type": "array", "items": NUMBER}, id="arrays"),
        pytest.param(None, [1, "x"], STRING | {"x-was-type": ["integer"]}, id="a mixture"),
        pytest.param(
            None, [1, {"a": 1}], {"type": ["integer", "object"], "x-variant": True}, id="objects in a mixture"
        ),
        pytest.param(
            None,
            [{"a": 1, "b": {"c": 1}}, {"a": "x", "b": []}],
            {
                "type": "object",
                "properties": {
                    "a": STRING | {"x-was-type": ["integer"]},
                    "b": {"type": "object", "properties": {"c": INTEGER}, "x-mixed": ["array"]},
                },
            },
            id="a mixture in objects, and an empty array in the place of one",
        ),
        pytest.param(
            None,
            [[{"a": 1}], [{"a": "x"}, {"b": {}}, {"b": []}]],
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "a": STRING | {"x-was-type": ["integer"]},
                        "b": {"type": "object"},
                    },
                },
            },
            id="mixtures within an array",
        ),
        pytest.param({"type": "null"}, ["x"], {"type": ["string", "null"]}, id="null until now"),
        pytest.param({"type": "array"}, [["x"]], {"type": "array", "items": STRING}, id="an empty array until now"),
        pytest.param(INTEGER | {"minimum": 0}, [1.5], NUMBER | {"minimum": 0}, id="fractions"),
        pytest.param(
            INTEGER | {"minimum": 0}, ["five"], STRING | {"x-was-type": ["integer"]}, id="texts beside integers"
        ),
        pytest.param(
            {"type": ["number", "null"]},
            ["x", 2**70, True],
            {"type": ["string", "null"], "x-was-type": ["boolean", "number"]},
            id="texts and booleans beside numbers",
        ),
        pytest.param(
            STRING | {"pattern": "^a"},
            [5],
            STRING | {"pattern": "^a", "x-was-type": ["integer"]},
            id="integers beside texts",
        ),
        pytest.param(
            STRING | {"x-was-type": ["boolean", "integer"]},
            [5.5],
            STRING | {"x-was-type": ["boolean", "number"]},
            id="numbers beside texts that were integers",
        ),
        pytest.param(STRING | {"format": "date"}, ["soon"], STRING, id="texts beside dates"),
        pytest.param(
            STRING | {"format": "date-time", "x-was-type": ["date"]}, ["soon"], STRING, id="texts beside timestamps"
        ),
        pytest.param(
            STRING | {"format": "date"},
            [7],
            STRING | {"x-was-type": ["integer"]},
            id="integers beside dates",
        ),
        *(
            pytest.param(
                STRING | {"format": known},
                [value],
                STRING | {"format": "date-time", "x-was-type": ["date"]},
                id=f"the other beside a {known}",
            )
            for known, value in (("date", "2025-06-02T00:00:00Z"), ("date-time", "2025-06-02"))
        ),
        pytest.param(
            STRING,
            [5, {"a": 1}],
            {"type": ["integer", "object", "string"], "x-variant": True},
            id="objects beside texts",
        ),
        pytest.param(
            {"type": "array", "items": INTEGER},
            [["x"]],
            {"type": "array", "items": STRING | {"x-was-type": ["integer"]}},
            id="texts as items",
        ),
        pytest.param(
            {"type": "array", "items": INTEGER},
            [[1, 2.5]],
            {"type": "array", "items": NUMBER},
            id="items of another type",
        ),
        pytest.param(
            {"type": "array", "items": DEVICE},
            [[{"os": "x", "v": 1}]],
            {"type": "array", "items": {"type": "object", "properties": {"os": STRING, "v": INTEGER}}},
            id="a field within an array",
        ),
        pytest.param(
            {"type": "object", "x-map": True, "additionalProperties": INTEGER},
            [{"k": 1.5}],
            {"type": "object", "x-map": True, "additionalProperties": NUMBER},
            id="values of a map",
        ),
        pytest.param(
            {"type": "array", "items": {"type": "object", "properties": {"os": INTEGER}}},
            [[{"os": [1], "v": 1}, {"v": "x"}]],
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "os": {"type": ["array", "integer"], "x-variant": True},
                        "v": STRING | {"x-was-type": ["integer"]},
                    },
                },
            },
            id="mixtures in the fields of an array",
        ),
        pytest.param(DEVICE, ["x"], {"type": ["object", "string"], "x-variant": True}, id="texts beside objects"),
        pytest.param(
            {"type": "object", "properties": {"email": STRING | {"x-personal": True}}},
            ["x"],
            {"x-personal": True, "type": ["object", "string"], "x-variant": True},
            id="texts beside objects with a personal value",
        ),
    ],
)
def test_a_property_gets_the_narrowest_type_that_has_all_values(
    known: Schema | None, values: list[Any], after: Schema
) -> None:
    """In its column, which is widened if necessary; if no other type fits, each value as its JSON text."""
    document = {"title": "a", "properties": {} if known is None else {"p": known}}
    proposals = proposed(document, *({"p": value} for value in values))
    assert [(each.path, each.events) for each in proposals if each.after] == [("p", proposals[0].events)]
    assert accepted(document, proposals)["properties"]["p"] == after


def test_an_earlier_key_is_the_property_that_has_it_now() -> None:
    """One change has the values of both, in objects as well. What both have has no place."""
    build = INTEGER | {"x-was": ["old"]}
    document: Schema = {"properties": {"build": build, "o": {"type": "object", "properties": {"p": build}}}}
    proposals = proposed(document, {"old": "x", "o": {"old": 1.5}}, {"build": 2.5})
    assert [(each.path, each.events) for each in proposals] == [("build", 2), ("o.p", 1)]
    after = accepted(document, proposals)["properties"]
    assert after["build"] == STRING | {"x-was": ["old"], "x-was-type": ["number"]}
    assert after["o"]["properties"]["p"] == NUMBER | {"x-was": ["old"]}
    (found_twice,) = proposed(document, {"build": 1, "old": 2})
    assert (found_twice.finding, found_twice.path, found_twice.edits) == (Finding.REBUILD, "build", ())
    assert found_twice.action.startswith("another of its keys (x-was) has the value")
    items = {"type": "object", "properties": {"p": INTEGER | {"x-was": ["old"]}}}
    document = {"properties": {"a": {"type": "array", "items": items}}}
    after = accepted(document, proposed(document, {"a": [{"old": "x", "q": 1}, {"p": 2}]}))["properties"]["a"]["items"]
    assert after["properties"] == {"p": STRING | {"x-was": ["old"], "x-was-type": ["integer"]}, "q": INTEGER}
    document = {"properties": {"build": INTEGER | {"x-was": ["old", "older"]}}}
    (found_thrice,) = proposed(document, {"build": 1, "old": 2, "older": 3})
    assert (found_thrice.finding, found_thrice.edits) == (Finding.REBUILD, ())


def test_a_nested_field_is_added_to_its_object() -> None:
    """Also in the values of a map; names that a table cannot have beside others get a column of their own."""
    scores = {"type": "object", "x-map": True, "additionalProperties": DEVICE}
    document = {"properties": {"device": DEVICE, "scores": scores}}
    payload = {"device": {"Os": 1, "os": "x"}, "scores": {"me": {"v": 2}}, "created_at": "x"}
    found = accepted(document, proposed(document, payload))["properties"]
    assert found["device"]["properties"]["Os"] == INTEGER | {"x-column": "Os_2"}
    assert found["scores"]["additionalProperties"]["properties"]["v"] == INTEGER
    assert found["created_at"] == STRING | {"x-column": "created_at_2"}


def test_a_name_that_the_table_has_already_is_not_free() -> None:
    """It may be of another type, or of a property that the catalog lost."""
    stored = pl.Schema({"P": pl.Int64})
    document: Schema = {"properties": {}}
    (proposal,) = proposed_for(document, ['{"p": "x"}'], 1, stored_schema=stored)
    assert accepted(document, [proposal])["properties"]["p"] == STRING | {"x-column": "p_2"}


def test_large_integers_are_not_made_numbers() -> None:
    """A double would change them."""
    document = {"properties": {"p": INTEGER}}
    (proposal,) = proposed(document, {"p": 1.5}, long_columns=frozenset({"p"}))
    assert accepted(document, [proposal])["properties"]["p"] == STRING | {"x-was-type": ["number"]}


def test_what_has_a_place_since_is_to_be_rebuilt() -> None:
    """Its days were built with an earlier schema."""
    (proposal,) = proposed_for({"properties": {"p": STRING}}, ['{"p": "x"}'], 1)
    assert (proposal.finding, proposal.edits) == (Finding.REBUILD, ())
    assert not proposal.finding.needs_user


def test_what_is_expected_is_not_proposed_again() -> None:
    """Neither an untyped property nor a type in x-mixed."""
    document = {"properties": {"p": {}, "q": INTEGER | {"x-mixed": ["string"]}}}
    assert proposed(document, {"p": 1, "q": "x"}) == []


def test_personal_values_are_not_shown() -> None:
    """Nor what is new in a personal object, or differs from a personal field in case and separators."""
    document = {"properties": {"p": INTEGER | {"x-personal": True}, "o": DEVICE | {"x-personal": True}}}
    proposals = proposed(document, {"p": "secret", "o": {"mail": "secret"}})
    assert [each.example for each in proposals] == ["•••", "•••"]
    (found_alike,) = proposed(document, {"P": "secret"})
    assert (found_alike.example, found_alike.edits[0].value) == (
        "•••",
        STRING | {"x-column": "P_2", "x-personal": True},
    )


RULES: Schema = {
    "required": ["p", "o"],
    "properties": {
        "p": INTEGER | {"minimum": 1, "maximum": 9, "enum": [1, 2]},
        "s": STRING | {"pattern": "^a"},
        "o": {"type": "object", "required": ["p"], "properties": {"p": INTEGER | {"minimum": 0}}},
    },
}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("minimum: p", {"p": INTEGER | {"minimum": -3, "maximum": 9, "enum": [1, 2]}}),
        ("maximum: p", {"p": INTEGER | {"minimum": 1, "maximum": 12, "enum": [1, 2]}}),
        ("enum: p", {"p": INTEGER | {"minimum": 1, "maximum": 9, "enum": [1, 2, 7]}}),
        ("pattern: s", {"s": STRING}),
        ("minimum: o.p", {"o": {"type": "object", "required": ["p"], "properties": {"p": INTEGER}}}),
        ("required: o.p", {"o": {"type": "object", "properties": {"p": INTEGER | {"minimum": 0}}}}),
    ],
)
def test_a_broken_rule_is_loosened_as_far_as_the_events_go(rule: str, change: Schema) -> None:
    """Or dropped where the figures do not say how far. Few broken ones are no proposal."""
    figures = {"minima": {"p": -3}, "maxima": {"p": 12}, "violations": {"enum: p": ("7",)}}
    (proposal,) = proposed_for(RULES, [], 100, broken_rules={MONDAY: {rule: 2}}, **figures)
    assert (proposal.events, proposal.share, proposal.is_judgement) == (2, 0.02, True)
    assert accepted(RULES, [proposal])["properties"] == RULES["properties"] | change
    assert proposed_for(RULES, [], 100, broken_rules={MONDAY: {rule: 1}}, **figures) == []
    (proposal,) = proposed_for(RULES, [], 1, broken_rules={MONDAY: {"required: p": 1}})
    assert accepted(RULES, [proposal])["required"] == ["o"]


def test_first_and_last_day_are_those_of_the_field() -> None:
    """Of the days that were looked at; the share is of all their events."""
    days = [MONDAY + timedelta(number) for number in range(4)]
    event_type = typed({})
    paths = SchemaPaths(event_type, {})
    sample = RescuedSample(paths)
    sample.add('{"p": 1}')
    drifts = {day: count_drift(['{"p": 1}'], ()) for day in days[1:3]}
    arrivals = Arrivals(dict.fromkeys(days, 5), drifts, {}, sample)
    (proposal,) = propose_fields(paths, arrivals, ())
    assert (proposal.events, proposal.share, proposal.first, proposal.last) == (2, 0.1, days[1], days[2])


def test_what_is_in_something_that_changes_as_well_is_kept() -> None:
    """Whichever of both is more frequent: one edit is within the other."""
    document: Schema = {"properties": {"o": {"type": "object", "properties": {"p": {"type": "array"}, "q": INTEGER}}}}
    proposals = proposed(document, {"o": []}, {"o": []}, {"o": {"p": 1}})
    assert [each.path for each in proposals] == ["o", "o.p"]
    for order in (proposals, proposals[::-1]):
        after = accepted(document, order)["properties"]["o"]
        assert (after["x-mixed"], after["properties"]["p"]) == (["array"], INTEGER | {"x-mixed": ["array"]})


KEYS = st.sampled_from(["p", "q", "P", "o", "a b", "created_at", "$record2", "é", 'q"'])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["x", "2025-06-02", "2025-06-02T00:00:00Z", "\ud83d"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
PAYLOADS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=6)


def left(document: Schema, payloads: Iterable[Any]) -> set[tuple[Outcome, Path]]:
    """Return what is in `_rescued` after a rebuild, not empty, without half an emoji, and not expected there."""
    reader = RescuedReader(typed(document).columns)
    texts = rescued(document, payloads)
    values = [each for text in texts for each in reader.read(text) if rb"\ud83d" not in bytes(each[2])]
    found = {(why, path) for why, path, raw in values if not is_empty_value(decoded(raw))}
    return {(why, path) for why, path in found if why not in {Outcome.EXPECTED, Outcome.WHOLE_RECORD}}


def decoded(raw: msgspec.Raw) -> Any:
    """Return a value; python's decoder takes any number."""
    return json.loads(bytes(raw))


@given(before=PAYLOADS, after=PAYLOADS)
def test_what_is_accepted_is_not_rescued_any_more(before: list[Any], after: list[Any]) -> None:
    """Whatever came first, and was accepted, and whatever comes then: each has its column, or is expected.

    And a table that has the columns of before can get those of after: none has another type that is not wider.
    """
    document: Schema = {"title": "a", "properties": {}}
    for payloads in (before, [*before, *after]):
        known = typed(document)
        proposals = proposed(document, *payloads)
        document = accepted(document, proposals)
        assert left(document, payloads) == set(), proposals
        # `[]` and `{}` are no unknown field, and no text holds half an emoji: with a column, they have no place.
        document = accepted(document, proposed(document, *payloads))
        assert proposed(document, *payloads) == []
        assert list(find_clashes(known.schema, typed(document).schema, typed(document).variants)) == []
