"""The files added to a table are read from its log; if the log is insufficient, nothing is guessed."""

from pathlib import Path

import polars as pl
import pytest
from deltalake.transaction import AddAction, RemoveAction

from event_platform.lake import changes
from event_platform.lake.changes import added_since_source_version, added_since_version
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import remove_action
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import spec_of_schema
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform.pipeline.compaction.tasks import compact_files
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, TUESDAY

SCHEMA = pl.Schema({"created_date": pl.Date, "n": pl.Int64})


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table with a file on Monday, which was built from 7."""
    table = Table(spec_of_schema("t", SCHEMA, "created_date"), Storage(str(tmp_path)))
    TableCommit(table.snapshot_to_write()).rebuild([MONDAY], [new(table)], {MONDAY: 7}).commit()
    return table


def new(table: Table) -> AddAction:
    """Write a file of Monday."""
    return write_file(pl.DataFrame({"n": [1]}), table, MONDAY)


def append(table: Table, source_version: int) -> AddAction:
    """Add a file to Monday."""
    add = new(table)
    TableCommit(table.snapshot_to_write()).append([MONDAY], [add], {MONDAY: source_version}).commit()
    return add


def both(snapshot: Snapshot, version: int, source_version: int) -> set[str] | None:
    """Return what was added since a version, which is also that since the source version that it left."""
    found = added_since_version(snapshot, version)
    assert found == added_since_source_version(snapshot, MONDAY, source_version)
    return found


def test_files_that_were_added_are_found(table: Table) -> None:
    """Those after either version, and no others."""
    second, third = append(table, 8), append(table, 9)
    now = table.snapshot()
    assert both(now, 1, 7) == {second.path, third.path}
    assert both(now, 2, 8) == {third.path}
    assert both(now, 3, 9) == set()


def test_where_rows_went_nothing_is_told(table: Table) -> None:
    """The file that was added since is not all that changed."""
    TableCommit(table.snapshot_to_write()).rebuild([MONDAY], [new(table)], {MONDAY: 8}).commit()
    append(table, 9)
    assert both(table.snapshot(), 1, 7) is None


def test_another_partition_is_none_of_its_business(table: Table) -> None:
    """Tuesday may be replaced as often as it likes."""
    for version in (8, 9):
        add = write_file(pl.DataFrame({"n": [2]}), table, TUESDAY)
        TableCommit(table.snapshot_to_write()).rebuild([TUESDAY], [add], {TUESDAY: version}).commit()
    assert added_since_source_version(table.snapshot(), MONDAY, 7) == set()
    assert added_since_version(table.snapshot(), 1) is None


def test_files_that_were_compacted_hold_nothing_new(table: Table) -> None:
    """Unless one of them was not read before: its rows are in a file with old ones then."""
    append(table, 8)
    snapshot = table.snapshot_to_write()
    files = snapshot.files([MONDAY])
    gone = [remove_action(table, file, data_change=False) for file in files]
    compaction: list[AddAction | RemoveAction] = [compact_files(table, SCHEMA, files), *gone]
    add = new(table)
    TableCommit(snapshot).append([MONDAY], [add, *compaction], {MONDAY: 9}).commit()
    now = table.snapshot()
    assert now.rows_by_date() == {MONDAY: 3}
    assert both(now, 2, 8) == {add.path}
    assert both(now, 1, 7) is None


def test_a_mark_that_was_never_left_is_not_found(table: Table) -> None:
    """However far back one looks."""
    assert added_since_source_version(table.snapshot(), MONDAY, 6) is None


def test_a_log_that_was_cleaned_tells_nothing(table: Table) -> None:
    """Nor does one that is too long to be read."""
    append(table, 8)
    now = table.snapshot()
    Path(now.table.uri, "_delta_log", f"{2:020}.json").unlink()
    assert both(now, 1, 7) is None


def test_who_missed_too_much_does_not_read_it_all(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit is a file to read."""
    monkeypatch.setattr(changes, "_COMMITS", 2)
    for mark in (8, 9, 10):
        append(table, mark)
    assert both(table.snapshot(), 1, 7) is None
    assert both(table.snapshot(), 3, 9) is not None
