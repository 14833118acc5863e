"""The example of an asset over event tables: right for every day, and right again after late data."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event

LEARNERS = dg.AssetKey("daily_active_learners")
NAMES = {
    "lesson_started": "lesson:started",
    "lesson_completed": "lesson:completed",
    "exercise_answered": "exercise:answered",
}


def schemas(user: Any = None) -> dict[str, dict[str, Any]]:
    """Return the event types that the example counts, with a user_id like the sample's or another one."""
    return {key: {"title": name, "properties": {"user_id": user or {"type": "string"}}} for key, name in NAMES.items()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two users on Monday, one of them in two event tables; one on Tuesday, and an event of nobody."""
    world = World(tmp_path, schemas())
    world.deliver(
        MONDAY,
        "a",
        event("1", MONDAY, "lesson:started", user_id="usr_a"),
        event("2", MONDAY, "lesson:completed", user_id="usr_a"),
        event("3", MONDAY, "exercise:answered", user_id="usr_b"),
    )
    world.deliver(
        TUESDAY, "a", event("4", TUESDAY, "lesson:started", user_id="usr_a"), event("5", TUESDAY, "lesson:started")
    )
    return world


def learners(world: World) -> list[tuple[date, int]]:
    """Return the table."""
    return world.lake.scan("daily_active_learners").sort("created_date").collect().rows()


def due(world: World, instance: dg.DagsterInstance, cursor: Any = None) -> tuple[Sequence[str], Any]:
    """Return the partitions that the automation sensor would ask for now, and its cursor."""
    result = dg.evaluate_automation_conditions(world.definitions(), instance, cursor=cursor)
    return sorted(map(str, result.get_requested_partitions(LEARNERS))), result.cursor


def test_users_are_counted_once_a_day_over_all_lesson_events(world: World) -> None:
    """In one run with everything that it is made of; a day without anybody has no row."""
    assert world.materialize(MONDAY, WEDNESDAY).success
    assert learners(world) == [(MONDAY, 2), (TUESDAY, 1)]


def test_a_late_event_has_exactly_its_own_day_counted_again(world: World) -> None:
    """By the automation sensor, once."""
    others = dg.AssetSelection.all() - dg.AssetSelection.assets(LEARNERS)
    with dg.DagsterInstance.ephemeral() as instance:
        world.materialize(MONDAY, WEDNESDAY, instance=instance)
        days, cursor = due(world, instance)
        assert days == []
        world.deliver(WEDNESDAY, "late", event("6", MONDAY, "lesson:started", user_id="usr_c"))
        world.materialize(WEDNESDAY, instance=instance, selection=dg.AssetSelection.groups("raw"))
        downstream = others & dg.AssetSelection.assets("deduplicated_events", "duplicate_events").downstream()
        world.materialize(MONDAY, instance=instance, selection=downstream)
        assert learners(world) == [(MONDAY, 2), (TUESDAY, 1)]
        days, cursor = due(world, instance, cursor)
        assert days == [str(MONDAY)]
        world.materialize(MONDAY, instance=instance, selection=dg.AssetSelection.assets(LEARNERS))
        assert learners(world) == [(MONDAY, 3), (TUESDAY, 1)]
        assert due(world, instance, cursor)[0] == []


@pytest.mark.parametrize("user", [{"type": "integer"}, {}], ids=["a number", "of any type"])
def test_a_catalog_without_what_it_counts_has_no_such_asset(world: World, user: dict[str, Any]) -> None:
    """Its event types, and a user_id that is a text."""
    assert LEARNERS in world.definitions().resolve_asset_graph().get_all_asset_keys()
    other = World(world.root / "other", schemas({**user, "description": "Who"}))
    assert LEARNERS not in other.definitions().resolve_asset_graph().get_all_asset_keys()
    (world.root / "catalog" / "lesson_completed.yaml").unlink()
    assert LEARNERS not in world.definitions().resolve_asset_graph().get_all_asset_keys()
