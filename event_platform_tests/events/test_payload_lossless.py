"""No value of any record is lost, and the fast path and the slow path give the same rows."""

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.envelope import Envelope
from event_platform_tests.events.payloads import COLUMNS, HEAD, READER
from event_platform_tests.support.exact import read_exactly
from event_platform_tests.support.fidelity import lost

KEYS = st.sampled_from(["text", "count", "os", "screen", "width", "id", "words", "Text", "$record"]) | st.text(
    max_size=4
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=6,
)
FITTING = {
    "text": st.text(max_size=5),
    "count": st.integers(-(2**63), 2**63 - 1),
    "score": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    "right": st.booleans(),
    "at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    "on": st.dates().map(date.isoformat),
    "@tag": st.text(max_size=3),
    "device": st.dictionaries(st.sampled_from(["os", "screen"]), JSON, max_size=2),
    "numbers": st.lists(st.integers(-5, 5) | st.none(), max_size=3),
    "answers": st.lists(
        st.fixed_dictionaries({}, optional={"id": st.integers(0, 9), "words": st.lists(st.text(max_size=2))})
    ),
    "any": JSON,
}
PAYLOADS = st.fixed_dictionaries({}, optional={key: value | JSON for key, value in FITTING.items()}).flatmap(
    lambda known: st.dictionaries(KEYS, JSON, max_size=2).map(lambda more: {**more, **known})
)


def bodies_of(payloads: list[dict[str, Any]]) -> list[str]:
    """Return events with these payloads as JSON."""
    head = json.loads(f"{{{HEAD}}}")
    return [json.dumps({**payload, **head}) for payload in payloads]


@settings(max_examples=75, deadline=None)
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=6))
def test_nothing_of_any_record_is_lost(payloads: list[dict[str, Any]]) -> None:
    """Every value is in its column or in `_rescued`."""
    for payload, row in zip(payloads, READER.read(pl.Series(bodies_of(payloads))).to_dicts(), strict=True):
        assert lost(payload, row, COLUMNS) == []


@settings(max_examples=75, deadline=None)
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=6))
def test_reading_in_bulk_is_reading_field_by_field(payloads: list[dict[str, Any]]) -> None:
    """The fast way and the exact way give the same rows."""
    bodies = bodies_of(payloads)
    frame = READER.read(pl.Series(bodies))
    exact = [read_exactly(body, COLUMNS, Envelope().consumed) for body in bodies]
    assert frame.equals(pl.DataFrame(exact, schema=frame.schema, orient="row"))


@settings(max_examples=75, deadline=None)
@given(payloads=st.lists(st.tuples(PAYLOADS, PAYLOADS, st.booleans()), min_size=1, max_size=4))
def test_so_it_is_where_keys_are_written_twice(payloads: list[tuple[dict[str, Any], dict[str, Any], bool]]) -> None:
    """Also beside records that have each key once."""
    bodies = []
    for first, second, twice in payloads:
        one, other = bodies_of([first, second])
        bodies.append(f"{one[:-1]}, {other[1:]}" if twice else one)
    frame = READER.read(pl.Series(bodies))
    exact = [read_exactly(body, COLUMNS, Envelope().consumed) for body in bodies]
    assert frame.equals(pl.DataFrame(exact, schema=frame.schema, orient="row"))
