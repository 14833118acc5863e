"""Each record is sound, or corrupt with the first reason that applies."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from event_platform.events.classification import classify
from event_platform.events.corruption import WRONG_TYPE
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.moments import to_microseconds
from event_platform_tests.support.world import MONDAY, noon

FIRST_DATE = date(2025, 1, 1)


def classified(unit: TimeUnit | Envelope = TimeUnit.SECONDS, **fields: Any) -> dict[str, Any]:
    """Classify a record that arrived on Monday: a sound one, but for `fields`."""
    record = {
        "body": "{}",
        "event_uuid": "u1",
        "event_name": "lesson:started",
        "created_at": float(noon(MONDAY)),
        "fault": None,
        **fields,
    }
    envelope = unit if isinstance(unit, Envelope) else Envelope(unit=unit)
    created_at = pl.Float64 if envelope.unit.per_second else pl.String
    schema = {**dict.fromkeys(record, pl.String), "created_at": created_at}
    return classify(pl.DataFrame([record], schema=schema), envelope, MONDAY, FIRST_DATE).row(0, named=True)


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
        ({"event_uuid": "u" * 257}, "invalid_event_uuid"),
        ({"event_uuid": WRONG_TYPE, "event_name": None}, "invalid_event_uuid"),
        ({"event_name": None, "created_at": None}, "missing_event_name"),
        ({"event_name": "a\nb", "created_at": None}, "invalid_event_name"),
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
        ("$pageview", ("$pageview", None)),
        ("[Amplitude] Start", ("[Amplitude] Start", None)),
        ("app/user.created", ("app/user.created", None)),
        ("购买", ("购买", None)),
        ("größe:geändert", ("größe", "geändert")),
        ("../../etc/passwd", ("../../etc/passwd", None)),
        ("a'b", ("a'b", None)),
        ("a::b", ("a", "")),
        ("4624", ("4624", None)),
        ("a" * 200, ("a" * 200, None)),
    ],
)
def test_a_name_has_a_type_and_a_subtype(name: str, parts: tuple[str, str | None]) -> None:
    """The first part, and the second where there is one."""
    row = classified(event_name=name)
    assert (row["corruption_reason"], row["event_type"], row["event_subtype"]) == (None, *parts)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\0", "\x1b[31ma", "a\u202eb", "a\u200bb", "a\u3000b", "a" * 201])
def test_a_name_that_cannot_be_printed_is_invalid(name: str) -> None:
    """Control characters, such as those of a terminal, characters that turn the direction, and other blanks."""
    assert classified(event_name=name)["corruption_reason"] == "invalid_event_name"


#: In which unit a time is written, how, and which moment after noon of Monday it is.
MOMENTS: list[tuple[TimeUnit, Any, timedelta]] = [
    (TimeUnit.SECONDS, noon(MONDAY) + 0.25, timedelta(seconds=0.25)),
    (TimeUnit.MILLISECONDS, noon(MONDAY) * 1e3 + 1.5, timedelta(microseconds=1500)),
    (TimeUnit.MICROSECONDS, noon(MONDAY) * 1e6 + 1, timedelta(microseconds=1)),
    (TimeUnit.NANOSECONDS, noon(MONDAY) * 1e9, timedelta()),
    (TimeUnit.AUTO, f"{noon(MONDAY)}.25", timedelta(seconds=0.25)),
    (TimeUnit.AUTO, f"{noon(MONDAY)}001", timedelta(milliseconds=1)),
    (TimeUnit.AUTO, f"{noon(MONDAY)}000001", timedelta(microseconds=1)),
    (TimeUnit.AUTO, f"{noon(MONDAY)}000000000", timedelta()),
    (TimeUnit.AUTO, "2025-06-02 14:00:00+02", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02T12:00:00Z", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02t12:00:00z", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02 12:00:00", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02 12:00:00 +0000", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02T14:00:00+02", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02T20:00:00+0800", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02T12:00:00,25Z", timedelta(seconds=0.25)),
    (TimeUnit.ISO8601, "2025-06-02T12:00:00.1234567891Z", timedelta(microseconds=123456)),
    (TimeUnit.ISO8601, "2025-06-02T12:01Z", timedelta(minutes=1)),
    (TimeUnit.ISO8601, "2025-06-02T12:01", timedelta(minutes=1)),
    (TimeUnit.ISO8601, "20250602T120000Z", timedelta()),
    (TimeUnit.ISO8601, "20250602T1401+0200", timedelta(minutes=1)),
    (TimeUnit.ISO8601, "2025-06-02", timedelta(hours=-12)),
    (TimeUnit.ISO8601, "20250602", timedelta(hours=-12)),
    (TimeUnit.ISO8601, "2025-06-02T12:00:60Z", timedelta(minutes=1)),
    (TimeUnit.ISO8601, "20250602T120060,5Z", timedelta(seconds=60.5)),
    (TimeUnit.ISO8601, "2025-06-02T13:30:00.000001+01:30", timedelta(microseconds=1)),
    (TimeUnit.ISO8601, "2025-06-02T12:00:00", timedelta()),
    (TimeUnit.ISO8601, "2025-06-02T12:00:00.5", timedelta(seconds=0.5)),
]


def test_every_unit_has_a_case() -> None:
    """One that is added is tested."""
    assert {unit for unit, _, _ in MOMENTS} == {*TimeUnit}


@pytest.mark.parametrize(("unit", "written", "moment"), MOMENTS)
def test_the_time_is_read_in_the_unit_of_the_stream(unit: TimeUnit, written: Any, moment: timedelta) -> None:
    """To the microsecond; ISO 8601 without an offset is UTC."""
    row = classified(unit, created_at=written)
    assert row["created_datetime"] == datetime(2025, 6, 2, 12, tzinfo=UTC) + moment
    assert row["created_at"] == pytest.approx((row["created_datetime"]).timestamp(), abs=1e-6)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "yesterday",
        "2025-06",
        "2025-6-2",
        "2025-W23-1",
        "2025-153",
        "2025-13-02T12:00:00Z",
        "2025-02-30",
        "2025-06-02T24:00:00Z",
        "2025-06-02T12:00:61Z",
        "2025-06-02T12",
        "2025-06-02T12:00:00.Z",
        "2025-06-02T12:00:00UTC",
        "2025-06-02T12:00:00+02:60",
        "2025-06-02T12:00:00 Europe/Berlin",
        " 2025-06-02T12:00:00Z",
        "2025-06-02  12:00:00Z",
        "20250602 120000Z",
        "2025-06-02T120000Z",
        "+2025-06-02T12:00:00Z",
        "1748865600",
    ],
)
def test_a_text_that_is_no_moment_is_invalid(written: str) -> None:
    """Where a stream writes ISO 8601."""
    assert classified(TimeUnit.ISO8601, created_at=written)["corruption_reason"] == "invalid_created_at"


def test_reasons_have_an_order_of_precedence() -> None:
    """With every fault, a record gets the first reason; fixed one by one, each of them, and is sound at last."""
    mended: list[tuple[str, Any]] = [
        ("fault", None),
        ("event_uuid", "u1"),
        ("event_name", "a\0"),
        ("event_name", "a:b"),
        ("created_at", float("nan")),
        ("created_at", -1.0),
        ("created_at", float(noon(MONDAY))),
    ]
    fields: dict[str, Any] = {"fault": "not_json", "event_uuid": None, "event_name": None, "created_at": None}
    reasons = [classified(**fields)["corruption_reason"]]
    for field, value in mended:
        fields[field] = value
        reasons.append(classified(**fields)["corruption_reason"])
    assert reasons == [
        "not_json",
        "missing_event_uuid",
        "missing_event_name",
        "invalid_event_name",
        "missing_created_at",
        "invalid_created_at",
        "created_at_out_of_range",
        None,
    ]


@pytest.mark.parametrize(
    "fault",
    ["record_too_large", "not_utf8", "not_json", "not_an_object", "unreadable_object", "unsupported_format"],
)
def test_a_fault_of_form_is_the_reason(fault: str) -> None:
    """Whatever else is known of the record."""
    assert classified(fault=fault)["corruption_reason"] == fault


def test_a_corrupt_record_costs_its_neighbours_nothing() -> None:
    """Row for row, in order."""
    records = pl.DataFrame(
        {
            "body": ["1", "2", "3"],
            "event_uuid": ["u1", None, "u3"],
            "event_name": ["a:b", "a:b", "c"],
            "created_at": [float(noon(MONDAY))] * 3,
            "fault": pl.Series([None] * 3, dtype=pl.String),
        }
    )
    frame = classify(records, Envelope(), MONDAY, FIRST_DATE)
    columns = ("body", "event_type", "event_subtype", "created_date", "corruption_reason")
    assert frame.select(columns).rows() == [
        ("1", "a", "b", MONDAY, None),
        ("2", None, None, None, "missing_event_uuid"),
        ("3", "c", None, MONDAY, None),
    ]


@pytest.mark.parametrize("unit", list(TimeUnit))
def test_no_records_have_all_columns_all_the_same(unit: TimeUnit) -> None:
    """An object may hold none."""
    created_at = pl.Float64() if unit.per_second else pl.String()
    fields = dict.fromkeys(["body", "event_uuid", "event_name", "fault"], pl.String())
    frame = classify(pl.DataFrame(schema={**fields, "created_at": created_at}), Envelope(unit=unit), MONDAY, FIRST_DATE)
    assert frame.height == 0
    assert frame.schema["created_at"] == pl.Float64
    assert frame.schema["created_datetime"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        (TimeUnit.MILLISECONDS, float(noon(MONDAY))),
        (TimeUnit.SECONDS, noon(MONDAY) * 1e3),
        (TimeUnit.SECONDS, noon(MONDAY) * 1e6),
        (TimeUnit.SECONDS, 253_402_300_799.0),
        (TimeUnit.SECONDS, -62_135_596_800.0),
        (TimeUnit.MICROSECONDS, -1e300),
        (TimeUnit.ISO8601, "9999-12-31T23:59:59Z"),
        (TimeUnit.ISO8601, "0001-01-01T00:00:00Z"),
        (TimeUnit.ISO8601, "2025-06-03T23:30:00-01:00"),
        (TimeUnit.ISO8601, "2025-01-01T00:30:00+01:00"),
    ],
)
def test_a_moment_outside_the_range_is_told_from_no_moment(unit: TimeUnit, written: Any) -> None:
    """A wrong unit, the first and the last year, or a date that is another in UTC."""
    assert classified(unit, created_at=written)["corruption_reason"] == "created_at_out_of_range"


@pytest.mark.parametrize("written", ["2025-06-02T00:30:00+02:00", "2025-06-01T21:30:00-01:00", "2025-06-01T22:30:00"])
def test_the_created_date_is_that_in_utc(written: str) -> None:
    """Whatever the offset in which the moment is written."""
    assert classified(TimeUnit.ISO8601, created_at=written)["created_date"] == date(2025, 6, 1)


def test_moments_with_and_without_an_offset_may_be_mixed() -> None:
    """One that is written otherwise changes no other."""
    written = ["2025-06-02T12:00:00+02:00", "2025-06-02T12:00:00", None, "noon", "2025-06-02T12:00:00.5Z"]
    schema = {name: pl.String() for name in ("body", "event_uuid", "event_name", "created_at", "fault")}
    records = pl.DataFrame([("{}", "u", "a", moment, None) for moment in written], schema=schema, orient="row")
    frame = classify(records, Envelope(unit=TimeUnit.ISO8601), MONDAY, FIRST_DATE)
    assert frame["created_datetime"].dt.to_string("%H:%M:%S%.3f").to_list() == [
        "10:00:00.000",
        "12:00:00.000",
        None,
        None,
        "12:00:00.500",
    ]
    assert frame["corruption_reason"].to_list() == [None, None, "missing_created_at", "invalid_created_at", None]


@pytest.mark.parametrize("written", [1748865600.999, 1748865599.999, 1748865600.111])
def test_seconds_are_kept_as_they_are_written(written: float) -> None:
    """The event columns hold created_at whole, so that no payload column has to."""
    assert classified(created_at=written)["created_at"] == written


@pytest.mark.parametrize(
    ("envelope", "written", "moment"),
    [
        (Envelope(unit=TimeUnit.ISO8601, timezone="Europe/Berlin"), "2025-06-02T14:00:00", timedelta()),
        (Envelope(unit=TimeUnit.ISO8601, timezone="Europe/Berlin"), "2025-06-02T12:00:00Z", timedelta()),
        (Envelope(unit=TimeUnit.AUTO, timezone="Europe/Berlin"), "2025-06-02 14:00", timedelta()),
        (Envelope(unit=TimeUnit.ISO8601, time_format="%d/%m/%Y %H:%M:%S"), "02/06/2025 12:00:01", timedelta(seconds=1)),
        (
            Envelope(unit=TimeUnit.ISO8601, time_format="%d/%b/%Y:%H:%M:%S %z"),
            "02/Jun/2025:14:00:00 +0200",
            timedelta(),
        ),
        (
            Envelope(unit=TimeUnit.ISO8601, time_format="%Y-%m-%d %H.%M", timezone="Asia/Kolkata"),
            "2025-06-02 17.30",
            timedelta(),
        ),
    ],
)
def test_a_text_is_read_in_the_format_and_time_zone_of_the_stream(
    envelope: Envelope, written: str, moment: timedelta
) -> None:
    """An offset that is written counts more than the time zone."""
    assert classified(envelope, created_at=written)["created_datetime"] == datetime(2025, 6, 2, 12, tzinfo=UTC) + moment


def test_an_hour_that_there_is_twice_is_the_earlier_and_one_that_there_is_not_is_no_time() -> None:
    """When clocks are set back, and forward."""
    berlin = Envelope(unit=TimeUnit.ISO8601, timezone="Europe/Berlin")
    records = pl.DataFrame(
        {"created_at": ["2024-10-27T02:30:00", "2024-03-31T02:30:00", "2024-03-31T03:30:00"]},
    )
    assert to_microseconds(records["created_at"], berlin).cast(pl.Datetime("us")).to_list() == [
        datetime(2024, 10, 27, 0, 30),  # noqa: DTZ001 - in UTC
        None,
        datetime(2024, 3, 31, 1, 30),  # noqa: DTZ001
    ]
