"""What the doctor says of a sample of the records in landing."""

from typing import Any

import pytest

from event_platform.doctor.finding import Finding, Verdict
from event_platform.doctor.records import check_sample
from event_platform_tests.support.world import MONDAY, World, event


def found(world: World) -> Finding:
    """Return the finding."""
    return check_sample(world.landing, world.root / "catalog", world.start_date)


def test_sound_records_are_counted(world: World) -> None:
    """And why others are not."""
    world.deliver(MONDAY, "a", *(event(f"u{number}") for number in range(8)), event("x") | {"created_at": "noon"})
    assert found(world).verdict is Verdict.GOOD
    assert found(world).found == (
        "8 of 9 are sound; 1 invalid_created_at: created_at is not a time in the form of the envelope (s)"
    )


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        ([{"id": 1}, {"id": 2}, event("a")], "1 of 3 are sound; 2 missing_event_uuid: event_uuid is absent"),
        (
            [event("session", x=1), event("session", x=2)],
            "event_uuid: 1 ids for 2 different records: is event_uuid an id?",
        ),
    ],
)
def test_an_envelope_that_does_not_fit_is_bad(world: World, records: list[dict[str, Any]], fault: str) -> None:
    """With what proposes another."""
    world.deliver(MONDAY, "a", *records)
    assert found(world).verdict is Verdict.BAD
    assert fault in found(world).found
    assert "event-platform init --force" in found(world).remedy


def test_without_records_there_is_nothing_to_check(world: World) -> None:
    """Nor without an envelope that can be read."""
    assert found(world).verdict is Verdict.LEFT_OUT
    (world.root / "catalog" / "envelope.yaml").write_text("nonsense: 1")
    assert "unknown key" in found(world).found
