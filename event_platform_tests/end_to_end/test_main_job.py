"""From landing to tables, in one Dagster run."""

import dagster as dg

from event_platform.lake.totals import lake_totals
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


def test_what_lands_becomes_typed_tables_and_the_books_balance(world: World) -> None:
    """Sound, corrupt, redelivered, conflicting and unregistered records each end where they belong."""
    world.deliver(
        MONDAY,
        "a.gz",
        event("u1", plan="free"),
        event("u2", name="lesson:started", user="usr_1", level=3, device={"os": "ios"}),
        event("u3", name="beta:clicked"),
        "{broken",
    )
    world.deliver(TUESDAY, "b", event("u1", plan="free"), event("u2", name="lesson:started", user="usr_2"))
    result = world.materialize(MONDAY, TUESDAY)
    assert result.success
    totals = lake_totals(world.lake, world.catalog)
    assert totals["balanced"]
    assert (totals["landed"], totals["sound"], totals["corrupt"]) == (6, 5, 1)
    assert totals["duplicates"] == {"redelivery": 1, "conflict": 1}
    assert (totals["deduplicated"], totals["typed"], totals["unregistered"]) == (3, 2, 1)
    lesson = world.events("lesson_started").row(0, named=True)
    assert (lesson["user"], lesson["level"], lesson["device"]) == ("usr_1", 3, {"os": "ios", "version": None})


def test_checks_carry_their_partition_in_a_range_run(world: World) -> None:
    """One evaluation for each check and day, each with its partition."""
    world.deliver(MONDAY, "a", event("u1"))
    instance = dg.DagsterInstance.ephemeral()
    result = world.materialize(MONDAY, TUESDAY, instance=instance)
    found = [
        evaluation for evaluation in result.get_asset_check_evaluations() if evaluation.check_name == "conservation"
    ]
    assert {each.partition for each in found} == {"2025-06-02", "2025-06-03"}
    assert all(each.passed for each in found)
