"""Times of creation that are out of range or invalid are explained as far as they can be."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from event_platform.checks.corruption import FAULTS, Times, count_out_of_range, explain_invalid, explain_out_of_range
from event_platform.checks.faults import Fault
from event_platform.checks.rates import check_corruption
from event_platform.events.corruption import CorruptionReason
from event_platform.events.envelope import Envelope, TimeUnit

ARRIVAL, START = date(2025, 6, 2), date(2025, 1, 1)


def seconds(text: str) -> float:
    """Return a day's midnight in Unix seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def explain(unit: TimeUnit, *written: float) -> Times:
    """Explain times in seconds, as a table has them that was read in a unit."""
    rows = pl.LazyFrame({"arrival_date": [ARRIVAL] * len(written), "created_at": written})
    envelope = Envelope(created_at=("meta", "time"), unit=unit)
    return explain_out_of_range(count_out_of_range(rows, envelope, START).collect(), envelope, START)


@pytest.mark.parametrize(
    ("envelope", "factor", "unit"),
    [
        (TimeUnit.SECONDS, 1e3, "ms"),
        (TimeUnit.SECONDS, 1e6, "us"),
        (TimeUnit.SECONDS, 1e9, "ns"),
        (TimeUnit.MILLISECONDS, 1e-3, "s"),
        (TimeUnit.MILLISECONDS, 1e3, "us"),
        (TimeUnit.NANOSECONDS, 1e-9, "s"),
    ],
)
def test_a_wrong_unit_is_named_with_the_line_of_the_envelope(envelope: TimeUnit, factor: float, unit: str) -> None:
    """Whichever unit numbers were read in."""
    times = explain(envelope, seconds("2025-06-02") * factor, seconds("2024-05-01") * factor)
    assert times.counts == {Fault.WRONG_TIME_UNIT: 2}
    assert times.hints[Fault.WRONG_TIME_UNIT] == (
        "2 of 2 times out of range are in "
        f"{unit}, from 2024-05-01 to 2025-06-02: created_at: {{field: meta.time, unit: {unit}}}"
    )


@pytest.mark.parametrize("unit", TimeUnit)
def test_events_of_2015_are_before_the_start_date(unit: TimeUnit) -> None:
    """In any unit, with the first of them and the setting."""
    times = explain(unit, seconds("2015-01-01"), seconds("2024-12-31"))
    assert times.counts == {Fault.BEFORE_START_DATE: 2}
    assert times.hints == {
        Fault.BEFORE_START_DATE: "EVENT_PLATFORM_START_DATE is 2025-01-01; 2 records are older, "
        "from 2015-01-01 to 2024-12-31"
    }


@pytest.mark.parametrize("time", [0.0, 1.0, -1.0, 1e300, float("inf"), seconds("1999-12-31"), seconds("2025-06-04")])
def test_other_times_are_of_a_wrong_clock(time: float) -> None:
    """A clock that was reset, or that is ahead."""
    assert explain(TimeUnit.SECONDS, time) == Times({Fault.WRONG_CLOCK: 1}, {})
    assert explain(TimeUnit.ISO8601, seconds("2025-06-02") * 1000).counts == {Fault.WRONG_CLOCK: 1}


@pytest.mark.parametrize(
    ("envelope", "bodies", "line"),
    [
        (TimeUnit.SECONDS, ['{"at":"2025-06-02T12:00:00Z"}'], "created_at: {field: at, unit: iso8601}"),
        (TimeUnit.ISO8601, ['{"at":1748865600}', '{"at":1748865601.5}'], "created_at: {field: at, unit: s}"),
        (TimeUnit.ISO8601, ['{"at":1748865600000}'], "created_at: {field: at, unit: ms}"),
    ],
)
def test_times_in_another_form_are_named_with_the_line_of_the_envelope(
    envelope: TimeUnit, bodies: list[str], line: str
) -> None:
    """All that were read."""
    times = explain_invalid(bodies, 1_000, Envelope(created_at=("at",), unit=envelope))
    assert times.counts == {Fault.WRONG_TIME_FORM: 1_000}
    assert times.hints[Fault.WRONG_TIME_FORM].endswith(line)


@pytest.mark.parametrize(
    "bodies",
    [
        [],
        ['{"at":"2025-06-02T12:00:00Z"}', '{"at":"soon"}'],
        ['{"at":true}'],
        ['{"at":{}}'],
        ["{}"],
        ['{"at":"\\ud83d"}'],
        ['{"at":1748865600}', '{"at":1748865600000}'],
    ],
)
def test_times_of_no_one_form_are_not_explained(bodies: list[str]) -> None:
    """They stay invalid."""
    assert explain_invalid(bodies, 5, Envelope(created_at=("at",), unit=TimeUnit.ISO8601)) == Times()


def test_each_record_counts_for_one_fault() -> None:
    """The counts add up to the corrupt records, whatever is explained."""
    reasons: dict[str, int] = dict.fromkeys(CorruptionReason, 10)
    times = Times({Fault.WRONG_TIME_UNIT: 6, Fault.WRONG_CLOCK: 3, Fault.WRONG_TIME_FORM: 10})
    result = check_corruption(1_000, reasons, 0.001, 0.05, times)
    assert sum(result.faults.values()) == 10 * len(FAULTS) == result.metadata["corrupt"]
    assert result.faults[Fault.OUT_OF_RANGE_TIMES] == 1
    assert Fault.INVALID_TIMES not in result.faults
