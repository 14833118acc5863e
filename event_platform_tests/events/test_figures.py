"""What a sample of a file says of the columns of an event type."""

from collections import Counter
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column, Kind
from event_platform.events.figures import sample_figure

SCHEMA = {
    "properties": {
        "plan": {"type": "string"},
        "level": {"type": "integer"},
        "hard": {"type": "boolean"},
        "score": {"type": "number"},
        "day": {"type": "string", "format": "date"},
        "moment": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
}
TYPE = EventType("a", "a", parse_columns(SCHEMA, "properties", []))
SAMPLE = sample_figure(TYPE)


def sample(rows: int, **columns: Any) -> dict[tuple[str | None, str | None], int]:
    """Return the figure of a file with these columns; the others are null."""
    frame = pl.DataFrame({name: columns.get(name, [None] * rows) for name in TYPE.schema}, schema=TYPE.schema)
    counts = SAMPLE.count(frame.lazy()).collect()
    assert SAMPLE.from_json(SAMPLE.to_json(counts)).equals(counts)
    return {(column, value): number for column, value, number in counts.iter_rows()}


def test_few_values_are_counted_and_many_are_not() -> None:
    """As text. Nested columns and moments are not sampled; null is no value."""
    sampled = sample(
        200,
        plan=[f"plan {number % 20}" for number in range(200)],
        level=range(200),
        hard=[True, None] * 100,
        score=[0.5] * 200,
    )
    of_plan = {value: number for (column, value), number in sampled.items() if column == "plan"}
    assert of_plan.pop(None) == 20
    assert of_plan == Counter(f"plan {number % 20}" for number in range(200))
    assert {key: number for key, number in sampled.items() if key[0] != "plan"} == {
        (None, None): 200,
        ("level", None): 200,
        ("hard", None): 1,
        ("hard", "true"): 100,
        ("score", None): 1,
        ("score", "0.5"): 200,
    }


@pytest.mark.parametrize("name", ["number", "value", "column", "len", "count"])
def test_a_column_may_have_any_name(name: str) -> None:
    """Also one that is at home in the figure."""
    properties = {"properties": {name: {"type": "integer"}}}
    figure = sample_figure(EventType("a", "a", parse_columns(properties, "properties", [])))
    counts = figure.count(pl.LazyFrame({name: [7] * 200})).collect()
    assert set(counts.iter_rows()) == {(None, None, 200), (name, None, 1), (name, "7", 200)}


@pytest.mark.parametrize(("rows", "sampled"), [(512, 512), (513, 257), (1_025, 342), (100_000, 511)])
def test_rows_are_sampled_evenly(rows: int, sampled: int) -> None:
    """From the first to the last, and never more than a number of them."""
    found = sample(rows, level=range(rows), plan=["a"] * (rows // 2) + ["b"] * (rows - rows // 2))
    assert found[None, None] == found["level", None] == sampled
    assert abs(found["plan", "a"] - found["plan", "b"]) <= 1


def test_a_few_rows_have_no_frequent_values() -> None:
    """Whatever is in them: each column would have few."""
    sampled = sample(5, plan=["a", "b"] * 2 + ["c"])
    assert {key for key in sampled if key[1] is not None} == set()
    assert sampled["plan", None] == 3


def test_long_values_are_cut() -> None:
    """Two that begin alike are one."""
    sampled = sample(100, plan=["x" * 60 + "1", "x" * 60 + "2"] * 50)
    assert (sampled["plan", None], sampled["plan", "x" * 60]) == (2, 100)


def test_a_type_without_such_columns_is_not_sampled() -> None:
    """There is nothing to say of it."""
    nested = EventType("a", "a", parse_columns({"properties": {"o": {"type": "object"}}}, "properties", []))
    assert sample_figure(nested).count(pl.LazyFrame({"o": [1, 2]})).collect().is_empty()


def test_a_column_may_have_the_name_of_what_is_counted() -> None:
    """Else its type would have no table."""
    columns = (Column("number", "number", Kind.STRING), Column("value", "value", Kind.STRING))
    rows = pl.LazyFrame({"number": ["a"] * 40, "value": ["b"] * 40})
    sampled = sample_figure(replace(TYPE, columns=columns)).count(rows).collect()
    assert ("number", "a", 40) in sampled.rows()
    assert ("value", "b", 40) in sampled.rows()
