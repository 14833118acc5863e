"""Dagster's `dg` works in a clone of this project: pyproject.toml tells it what to load."""

import json
import shutil
import subprocess

import pytest

from event_platform.defs.instance.dagster_yaml import EXAMPLE
from event_platform_tests.support.command import beside_python, variables
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, write_catalog

pytestmark = pytest.mark.xdist_group("dg")


def dg(world: World, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run dg in the clone, with the settings of a world and records of its own."""
    home = world.root / "dagster"
    home.mkdir(exist_ok=True)
    shutil.copy(EXAMPLE, home / "dagster.yaml")
    return subprocess.run(
        [beside_python("dg"), *arguments],
        env={**variables(world), "DAGSTER_HOME": str(home)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_definitions_are_listed_with_their_groups(world: World) -> None:
    """As JSON, with nothing else on standard output."""
    listed = dg(world, "list", "defs", "--json")
    assert listed.returncode == 0, listed.stderr
    groups = {asset["asset_key"]: asset["group_name"] for asset in json.loads(listed.stdout)["assets"]}
    assert groups == {
        "raw_events": "raw",
        "corrupt_events": "raw",
        "quality_report": "quality",
        **dict.fromkeys(("deduplicated_events", "duplicate_events", "unregistered_events"), "deduplicated"),
        "events/account_created": "account",
        "events/lesson_started": "lesson",
        "events/payment_order_completed": "payment",
    }


def test_definitions_are_checked(world: World) -> None:
    """A catalog that is broken is a fault of theirs, with its line."""
    checked = dg(world, "check", "defs")
    assert (checked.returncode, "All definitions loaded successfully" in checked.stdout) == (0, True), checked.stderr
    write_catalog(world.root / "catalog", {"broken": {"title": "a", "properties": {"x": {"type": "int"}}}})
    checked = dg(world, "check", "defs")
    assert checked.returncode == 1
    assert "broken.yaml: properties.x.type: " in checked.stdout + checked.stderr


def test_a_range_of_partitions_is_launched(world: World) -> None:
    """All assets of two days, in one run."""
    world.deliver(MONDAY, "a", event("1"))
    world.deliver(TUESDAY, "a", event("2", TUESDAY))
    launched = dg(world, "launch", "--assets", "*", "--partition-range", f"{MONDAY}...{TUESDAY}")
    assert launched.returncode == 0, launched.stdout + launched.stderr
    assert world.events("account_created")["event_uuid"].to_list() == ["1", "2"]
