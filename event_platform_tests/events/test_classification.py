"""Each record is sound, or corrupt with the first reason that applies."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from event_platform.events.classification import classify
from event_platform.events.envelope import TimeUnit
from event_platform_tests.world import MONDAY, noon

FIRST_DATE = date(2025, 1, 1)


def classified(unit: TimeUnit = TimeUnit.SECONDS, **fields: Any) -> dict[str, Any]:
    """Classify a record that arrived on Monday: a sound one, but for `fields`."""
    record = {
        "body": "{}",
        "event_uuid": "u1",
        "event_name": "lesson:started",
        "created_at": float(noon(MONDAY)),
        "fault": None,
        **fields,
    }
    created_at = pl.String if unit is TimeUnit.ISO8601 else pl.Float64
    schema = {**dict.fromkeys(record, pl.String), "created_at": created_at}
    return classify(pl.DataFrame([record], schema=schema), unit, MONDAY, FIRST_DATE).row(0, named=True)


def at(moment: datetime) -> float:
    """Return Unix seconds."""
    return moment.timestamp()


def test_a_sound_record_has_its_event_columns() -> None:
    """All that the design promises."""
    assert classified() == {
        "body": "{}",
        "event_uuid": "u1",
        "event_name": "lesson:started",
        "created_at": float(noon(MONDAY)),
        "created_datetime": datetime(2025, 6, 2, 12, tzinfo=UTC),
        "created_date": MONDAY,
        "event_type": "lesson",
        "event_subtype": "started",
        "corruption_reason": None,
    }


def test_a_corrupt_record_counts_for_no_created_date() -> None:
    """What is derived is null; what was read stays."""
    row = classified(event_uuid="")
    assert row["created_at"] == noon(MONDAY)
    assert [row[name] for name in ("created_datetime", "created_date", "event_type", "event_subtype")] == [None] * 4


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"fault": "not_json", "event_uuid": None}, "not_json"),
        ({"event_uuid": None, "event_name": None}, "missing_event_uuid"),
        ({"event_uuid": "u" * 256}, None),
        ({"event_uuid": "u" * 257}, "missing_event_uuid"),
        ({"event_name": None, "created_at": None}, "missing_event_name"),
        ({"event_name": "a::b", "created_at": None}, "invalid_event_name"),
        ({"created_at": None}, "missing_created_at"),
        ({"created_at": float("nan")}, "invalid_created_at"),
        ({"created_at": float("inf")}, "invalid_created_at"),
        ({"created_at": 1e300}, "created_at_out_of_range"),
        ({"created_at": at(datetime(2025, 1, 1, tzinfo=UTC))}, None),
        ({"created_at": at(datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC))}, "created_at_out_of_range"),
        ({"created_at": at(datetime(2025, 6, 3, 23, 59, 59, tzinfo=UTC))}, None),
        ({"created_at": at(datetime(2025, 6, 4, tzinfo=UTC))}, "created_at_out_of_range"),
    ],
)
def test_the_first_reason_that_applies_is_given(fields: dict[str, Any], reason: str | None) -> None:
    """From the form of the record to the range of its time, bounds included."""
    assert classified(**fields)["corruption_reason"] == reason


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ping", ("ping", None)),
        ("account:created", ("account", "created")),
        ("payment:order:completed", ("payment", "order")),
        ("ec2.amazonaws.com:RunInstances", ("ec2.amazonaws.com", "RunInstances")),
        ("_private:Some Name-2", ("_private", "Some Name-2")),
    ],
)
def test_a_name_has_a_type_and_a_subtype(name: str, parts: tuple[str, str | None]) -> None:
    """The first part, and the second where there is one."""
    row = classified(event_name=name)
    assert (row["corruption_reason"], row["event_type"], row["event_subtype"]) == (None, *parts)


@pytest.mark.parametrize(
    "name", [":", "a:", ":a", "a::b", "a/b", "../a", ".a", "-a", " a", "a:.b", "a\nb", "é", "a'b", "a" * 257, "a\0"]
)
def test_no_other_name_is_valid(name: str) -> None:
    """Letters, digits, `_ . -` and blanks, in parts that begin with a letter, a digit or `_`."""
    assert classified(event_name=name)["corruption_reason"] == "invalid_event_name"


@pytest.mark.parametrize(
    ("unit", "written", "moment"),
    [
        (TimeUnit.SECONDS, noon(MONDAY) + 0.25, timedelta(seconds=0.25)),
        (TimeUnit.MILLISECONDS, noon(MONDAY) * 1e3 + 1.5, timedelta(microseconds=1500)),
        (TimeUnit.MICROSECONDS, noon(MONDAY) * 1e6 + 1, timedelta(microseconds=1)),
        (TimeUnit.ISO8601, "2025-06-02T12:00:00Z", timedelta()),
        (TimeUnit.ISO8601, "2025-06-02T13:30:00.000001+01:30", timedelta(microseconds=1)),
        (TimeUnit.ISO8601, "2025-06-02T12:00:00", timedelta()),
        (TimeUnit.ISO8601, "2025-06-02T12:00:00.5", timedelta(seconds=0.5)),
    ],
)
def test_the_time_is_read_in_the_unit_of_the_stream(unit: TimeUnit, written: Any, moment: timedelta) -> None:
    """To the microsecond; ISO 8601 without an offset is UTC."""
    row = classified(unit, created_at=written)
    assert row["created_datetime"] == datetime(2025, 6, 2, 12, tzinfo=UTC) + moment
    assert row["created_at"] == pytest.approx((row["created_datetime"]).timestamp(), abs=1e-6)


@pytest.mark.parametrize("written", ["", "yesterday", "2025-06-02", "2025-13-02T12:00:00Z", "1748865600"])
def test_a_text_that_is_no_moment_is_invalid(written: str) -> None:
    """Where a stream writes ISO 8601."""
    assert classified(TimeUnit.ISO8601, created_at=written)["corruption_reason"] == "invalid_created_at"
