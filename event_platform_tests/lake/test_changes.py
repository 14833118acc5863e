"""What a table gained is read off its log; where the log does not tell, nobody guesses."""

from pathlib import Path

import polars as pl
import pytest
from deltalake.transaction import AddAction, RemoveAction

from event_platform.lake import changes
from event_platform.lake.changes import added_since_mark, added_since_version
from event_platform.lake.files import write_file
from event_platform.lake.tables import Snapshot, Table, remove_action
from event_platform.pipeline.compaction.tasks import put_together
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, TUESDAY

SCHEMA = pl.Schema({"created_date": pl.Date, "n": pl.Int64})


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table with a file on Monday, which was built from 7."""
    table = Table("t", SCHEMA, "created_date", Storage(str(tmp_path)))
    table.snapshot_to_write().replace([MONDAY], [new(table)], {MONDAY: 7})
    return table


def new(table: Table) -> AddAction:
    """Write a file of Monday."""
    return write_file(pl.DataFrame({"n": [1]}), table.storage, "t", "created_date", MONDAY)


def grow(table: Table, mark: int) -> AddAction:
    """Add a file to Monday."""
    add = new(table)
    table.snapshot_to_write().replace([], [add], {MONDAY: mark}, extended=[MONDAY])
    return add


def both(snapshot: Snapshot, version: int, mark: int) -> set[str] | None:
    """Return what was added since a version, which is also that since the mark that it left."""
    found = added_since_version(snapshot, version)
    assert found == added_since_mark(snapshot, MONDAY, mark)
    return found


def test_files_that_were_added_are_found(table: Table) -> None:
    """Those after the version or the mark, and no others."""
    second, third = grow(table, 8), grow(table, 9)
    now = table.snapshot()
    assert both(now, 1, 7) == {second.path, third.path}
    assert both(now, 2, 8) == {third.path}
    assert both(now, 3, 9) == set()


def test_where_rows_went_nothing_is_told(table: Table) -> None:
    """The file that was added since is not all that changed."""
    table.snapshot_to_write().replace([MONDAY], [new(table)], {MONDAY: 8})
    grow(table, 9)
    assert both(table.snapshot(), 1, 7) is None


def test_another_partition_is_none_of_its_business(table: Table) -> None:
    """Tuesday may be replaced as often as it likes."""
    for mark in (8, 9):
        add = write_file(pl.DataFrame({"n": [2]}), table.storage, "t", "created_date", TUESDAY)
        table.snapshot_to_write().replace([TUESDAY], [add], {TUESDAY: mark})
    assert added_since_mark(table.snapshot(), MONDAY, 7) == set()
    assert added_since_version(table.snapshot(), 1) is None


def test_files_that_were_put_together_hold_nothing_new(table: Table) -> None:
    """Unless one of them was not read before: its rows are in a file with old ones then."""
    grow(table, 8)
    snapshot = table.snapshot_to_write()
    files = snapshot.files([MONDAY])
    gone = [remove_action(file, "created_date", data_change=False) for file in files]
    moved: list[AddAction | RemoveAction] = [put_together(table, SCHEMA, files), *gone]
    add = new(table)
    snapshot.replace([], [add], {MONDAY: 9}, extended=[MONDAY], moved=moved)
    now = table.snapshot()
    assert now.rows_by_date() == {MONDAY: 3}
    assert both(now, 2, 8) == {add.path}
    assert both(now, 1, 7) is None


def test_a_mark_that_was_never_left_is_not_found(table: Table) -> None:
    """However far back one looks."""
    assert added_since_mark(table.snapshot(), MONDAY, 6) is None


def test_a_log_that_was_cleaned_tells_nothing(table: Table) -> None:
    """Nor does one that is too long to be read."""
    grow(table, 8)
    now = table.snapshot()
    Path(now.table.uri, "_delta_log", f"{2:020}.json").unlink()
    assert both(now, 1, 7) is None


def test_who_missed_too_much_does_not_read_it_all(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit is a file to read."""
    monkeypatch.setattr(changes, "_COMMITS", 2)
    for mark in (8, 9, 10):
        grow(table, mark)
    assert both(table.snapshot(), 1, 7) is None
    assert both(table.snapshot(), 3, 9) is not None
