"""`event-platform status --verify`: figures of each day, faults, and what the exit code means."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from event_platform.cli.main import main
from event_platform_tests.support.command import use
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


@pytest.fixture
def built(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that the environment variables name, with rows in every table."""
    use(monkeypatch, world)
    for day in (MONDAY, TUESDAY):
        accounts = [event(f"{day}{number}", day) for number in range(3)]
        world.deliver(day, "a", *accounts, accounts[0], event(f"x{day}", day, name="beta:new"), "{broken")
    world.build(MONDAY, TUESDAY)
    return world


def verify(*arguments: str, code: int = 0) -> str:
    """Call the command; it must end with `code`."""
    result = CliRunner().invoke(main, ["status", "--verify", *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_figures_of_each_day_are_shown(built: World) -> None:
    """As they are counted in the files."""
    output = verify()
    assert ["2025-06-02", "4", "1", "1", "3", "0"] in [line.split() for line in output.splitlines()]
    assert "every file exists, and every row is where it should be" in output
    document = json.loads(verify("--json"))
    assert (document["verified"], document["faults"]) == (True, [])
    assert document["by_arrival_date"][0] == {"arrival_date": "2025-06-02", "landed": 6, "corrupt": 1, "faults": 0}


def test_faults_end_it_with_1_and_the_days(built: World) -> None:
    """A run rebuilds what was altered, and all is well again."""
    (file,) = built.event_table("account_created").snapshot().files([TUESDAY])
    Path(file.uri).unlink()
    DeltaTable(built.lake.duplicate_events.uri).delete("created_date = '2025-06-02'")
    assert "faults in" in (output := verify(code=1))
    assert "on 2025-06-02, 2025-06-03. `event-platform run` rebuilds" in " ".join(output.split())
    document = json.loads(verify("--json", code=1))
    assert {(fault["table"], fault["day"]) for fault in document["faults"]} >= {
        ("events/account_created", "2025-06-03"),
        ("duplicate_events", "2025-06-02"),
    }
    built.build(MONDAY, TUESDAY)
    verify()


def test_days_with_newer_records_are_not_compared(built: World) -> None:
    """A run is building them, or has failed before it built them; `status` shows them as due."""
    built.deliver(TUESDAY, "b", event("new", MONDAY))
    built.load(TUESDAY)
    output = CliRunner().invoke(main, ["status", "--verify"])
    assert (output.exit_code, "not compared: 2025-06-02, of which newer" in output.stderr) == (0, True)
    assert json.loads(verify("--json"))["not_compared"] == ["2025-06-02"]
    built.build(MONDAY, TUESDAY)
    assert json.loads(verify("--json"))["not_compared"] == []
