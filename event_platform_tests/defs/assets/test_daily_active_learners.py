"""The example of an asset over event tables: right for every day, and right again after late data."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from event_platform.definitions import build_definitions
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event

LEARNERS = dg.AssetKey("daily_active_learners")
NAMES = {
    "lesson_started": "lesson:started",
    "lesson_completed": "lesson:completed",
    "exercise_answered": "exercise:answered",
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two users on Monday, one of them in two event tables; one user on Tuesday, and an event without a user.

    Its catalog, of the three event types that the asset reads, stands for the sample's.
    """
    schemas = {key: {"title": name, "properties": {"user_id": {"type": "string"}}} for key, name in NAMES.items()}
    world = World(tmp_path, schemas)
    monkeypatch.setattr("event_platform.sample.own_assets.SAMPLE_CATALOG", world.root / "catalog")
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


def test_only_the_catalog_of_the_sample_has_the_asset(tmp_path: Path) -> None:
    """A copy of it is a user's own catalog, with the user's own assets."""
    environment = World(tmp_path).environment
    shutil.copytree(SAMPLE_CATALOG, tmp_path / "copy")
    for folder, expected in ((SAMPLE_CATALOG, True), (tmp_path / "copy", False)):
        graph = build_definitions(environment, load_catalog(folder)).resolve_asset_graph()
        assert (LEARNERS in graph.get_all_asset_keys()) is expected
