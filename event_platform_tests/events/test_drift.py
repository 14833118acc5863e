"""What the counts of `_rescued` texts depend on."""

from typing import Any

from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column
from event_platform.events.drift import Outcome, count_drift, drift_digest

TEXTS = ['{"a": "x", "o": {"b": 1}, "$record": "{}"}']


def columns(properties: dict[str, Any]) -> tuple[Column, ...]:
    """Return the columns of a schema with these properties."""
    return parse_columns({"properties": properties}, "properties", [])


def test_a_schema_that_counts_otherwise_has_another_digest() -> None:
    """So counts that a file keeps are never taken for those of another schema."""
    known: list[tuple[dict[str, Any], Outcome]] = [
        ({}, Outcome.UNKNOWN),
        ({"a": {"type": "integer"}}, Outcome.MISFIT),
        ({"a": {"type": "integer", "x-mixed": ["string", "array"]}}, Outcome.EXPECTED),
        ({"a": {}}, Outcome.EXPECTED),
    ]
    for properties, outcome in known:
        assert count_drift(TEXTS, columns(properties))[outcome, ("a",)] == 1
    nested: list[dict[str, Any]] = [
        {"o": {"type": "object", "properties": {"b": field}}} for field in ({"type": "string"}, {})
    ]
    digests = [drift_digest(columns(each)) for each in [*(properties for properties, _ in known), *nested]]
    assert len(set(digests)) == len(digests)


def test_the_order_of_a_set_is_not_in_the_digest() -> None:
    """It differs from one process to the next, and files keep the digest."""
    mixed = [
        columns({"a": {"type": "integer", "x-mixed": names}}) for names in (["string", "array"], ["array", "string"])
    ]
    assert drift_digest(mixed[0]) == drift_digest(mixed[1]) == 792_202_012


def test_a_record_with_a_key_twice_has_no_path() -> None:
    """It is counted once, beside its fields."""
    assert count_drift(TEXTS, ())[Outcome.WHOLE_RECORD, ()] == 1
