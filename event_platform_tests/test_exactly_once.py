"""However often something is delivered, killed, repeated or done twice at once: the tables are the same."""

import json
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from event_platform.lake.balance import ledger
from event_platform.lake.lake import Lake
from event_platform.lake.storage import Storage
from event_platform_tests.command import all_end, finish, start, variables
from event_platform_tests.comparison import contents
from event_platform_tests.world import MONDAY, World, event

DAYS = [MONDAY + timedelta(days=number) for number in range(3)]
PLACES = ("source_object", "source_offset", "source_size", "source_etag")


@pytest.fixture
def landed(world: World) -> World:
    """Three days of everything: redeliveries, conflicts, late, corrupt and unregistered records."""
    for number, day in enumerate(DAYS):
        for hour in (1, 2):
            sound = [event(f"{day}-{hour}-{each}", day, plan="free") for each in range(40)]
            lessons = [event(f"l{day}{hour}{each}", day, "lesson:started", user=f"usr_{each}") for each in range(40)]
            faults: list[Any] = [
                "{broken",
                "[]",
                event(f"x{day}{hour}", day, "beta:clicked"),
                event(f"s{hour}", plan=f"{number}"),
            ]
            world.deliver(day, "a.gz", *sound, *sound[:5], hour=hour)
            world.deliver(day, "b", *lessons, *faults, hour=hour)
    return world


def test_delivering_every_object_twice_changes_nothing_but_the_duplicates(landed: World) -> None:
    """Under other names, whether they sort behind the first ones or before."""
    landed.build(*DAYS)
    before = ledger(landed.lake, landed.catalog)
    events = contents(landed.lake, landed.catalog, without=PLACES)
    for path in sorted((landed.root / "landing").rglob("*")):
        if path.is_file():
            path.with_name(f"zz-{path.name}").write_bytes(path.read_bytes())
            path.with_name(f"00-{path.name}").write_bytes(path.read_bytes())
    landed.build(*DAYS)
    after = ledger(landed.lake, landed.catalog)
    again = contents(landed.lake, landed.catalog, without=PLACES)
    assert after["balanced"]
    for unchanged in ("deduplicated", "typed", "unregistered", "event_tables"):
        assert after[unchanged] == before[unchanged]
    assert sum(after["duplicates"].values()) == sum(before["duplicates"].values()) + 2 * before["sound"]
    for table in ("deduplicated_events", "unregistered_events", "events/account_created", "events/lesson_started"):
        assert again[table] == events[table]


@pytest.fixture
def expected(landed: World) -> dict[str, list[str]]:
    """What the steps make of what landed, undisturbed."""
    landed.build(*DAYS)
    return contents(landed.lake, landed.catalog)


def test_a_run_killed_at_any_moment_and_started_again_gives_the_same_tables(
    landed: World, expected: dict[str, list[str]]
) -> None:
    """Killed once after the first file is written, once after a few more, and so on; no process is left behind."""
    lake = landed.root / "killed"
    killed = 0
    for files in (1, 4, 9, 14, 20, 28):
        process = start(variables(landed, lake), "run")
        killed += kill_after(process, lake, files)
        assert all_end(str(lake), seconds=20)
    assert killed > 3
    finish(start(variables(landed, lake), "run"))
    assert contents(Lake(Storage(str(lake))), landed.catalog) == expected
    assert json.loads(finish(start(variables(landed, lake), "status", "--json")))["balanced"]


def test_two_runs_at_once_end_with_one_correct_result(landed: World, expected: dict[str, list[str]]) -> None:
    """Of the same partitions of the same lake: whichever commits second starts over from what the first one left."""
    lake = landed.root / "twice"
    for process in [start(variables(landed, lake), "run") for _ in range(2)]:
        finish(process)
    assert contents(Lake(Storage(str(lake))), landed.catalog) == expected


def kill_after(process: "subprocess.Popen[str]", lake: Path, files: int) -> bool:
    """Kill a run with SIGKILL once the lake holds so many files; say whether it was still running."""
    while process.poll() is None and sum(path.is_file() for path in lake.rglob("*")) < files:
        time.sleep(0.005)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive
