"""raw_events → corrupt_events: the dead letters."""

import polars as pl

from event_platform.pipeline.loading.quarantine import quarantine_corrupt
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


def test_corrupt_records_are_quarantined_with_their_reason_and_place(world: World) -> None:
    """As they landed; sound ones stay out."""
    world.deliver(MONDAY, "a", event("u1"), "{broken", event(""))
    world.load(MONDAY)
    corrupt = pl.scan_delta(world.lake.corrupt_events.uri).sort("source_offset").collect()
    assert corrupt.select("source_object", "source_offset", "corruption_reason").rows() == [
        ("2025/06/02/12/a", 1, "not_json"),
        ("2025/06/02/12/a", 2, "missing_event_uuid"),
    ]
    assert corrupt["body"][0] == "{broken"


def test_reasons_are_counted_for_each_day(world: World) -> None:
    """A day without any has none, and is not left out."""
    world.deliver(MONDAY, "a", "{broken", "[]", "{broken}")
    world.load(MONDAY)
    reports = quarantine_corrupt(world.lake, [MONDAY, TUESDAY])
    reasons = {day: report.reasons for day, report in reports.items()}
    assert reasons == {MONDAY: {"not_json": 2, "not_an_object": 1}, TUESDAY: {}}


def test_a_mended_object_takes_its_dead_letters_back(world: World) -> None:
    """What is no longer corrupt in raw_events is no longer in corrupt_events; other days are left alone."""
    world.deliver(MONDAY, "a", "{broken")
    world.deliver(TUESDAY, "a", "{broken")
    world.load(MONDAY, TUESDAY)
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    corrupt = pl.scan_delta(world.lake.corrupt_events.uri).collect()
    assert corrupt["arrival_date"].to_list() == [TUESDAY]
