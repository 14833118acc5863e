"""However often something is delivered, killed, repeated or done twice at once: the tables are the same."""

import logging
import os
import random
import shutil
import subprocess
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.storage.storage import Storage
from event_platform_tests.support.command import all_end, call_with, finish, start, variables
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event, write_catalog

DAYS = [MONDAY + timedelta(days=number) for number in range(3)]
LOG = logging.getLogger(__name__)
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
    before = lake_totals(landed.lake, landed.catalog)
    events = contents(landed.lake, landed.catalog, without=PLACES)
    for path in sorted((landed.root / "landing").rglob("*")):
        if path.is_file():
            path.with_name(f"zz-{path.name}").write_bytes(path.read_bytes())
            path.with_name(f"00-{path.name}").write_bytes(path.read_bytes())
    landed.build(*DAYS)
    after = lake_totals(landed.lake, landed.catalog)
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


def test_runs_that_are_killed_while_landing_grows_leave_the_same_tables(
    landed: World, pytestconfig: pytest.Config
) -> None:
    """Killed at any moment, however often, and started again when more has landed; no process is left behind.

    The Iceberg tables, which each run publishes, have the same files then.

    `pytest event_platform_tests/end_to_end/test_exactly_once.py --kills 40` kills forty times.
    """
    kills, killed, number = pytestconfig.getoption("kills") or 3, 0, 0
    publishing = {**variables(landed), "EVENT_PLATFORM_ICEBERG": "sql"}
    chance = random.Random(20)  # noqa: S311 - the same moments each time
    while killed < kills:
        process = start(publishing, "run")
        killed += kill_after(process, landed.root / "lake", chance.randrange(1, 25))
        assert all_end(landed.environment.lake, seconds=60)
        grow(landed, number := number + 1, chance)
        LOG.info("run %s: %s kills", number, killed)
    assert "Iceberg: 9 tables, none behind" in call_with(publishing, "run")
    assert iceberg_files(landed) == delta_files(landed)
    assert lake_totals(landed.lake, landed.catalog)["balanced"]
    undisturbed = World(landed.root / "undisturbed")
    shutil.copytree(landed.root / "landing", undisturbed.root / "landing", dirs_exist_ok=True)
    undisturbed.build(*DAYS)
    expected = contents(undisturbed.lake, undisturbed.catalog, without=("source_etag",))
    assert contents(landed.lake, landed.catalog, without=("source_etag",)) == expected


def delta_files(world: World) -> dict[str, set[str]]:
    """Return the names of the files of each Delta table."""
    tables = world.lake.tables(world.catalog.event_types)
    return {
        table.name.replace("/", "_"): {Path(each.path).name for each in table.snapshot().files()} for table in tables
    }


def iceberg_files(world: World) -> dict[str, set[str]]:
    """Return the names of the files of each Iceberg table, as its readers find them."""
    catalog = SqlCatalog("event_platform", uri=f"sqlite:///{world.environment.lake}/_iceberg/catalog.db")
    with closing(catalog):
        tables = [catalog.load_table(name) for name in catalog.list_tables("event_platform")]
        return {
            each.name()[-1]: {Path(task.file.file_path).name for task in each.scan().plan_files()} for each in tables
        }


def grow(world: World, number: int, chance: random.Random) -> None:
    """Land one more object, mostly on the last day: new events, late ones, and what was there already, or changed."""
    day = chance.choice([*DAYS, DAYS[-1], DAYS[-1]])
    new = [event(f"n{number}-{each}", chance.choice(DAYS), plan="free") for each in range(20)]
    again = [event(f"{day}-1-{chance.randrange(40)}", day, plan=chance.choice(["free", "pro"])) for _ in range(3)]
    world.deliver(day, chance.choice([f"n{number}.gz", f"0{number}", "b"]), *new, *again, hour=chance.choice([0, 2, 3]))


def test_two_runs_at_once_end_with_one_correct_result(landed: World, expected: dict[str, list[str]]) -> None:
    """Of the same partitions of the same lake: whichever commits second starts over from what the first one left."""
    lake = landed.root / "twice"
    for process in [start(variables(landed, lake), "run") for _ in range(2)]:
        finish(process)
    assert contents(Lake(Storage(str(lake))), landed.catalog) == expected


def kill_after(process: "subprocess.Popen[str]", lake: Path, files: int) -> bool:
    """Kill a run with SIGKILL once it has written so many files to the lake; say whether it was still running."""
    before = files_in(lake)
    while process.poll() is None and files_in(lake) < before + files:
        time.sleep(0.005)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


def files_in(lake: Path) -> int:
    """Count the files of a lake, while others write to it."""
    return sum(len(names) for _, _, names in os.walk(lake))


def test_runs_that_are_killed_while_a_column_gets_a_wider_type_leave_the_old_table_or_the_new_one(
    landed: World, expected: dict[str, list[str]]
) -> None:
    """Each reader finds one of both, whole, at any moment; started again, it is as if nothing had happened."""
    table = landed.event_table("lesson_started").uri
    seen = {what_is_read(table)}
    lesson = SCHEMAS["lesson_started"]
    wider = {**lesson, "properties": {**lesson["properties"], "user": {"x-variant": True}}}
    write_catalog(landed.root / "catalog", {"lesson_started": wider})
    for files in (1, 4):
        process = start(variables(landed), "run", "--rebuild", "--from", f"{MONDAY}", "--to", f"{MONDAY}")
        before = files_in(Path(table))
        while process.poll() is None and files_in(Path(table)) < before + files:
            seen.add(what_is_read(table))
        process.kill()
        process.communicate()
        assert all_end(landed.environment.lake, seconds=60)
        seen.add(what_is_read(table))
        assert lake_totals(landed.lake, landed.catalog)["balanced"]
    call_with(variables(landed), "run", "--rebuild", "--from", f"{MONDAY}", "--to", f"{MONDAY}")
    old, new = (80 * len(DAYS), len(DAYS), False), (80 * len(DAYS), len(DAYS), True)
    assert {old} <= seen <= {old, new}
    assert what_is_read(table) == new
    fresh = World(landed.root / "fresh")
    shutil.copytree(landed.root / "landing", fresh.root / "landing", dirs_exist_ok=True)
    write_catalog(fresh.root / "catalog", {"lesson_started": wider})
    fresh.build(*DAYS)
    assert contents(landed.lake, landed.catalog) == contents(fresh.lake, fresh.catalog)
    assert contents(landed.lake, landed.catalog)["events/account_created"] == expected["events/account_created"]


def what_is_read(table: str) -> tuple[Any, ...]:
    """Return rows and days of the table of lessons, and whether its users are variants; of mixed ones, both."""
    rows = pl.read_delta(table)
    return rows.height, rows["created_date"].n_unique(), *rows["user"].str.starts_with('"').unique()
