"""A small table of lessons, written and read with a few numbers."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from event_platform.events.event import ColumnSpec
from event_platform.lake.file_writer import write_file
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import TableSpec
from event_platform.lake.table_commit import TableCommit, adds_of
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, TUESDAY

SCHEMA = pl.Schema({"created_date": pl.Date(), "n": pl.Int64(), "device": pl.Struct({"os": pl.String()})})


def lessons_table(root: Path, schema: pl.Schema) -> Table:
    """Return a table of this shape, which does not exist yet."""
    columns = tuple(ColumnSpec(name, dtype, comment={"n": "a number"}.get(name, "")) for name, dtype in schema.items())
    spec = TableSpec("events/lesson_started", columns, "created_date", description="Lessons")
    return Table(spec, Storage(str(root)))


def write_numbers(table: Table, day: date, *numbers: int) -> AddAction:
    """Write a file that no commit knows of yet."""
    frame = pl.DataFrame({"n": numbers, "device": [{"os": "ios"}] * len(numbers)})
    return write_file(frame, table, day)


def rebuild_numbers(table: Table, *days: tuple[date, Sequence[int]], snapshot: Snapshot | None = None) -> None:
    """Replace partitions by rows with the given numbers."""
    adds = [write_numbers(table, day, *numbers) for day, numbers in days if numbers]
    dates = [day for day, _ in days]
    TableCommit(snapshot or table.snapshot_to_write()).rebuild(dates, adds, dict.fromkeys(dates, 7)).commit()


def append_files(
    table: Table, *actions: AddAction | RemoveAction, snapshot: Snapshot | None = None, **metadata: Any
) -> None:
    """Commit files that are added to Monday and Tuesday, and files that are removed."""
    before = snapshot or table.snapshot_to_write()
    adds = [action for action in actions if isinstance(action, AddAction)]
    days = [day for day in (MONDAY, TUESDAY) if adds_of([day], adds)] or [MONDAY]
    TableCommit(before, metadata, {"x:1": 1}).append(days, actions, dict.fromkeys(days, before.version + 1)).commit()


def read_numbers(table: Table) -> dict[date, list[int]]:
    """Read the table as an analyst would."""
    read = pl.scan_delta(table.uri).group_by("created_date").agg(pl.col("n").sort()).collect()
    return dict(read.iter_rows())
