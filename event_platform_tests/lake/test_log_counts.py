"""Rows and paths of partitions, as a table's log counts them."""

import dataclasses
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from event_platform.lake.file_writer import write_file
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform_tests.support.tables import lessons_table
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table that does not exist yet."""
    return lessons_table(tmp_path, pl.Schema({"created_date": pl.Date(), "n": pl.Int64()}))


def write(table: Table, day: date, *numbers: int | None) -> AddAction:
    """Write a file that is not committed yet."""
    return write_file(pl.DataFrame({"n": numbers}, {"n": pl.Int64}), table, day)


def commit(table: Table, adds: dict[date, AddAction]) -> None:
    """Commit a file for each day."""
    TableCommit(table.snapshot_to_write()).rebuild([*adds], [*adds.values()], dict.fromkeys(adds, 1)).commit()


def test_files_without_statistics_count_no_rows(table: Table) -> None:
    """Other writers may leave statistics out. Their files are in the log all the same."""
    commit(table, {MONDAY: write(table, MONDAY, 1, 2)})
    add = write(table, TUESDAY, 3)
    delta, bare = DeltaTable(table.uri), dataclasses.replace(add, stats="{}")
    delta.create_write_transaction([bare], "append", delta.schema(), ["created_date"])
    snapshot = table.snapshot()
    assert snapshot.rows_by_date() == {MONDAY: 2, TUESDAY: 0}
    assert snapshot.rows_by_date([TUESDAY, WEDNESDAY]) == {TUESDAY: 0}
    assert snapshot.paths_by_date()[TUESDAY] == [add.path]


def test_paths_can_be_limited_to_files_with_a_value_in_a_column(table: Table) -> None:
    """As their statistics say; a column without statistics may have values everywhere."""
    adds = {MONDAY: write(table, MONDAY, None, None), TUESDAY: write(table, TUESDAY, 1)}
    commit(table, adds)
    snapshot = table.snapshot()
    assert snapshot.paths_by_date(column="n") == {TUESDAY: [adds[TUESDAY].path]}
    assert snapshot.paths_by_date([MONDAY], "n") == {}
    assert snapshot.paths_by_date(column="unknown") == {day: [add.path] for day, add in adds.items()}
