"""Calling the command line in a world of two days, and reading its results."""

import json
from typing import Any

from click.testing import CliRunner, Result

from event_platform.cli.main import main
from event_platform_tests.support.command import DONE
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


def deliver_two_days(world: World) -> World:
    """Land two days of everything."""
    broken = "{broken"
    world.deliver(MONDAY, "a", event("u1", plan="free"), event("u1", plan="free"), event("x", name="beta:new"), broken)
    world.deliver(TUESDAY, "a.gz", event("u1", plan="pro"), event("l1", TUESDAY, "lesson:started", user="usr_1"))
    return world


def call(*arguments: str, code: int | None = None) -> Result:
    """Call the command line; it must do its work, or end with `code`."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (DONE if code is None else {code}), result.output
    return result


def status() -> dict[str, Any]:
    """Return what `status --json` prints."""
    totals: dict[str, Any] = json.loads(call("status", "--json").stdout)
    return totals


def versions(world: World) -> dict[str, int]:
    """Return how many commits each table has."""
    logs = (world.root / "lake").rglob("_delta_log")
    return {str(log.parent): len(list(log.glob("*.json"))) for log in logs}
