"""A verdict follows from a figure and a threshold: what passes, warns or fails, and its text."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from event_platform.checks import conformance, conservation, rates, uniqueness
from event_platform.checks.result import Severity
from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import typed
from event_platform.events.constraints import count_broken_constraints
from event_platform.lake.balance import ArrivalBalance, DeduplicationBalance, TypingBalance
from event_platform_tests.support.conforming import check_rows
from event_platform_tests.support.world import MONDAY

ERROR, WARN = Severity.ERROR, Severity.WARN


@pytest.mark.parametrize(
    ("landed", "sound", "corrupt", "broken", "passed"),
    [(0, 0, 0, 0, True), (5, 3, 2, 0, True), (5, 3, 1, 0, False), (5, 3, 3, 0, False), (5, 3, 2, 1, False)],
)
def test_what_landed_is_sound_or_corrupt(landed: int, sound: int, corrupt: int, broken: int, passed: bool) -> None:
    """And no object has lost or repeated a record; anything else is an error."""
    verdict = conservation.check_arrivals(ArrivalBalance(MONDAY, landed, sound, corrupt, broken))
    assert (verdict.passed, verdict.severity) == (passed, ERROR)


def deduplication(**counts: int) -> DeduplicationBalance:
    """Return the balance of a day that is empty except for `counts`."""
    return DeduplicationBalance(
        MONDAY, **{**dict.fromkeys(("sound", "deduplicated", "redelivery", "conflict"), 0), **counts}
    )


@pytest.mark.parametrize(("deduplicated", "passed"), [(6, True), (5, False), (7, False)])
def test_what_is_sound_is_unique_or_a_duplicate(deduplicated: int, passed: bool) -> None:
    """One more or one less is an error."""
    balance = deduplication(sound=10, deduplicated=deduplicated, redelivery=3, conflict=1)
    assert conservation.check_deduplication(balance).passed is passed


@pytest.mark.parametrize(("typed", "passed"), [(8, True), (7, False), (9, False)])
def test_what_is_unique_is_typed_or_unregistered(typed: int, passed: bool) -> None:
    """One more or one less is an error, told in figures."""
    verdict = conservation.check_typing(TypingBalance(MONDAY, deduplicated=10, unregistered=2, typed=typed))
    assert verdict.passed is passed
    assert verdict.description == f"10 deduplicated = {typed} in event tables + 2 unregistered"


@pytest.mark.parametrize(
    ("rows", "distinct", "missing", "passed"), [(0, 0, 0, True), (3, 3, 0, True), (3, 2, 0, False), (3, 3, 1, False)]
)
def test_every_row_has_a_uuid_of_its_own(rows: int, distinct: int, missing: int, passed: bool) -> None:
    """A null among the distinct ones is not one of them."""
    assert uniqueness.check_day(uniqueness.Counts(rows, distinct, missing)).passed is passed


@pytest.mark.parametrize(
    ("corrupt", "passed", "severity"),
    [(0, True, WARN), (10, True, WARN), (11, False, WARN), (500, False, WARN), (501, False, ERROR)],
)
def test_corruption_warns_and_then_fails(corrupt: int, passed: bool, severity: Severity) -> None:
    """Above 0.1 % and above 5 % of ten thousand records, with the reasons."""
    verdict = rates.check_corruption(10_000, {"not_json": corrupt} if corrupt else {}, 0.001, 0.05)
    assert (verdict.passed, verdict.severity) == (passed, severity)
    assert ("not_json" in verdict.description) is bool(corrupt)


def test_a_day_without_records_has_no_corruption() -> None:
    """Nothing is divided by nothing."""
    assert rates.check_corruption(0, {}, 0.001, 0.05).passed
    assert rates.check_duplication(deduplication(), 0.05).passed


@pytest.mark.parametrize(
    ("redelivery", "conflict", "passed"), [(0, 0, True), (5, 0, True), (6, 0, False), (0, 1, False)]
)
def test_many_redeliveries_and_any_conflict_warn(redelivery: int, conflict: int, passed: bool) -> None:
    """Above 5 % of the sound records."""
    balance = deduplication(
        sound=100, deduplicated=100 - redelivery - conflict, redelivery=redelivery, conflict=conflict
    )
    verdict = rates.check_duplication(balance, 0.05)
    assert (verdict.passed, verdict.severity) == (passed, WARN)


def test_unregistered_names_are_listed_with_their_counts() -> None:
    """A warning: nothing is lost, and somebody has to register them."""
    verdict = rates.check_unregistered({"beta:clicked": 3, "ping": 1_200})
    assert (verdict.passed, verdict.severity) == (False, WARN)
    assert verdict.metadata == {"events": 1_203, "names": {"beta:clicked": 3, "ping": 1_200}}
    assert verdict.description == "1,203 events of 2 names that the catalog lacks"
    assert rates.check_unregistered({}).passed


def test_of_any_number_of_unregistered_names_the_most_frequent_are_listed() -> None:
    """And how many there are beside; what they have in common is said."""
    verdict = rates.check_unregistered({f"user:{number}": number for number in range(1, 100_001)})
    assert list(verdict.metadata["names"]) == [f"user:{number}" for number in range(100_000, 99_900, -1)]
    assert verdict.metadata["more_names"] == 99_900
    assert verdict.metadata["events"] == sum(range(100_001))
    assert verdict.description.endswith(
        "events of 100,000 names that the catalog lacks. 100,000 names look like ids: user:… (user:1, user:10, "
        "user:100 and others)"
    )


SCHEMA = {
    "required": ["user", "maybe"],
    "properties": {
        "user": {"type": "string", "pattern": "^usr_"},
        "maybe": {"type": ["string", "null"]},
        "level": {"type": "integer", "minimum": 1, "maximum": 9},
        "mode": {"type": "string", "enum": ["fast", "slow", None]},
        "device": {"type": "object", "required": ["os"], "properties": {"os": {"type": "string", "enum": ["ios"]}}},
        "any": {},
        "size": {"type": "number", "x-mixed": ["string", "array"], "x-decimal": [5, 2], "maximum": 9.5},
        "place": {
            "type": "object",
            "required": ["at"],
            "properties": {
                "at": {
                    "type": "object",
                    "required": ["lat@"],
                    "properties": {"lat@": {"type": "number", "x-column": "lat"}},
                },
                "any": {},
            },
        },
        "counts": {"type": "object", "x-map": True, "additionalProperties": {"type": "integer", "x-mixed": ["string"]}},
        "devices": {
            "type": "object",
            "x-map": True,
            "additionalProperties": {"type": "object", "properties": {"v": {"type": "integer"}, "*": {}}},
        },
    },
}
TYPE = EventType("a", "a", parse_columns(SCHEMA, "properties", []))


#: The keys of a map are data, and not in the verdict.
MAP_MISFITS = {"rescued_fields": {"counts": 1, "counts.*": 1}}


def conform(*rows: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of the verdict on these rows, without what is empty."""
    schema: dict[str, Any] = {
        **{column.name: column.dtype for column in typed(TYPE.columns)},
        "_rescued": pl.String,
        "created_date": pl.Date,
    }
    whole = [{"user": "usr_1", **row, "created_date": MONDAY} for row in rows]
    series = [pl.Series(name, [row.get(name) for row in whole], dtype=dtype) for name, dtype in schema.items()]
    verdict = check_rows(TYPE, pl.LazyFrame(series))
    assert verdict.severity == WARN
    expected = {"values_expected", "expected_fields"}
    assert verdict.passed is not any(found for name, found in verdict.metadata.items() if name not in expected)
    return {
        name: found
        for name, found in verdict.metadata.items()
        if isinstance(found, dict) or (name == "keys_written_twice" and found)
    }


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([{"level": 1, "mode": "fast", "device": {"os": "ios"}}, {"level": 9}, {}], {}),
        ([{"user": None}, {"user": None}], {"broken_rules": {"required: user": 2}}),
        ([{"user": "u"}], {"broken_rules": {"pattern: user": 1}}),
        ([{"level": 0}, {"level": 10}], {"broken_rules": {"minimum: level": 1, "maximum: level": 1}}),
        ([{"mode": "idle"}], {"broken_rules": {"enum: mode": 1}}),
        ([{"device": {"os": None}}, {"device": None}], {"broken_rules": {"required: device.os": 1}}),
        ([{"device": {"os": "android"}}], {"broken_rules": {"enum: device.os": 1}}),
        ([{"_rescued": '{"level":"7"}'}, {"_rescued": '{"level":7.5}'}], {"rescued_fields": {"level": 2}}),
        ([{"user": None, "_rescued": '{"user":7}'}], {"rescued_fields": {"user": 1}}),
        ([{"_rescued": '{"$record":"..."}'}], {"keys_written_twice": 1}),
        ([{"_rescued": '{"new":1,"level":"7"}'}], {"rescued_fields": {"level": 1}, "unknown_fields": {"new": 1}}),
        ([{"_rescued": '{"any":1}'}, {"_rescued": '{"any":[null]}'}], {"expected_fields": {"any": 2}}),
        ([{"_rescued": '{"size":"7"}'}, {"_rescued": '{"size":[]}'}], {"expected_fields": {"size": 2}}),
        ([{"_rescued": '{"size":1.234}'}, {"_rescued": '{"size":true}'}], {"rescued_fields": {"size": 2}}),
        ([{"size": Decimal("9.5")}, {"size": Decimal("9.51")}], {"broken_rules": {"maximum: size": 1}}),
        (
            [{"_rescued": '{"place":{"any":1,"new":2}}'}],
            {"expected_fields": {"place.any": 1}, "unknown_fields": {"place.new": 1}},
        ),
        ([{"_rescued": '{"place":7}'}], {"rescued_fields": {"place": 1}}),
        ([{"place": {"at": None}}], {"broken_rules": {"required: place.at": 1}}),
        ([{"place": {"at": {"lat": None}}}], {"broken_rules": {"required: place.at.lat": 1}}),
        (
            [{"place": {"at": {"lat": None}}, "_rescued": '{"place":{"at":{"lat@":"north"}}}'}],
            {"rescued_fields": {"place.at.lat@": 1}},
        ),
        ([{"_rescued": '{"counts":{"a":1.5,"b":[]}}'}, {"_rescued": '{"counts":7}'}], MAP_MISFITS),
        ([{"_rescued": '{"counts":{"a":"x","b":"y"}}'}], {"expected_fields": {"counts.*": 1}}),
        (
            [{"_rescued": '{"devices":{"a":{"v":"1","new":1},"b":{"v":"2","*":3},"c":4}}'}],
            {
                "rescued_fields": {"devices.*": 1, "devices.*.v": 1},
                "unknown_fields": {"devices.*.new": 1},
                "expected_fields": {"devices.*.*": 1},
            },
        ),
        (
            [{"_rescued": r'{"new\ud83d":1,"level":"\ud83d"}'}],
            {"rescued_fields": {"level": 1}, "unknown_fields": {r"new\ud83d": 1}},
        ),
    ],
)
def test_what_breaks_the_schema_is_counted_by_rule_and_field(rows: list[dict[str, Any]], found: dict[str, Any]) -> None:
    """Values are kept all the same: a rule is a figure, never a reason to reject."""
    assert conform(*rows) == found


def test_the_fields_of_an_object_are_looked_at_together() -> None:
    """Each by itself would be a query over the whole object: quadratic in the fields."""
    properties = {f"f{number}": {"type": "integer", "minimum": 0} for number in range(100)}
    schema = {"properties": {"o": {"type": "object", "properties": properties, "required": ["f0"]}}}
    wide = EventType("a", "a", parse_columns(schema, "properties", []))
    rows = pl.LazyFrame(
        [{**dict.fromkeys(wide.schema), "o": dict.fromkeys(properties, -1), "created_date": MONDAY}],
        schema=wide.schema,
    )
    plan = count_broken_constraints(wide, rows).explain(optimized=False)
    assert plan.count("UNNEST") == 1
    assert "field_by_name" not in plan
    assert "struct.field" not in plan
    assert check_rows(wide, rows).metadata["rules_broken"] == 100


def test_a_day_without_rows_breaks_no_rule() -> None:
    """Whether it has files without rows, or none."""
    assert check_rows(TYPE, pl.LazyFrame(schema=TYPE.schema)).passed
    assert conformance.check_day(conformance.Conformance()).passed
