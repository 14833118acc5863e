"""A pinned lake shows every table at one version."""

from event_platform.lake.pinned_lake import PinnedLake
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.due import due_created_dates
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


def test_a_pinned_lake_keeps_its_versions(world: World) -> None:
    """Commits after the first look at a table are not seen; another lake sees them."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    pinned = PinnedLake(world.lake.storage)
    before = lake_totals(pinned, world.catalog)
    assert before == lake_totals(world.lake, world.catalog)
    world.deliver(TUESDAY, "b", event("u2", TUESDAY))
    world.build(TUESDAY)
    assert lake_totals(pinned, world.catalog) == before
    assert due_created_dates(pinned, world.catalog).days == []
    assert lake_totals(PinnedLake(world.lake.storage), world.catalog)["landed"] == 2
