"""Two deployments with one lake and two catalogs are told of each other; a release of a catalog is told of nobody."""

from pathlib import Path

import dagster as dg
import pytest

from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.pipeline.due import due_created_dates
from event_platform_tests.support.command import call_with, variables
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event

FEWER = {name: schema for name, schema in SCHEMAS.items() if name != "account_created"}


TEAM = {**SCHEMAS["account_created"], "properties": {"plan": {"type": "string"}, "team": {"type": "integer"}}}


def told(world: World) -> str | None:
    """Return what a world is told of others."""
    return other_deployment(world.lake.unregistered_events.snapshot(), deployment_of(world.catalog))


@pytest.fixture
def two(tmp_path: Path) -> tuple[World, World]:
    """Two worlds with one landing and one lake, of which the second knows a type less."""
    return beside(World(tmp_path / "first"), World(tmp_path / "second", FEWER))


def beside(first: World, second: World) -> tuple[World, World]:
    """Give two worlds the landing and the lake of the first, and a day."""
    for shared in ("landing", "lake"):
        (first.root / shared).mkdir(exist_ok=True)
        if (second.root / shared).exists():
            (second.root / shared).rmdir()
        (second.root / shared).symlink_to(first.root / shared)
    first.deliver(MONDAY, "a", event("u1", team=7), event("l1", MONDAY, "lesson:started", user="usr_1"))
    return first, second


def test_a_new_catalog_is_no_second_deployment(two: tuple[World, World]) -> None:
    """Nor is a lake that nobody has written to."""
    first, second = two
    assert told(first) is told(second) is None
    first.build(MONDAY)
    assert told(first) is told(second) is None
    second.build(MONDAY)
    assert told(second) is None


def test_two_catalogs_that_take_turns_are_told_of_each_other(two: tuple[World, World]) -> None:
    """With where each was read; the run says so in its log, and goes on."""
    first, second = two
    first.build(MONDAY)
    second.build(MONDAY)
    message = told(first)
    assert message is not None
    assert f"{first.root / 'catalog'} on " in message
    assert f"{second.root / 'catalog'} on " in message
    with dg.DagsterInstance.ephemeral() as instance:
        result = first.materialize(MONDAY, instance=instance)
        logged = [log.user_message for log in instance.all_logs(result.run_id)]
    assert message in logged
    assert told(first) is None
    assert "two catalogs" in str(told(second))


def test_two_catalogs_that_rebuild_a_table_in_turn_are_told_of_each_other(tmp_path: Path) -> None:
    """Nothing else changes then: the due dates, `status` and the sensor report it."""
    first = World(tmp_path / "first", SCHEMAS | {"account_created": TEAM})
    first, second = beside(first, World(tmp_path / "second"))
    first.build(MONDAY)

    def warnings(world: World) -> list[str]:
        return due_created_dates(world.lake, world.catalog).warnings

    assert warnings(second) == []
    second.type(MONDAY, keys=["account_created"])
    (warning,) = warnings(first)
    assert str(second.root / "catalog") in warning
    first.type(MONDAY, keys=["account_created"])
    assert warnings(first) == []
    assert "two catalogs type the events of this lake" in call_with(variables(second), "status")
    assert told(first) is told(second) is None
