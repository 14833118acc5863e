"""One body, field by field: the values that fit, and the rest as it was written."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader

COLUMNS = parse_columns(
    {
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "count": {"type": "integer"},
            "known": {},
            "device": {
                "type": "object",
                "properties": {"os": {"type": "string"}, "@v": {"type": "integer", "x-column": "v"}},
            },
            "lists": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        }
    },
    "properties",
    [],
)
READER = PayloadReader(EventType("a", "a", COLUMNS), Envelope(event_uuid=(("id",),)))


def rescued(body: str) -> tuple[list[Any], str | None]:
    """Return the values of at, count, device and lists, and what is left as JSON."""
    (row,) = READER.read(pl.Series([body])).rows()
    return list(row[:-1]), row[-1]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("1e400", id="beyond a double"),
        pytest.param("-1E-400", id="too small for a double"),
        pytest.param("0.1000000000000000055511151231257827", id="more digits than a double has"),
        pytest.param("1.50", id="zero at the end"),
        pytest.param(f"1{'0' * 5_000}", id="5,000 digits"),
        pytest.param('"\\u0061\\/"', id="letters written as escapes"),
        pytest.param('{"b" : [1, 2 ],"a":{}}', id="blanks and the order of keys"),
    ],
)
def test_what_is_kept_is_kept_as_it_was_written(written: str) -> None:
    """Whether its field is known or not."""
    for field in ("new", "known", "count"):
        assert rescued(f'{{"{field}": {written}}}') == ([None] * 4, f'{{"{field}":{written}}}')


def test_values_come_in_the_order_of_the_columns() -> None:
    """Whatever the order of the keys."""
    values, left = rescued('{"lists": [[1], null, []], "device": {"@v": 2}, "count": 7, "at": "2025-06-02T12:00:00Z"}')
    assert values == [datetime(2025, 6, 2, 12, tzinfo=UTC), 7, {"os": None, "v": 2}, [[1], None, []]]
    assert left is None


def test_what_the_envelope_consumes_is_not_left_over() -> None:
    """But a key of that name inside an object is."""
    assert rescued('{"id": "u", "device": {"id": 1}}')[1] == '{"device":{"id":1}}'


def test_a_field_is_kept_under_its_key_and_not_under_its_column() -> None:
    """So that `_rescued` reads like the record."""
    assert rescued('{"device": {"os": "ios", "@v": "2", "v": 3}}') == (
        [None, None, {"os": "ios", "v": None}, None],
        '{"device":{"@v":"2","v":3}}',
    )


@pytest.mark.parametrize("lists", ['[["1"]]', "[[1], [1.5]]", "[1]", "[[[]]]", "[{}]", '"[]"', f"[[{2**63}]]"])
def test_an_array_with_a_misfit_anywhere_is_kept_whole(lists: str) -> None:
    """A list with gaps would have its places wrong."""
    assert rescued(f'{{"lists": {lists}}}') == ([None] * 4, f'{{"lists":{lists}}}')


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ('{"count": 1, "count": 2}', [None, 2, None, None]),
        ('{"count": 1, "\\u0063ount": 2}', [None, 2, None, None]),
        ('{"count": null, "count": 2}', [None, 2, None, None]),
        ('{"device": {"os": "a", "os": "b"}}', [None, None, {"os": "b", "v": None}, None]),
        ('{"new": [{"x": 1, "x": 1}], "count": 3}', [None, 3, None, None]),
    ],
)
def test_a_record_with_a_key_twice_is_kept_whole_beside_its_columns(body: str, values: list[Any]) -> None:
    """The last one is in the column, as JSON readers agree."""
    found, left = rescued(body)
    assert found == values
    assert json.loads(left or "")["$record"] == body


def test_a_field_named_as_the_whole_record_is_a_field() -> None:
    """Unless a key is there twice: the whole record holds it then."""
    assert rescued('{"$record": 1}')[1] == '{"$record":1}'
    twice = '{"$record": 1, "x": 1, "x": 2}'
    assert json.loads(rescued(twice)[1] or "")["$record"] == twice


def test_a_record_too_deep_to_look_into_is_kept_whole() -> None:
    """Its columns stay empty: nothing of it can be told apart."""
    body = f'{{"count": 1, "new": {"[" * 100_000}{"]" * 100_000}}}'
    found, left = rescued(body)
    assert found == [None] * 4
    assert json.loads(left or "") == {"$record": body}
