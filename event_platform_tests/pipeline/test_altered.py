"""A day that is not as the platform left it is rebuilt entirely, whatever arrives meanwhile."""

import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from event_platform.lake.tables import Table
from event_platform.lake.totals import lake_totals
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, copy_of, event

pytestmark = pytest.mark.xdist_group("altered")  # for what they share to be built once

Alter = Callable[[Table], object]


def rows_of(table: Table, ending: str) -> pl.DataFrame:
    """Return the rows whose uuid ends so."""
    return pl.scan_delta(table.uri).filter(pl.col("event_uuid").str.ends_with(ending)).collect()


def delete_a_row(table: Table) -> None:
    """Rewrite the file of the day without a row."""
    DeltaTable(table.uri).delete("event_uuid like '%1'")


def delete_the_day(table: Table) -> None:
    """Take its files out of the log; none is rewritten."""
    DeltaTable(table.uri).delete(f"{table.partition_column} = '{MONDAY}'")


def double_a_row(table: Table) -> None:
    """Append what is there already."""
    write_deltalake(table.uri, rows_of(table, "1").to_arrow(), mode="append")


def exchange_a_row(table: Table) -> None:
    """One row out, another one doubled: the counts are as before."""
    other = rows_of(table, "2")
    delete_a_row(table)
    write_deltalake(table.uri, other.to_arrow(), mode="append")


def change_all_uuids(table: Table) -> None:
    """All rows are there, and all have changed."""
    monday = f"{table.partition_column} = '{MONDAY}'"
    DeltaTable(table.uri).update(updates={"event_uuid": "concat('x', event_uuid)"}, predicate=monday)


def files(table: Table) -> Iterator[Path]:
    """Yield the files of the day."""
    yield from (Path(file.uri) for file in table.snapshot().files([MONDAY]))


def remove_a_file(table: Table) -> None:
    """The log has it, and the store has not."""
    next(files(table)).unlink()


def cut_a_file(table: Table) -> None:
    """It is there, and cannot be read."""
    file = next(files(table))
    file.write_bytes(file.read_bytes()[:-7])


ALTERATIONS = [
    delete_a_row,
    delete_the_day,
    double_a_row,
    exchange_a_row,
    change_all_uuids,
    remove_a_file,
    cut_a_file,
]
TABLES: dict[str, Callable[[World], Table]] = {
    "event table": lambda world: world.event_table("account_created"),
    "unregistered": lambda world: world.lake.unregistered_events,
    "deduplicated": lambda world: world.lake.deduplicated_events,
    "duplicates": lambda world: world.lake.duplicate_events,
    "raw": lambda world: world.lake.raw_events,
}


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days with rows of every kind; Tuesday has records that belong to Monday."""
    world = World(tmp_path_factory.mktemp("built"))
    for day in (MONDAY, TUESDAY):
        accounts = [event(f"{'mt'[day == TUESDAY]}{number}", day) for number in range(5)]
        unregistered = [event(f"x{day}{number}", day, name="beta:new") for number in range(3)]
        world.deliver(day, "a", *accounts, *unregistered, accounts[1], accounts[2], "{broken")
        world.deliver(day, "b", event(f"late{day}"), unregistered[1])
    world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


@pytest.fixture(scope="module")
def grown(built_once: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """What it comes to when more has landed, and nobody has altered anything."""
    world = World(tmp_path_factory.mktemp("grown"))
    shutil.copytree(built_once.root / "landing", world.root / "landing", dirs_exist_ok=True)
    world.deliver(WEDNESDAY, "c", event("w", WEDNESDAY), event("m9"), event("x9", name="beta:new"), event("m2"))
    world.build(MONDAY, TUESDAY, WEDNESDAY)
    return world


@pytest.mark.parametrize(
    ("table", "alter"),
    [
        *product(("event table",), ALTERATIONS),
        *product(("deduplicated", "raw"), (delete_a_row, exchange_a_row, cut_a_file)),
        ("raw", double_a_row),
        *product(("unregistered", "duplicates"), (delete_a_row, remove_a_file)),
    ],
)
def test_an_altered_day_is_built_whole_while_the_stream_goes_on(
    built: World, grown: World, table: str, alter: Alter
) -> None:
    """Also where new records of the day arrive, for which it would only grow."""
    shutil.copytree(grown.root / "landing", built.root / "landing", dirs_exist_ok=True)
    alter(TABLES[table](built))
    built.build(MONDAY, TUESDAY, WEDNESDAY)
    assert lake_totals(built.lake, built.catalog)["balanced"]
    assert contents(built.lake, built.catalog) == contents(grown.lake, grown.catalog)


def test_what_is_not_altered_grows_beside_what_is(built: World) -> None:
    """The files of the other tables stay."""
    other = built.lake.unregistered_events
    old_paths = {file.path for file in other.snapshot().files([MONDAY])}
    delete_a_row(built.event_table("account_created"))
    built.deliver(WEDNESDAY, "c", event("m9"), event("x9", name="beta:new"))
    built.build(MONDAY, TUESDAY, WEDNESDAY)
    assert old_paths < {file.path for file in other.snapshot().files([MONDAY])}
    assert {"m1", "m9"} <= set(built.events("account_created")["event_uuid"])
