"""raw_events → deduplicated_events and duplicate_events, day by day or many days at once."""

from datetime import date

import polars as pl
import pytest

from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event

DAYS = [MONDAY, TUESDAY, WEDNESDAY]


def deliver_week(world: World) -> None:
    """Land three days with redeliveries, conflicts and late records between them."""
    for number, day in enumerate(DAYS):
        world.deliver(day, "a", *(event(f"u{number}-{each}", day) for each in range(20)), "{broken")
        world.deliver(
            day, "b.gz", event("u0-1", MONDAY), event("u0-2", day, plan=f"plan {number}"), event(f"x{number}")
        )
        world.deliver(day, "c", event(f"beta{number}", day, name="beta:clicked"), event("u2-1", WEDNESDAY))


def test_the_record_that_arrived_first_survives(world: World) -> None:
    """Redeliveries and conflicts are quarantined, each with the place of its survivor."""
    world.deliver(MONDAY, "a", event("u1", plan="free"), event("u1", plan="free"))
    world.deliver(MONDAY, "b", event("u1", plan="pro"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    assert world.lake.deduplicated_events.snapshot().scan().collect()["source_offset"].to_list() == [0]
    duplicates = pl.scan_delta(world.lake.duplicate_events.uri).sort("source_object", "source_offset").collect()
    assert duplicates.select("kind", "survivor_source_object", "survivor_source_offset").rows() == [
        ("redelivery", "2025/06/02/12/a", 0),
        ("conflict", "2025/06/02/12/a", 0),
    ]


def test_figures_are_reported_for_each_day(world: World) -> None:
    """Days without records, too."""
    deliver_week(world)
    world.load(*DAYS)
    reports = world.deduplicate(*DAYS, WEDNESDAY.replace(day=9))
    assert {day: report.unique for day, report in reports.items()} == {
        MONDAY: 20 + 3 + 1,  # its own, x0 to x2, beta0
        TUESDAY: 20 + 1,
        WEDNESDAY: 20 + 1,
        WEDNESDAY.replace(day=9): 0,
    }


@pytest.mark.parametrize("order", [DAYS, DAYS[::-1], [TUESDAY, WEDNESDAY, MONDAY]], ids=["forth", "back", "mixed"])
def test_day_by_day_in_any_order_gives_what_a_range_gives(world: World, order: list[date]) -> None:
    """Also where later days are there already when earlier ones are loaded."""
    deliver_week(world)
    for day in order:
        world.build(day)
    for day in order:  # what an earlier day has changed for the others
        world.deduplicate(day)
        world.type(day)
        world.report(day)
    range_world = World(world.root / "range")
    deliver_week(range_world)
    range_world.build(*DAYS)
    without = ("source_etag",)
    expected = contents(range_world.lake, range_world.catalog, without=without)
    assert contents(world.lake, world.catalog, without=without) == expected


def test_building_a_day_again_changes_nothing(world: World) -> None:
    """A partition can be materialized as often as one likes."""
    deliver_week(world)
    world.build(*DAYS)
    before = contents(world.lake, world.catalog)
    world.build(TUESDAY)
    world.build(*DAYS)
    assert contents(world.lake, world.catalog) == before


def test_an_empty_day_has_no_rows_and_is_done(world: World) -> None:
    """Its mark says that it was built, so that it is not due for ever."""
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    snapshot = world.lake.deduplicated_events.snapshot()
    assert snapshot.scan().collect().is_empty()
    assert snapshot.source_version(MONDAY) == world.lake.raw_events.snapshot().version
