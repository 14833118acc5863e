"""Snapshots are opened once, and again as soon as the log of their table is another one than they were read from."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from event_platform.lake.file_writer import write_file
from event_platform.lake.location import OpenedLog, TableLocation
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import spec_of_schema
from event_platform.lake.table_commit import ConflictError, TableCommit
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage

DAY, NEXT = date(2025, 6, 2), date(2025, 6, 3)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table with a row."""
    table = Table(spec_of_schema("t", pl.Schema({"day": pl.Date, "n": pl.Int64}), "day"), Storage(str(tmp_path)))
    append(table.snapshot_to_write(), DAY, 1)
    return table


@pytest.fixture
def opened(table: Table, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that are opened from now on."""
    names, open_log = list[str](), TableLocation.open_log

    def open_and_note(location: TableLocation, version: int | None = None) -> OpenedLog:
        names.append(location.name)
        return open_log(location, version)

    monkeypatch.setattr(TableLocation, "open_log", open_and_note)
    return names


def append(snapshot: Snapshot, day: date, number: int) -> None:
    """Commit a file with a row."""
    added = write_file(pl.DataFrame({"day": [day], "n": [number]}), snapshot.table, day)
    TableCommit(snapshot).append([day], [added], {day: snapshot.version + 1}).commit()


def numbers(table: Table) -> list[int]:
    """Return what the rows hold, as they are now."""
    return sorted(table.snapshot().scan().collect()["n"])


def test_nothing_is_opened_for_what_this_process_has_committed(table: Table, opened: list[str]) -> None:
    """Other column definitions open nothing either. Earlier snapshots stay unchanged."""
    before = table.snapshot()
    append(table.snapshot_to_write(), NEXT, 2)
    after = table.snapshot()
    assert table.snapshot() is after
    assert (before.version, after.version) == (1, 2)
    assert (before.rows_by_date(), after.rows_by_date()) == ({DAY: 1}, {DAY: 1, NEXT: 1})
    assert numbers(table) == [1, 2]
    other = Table(spec_of_schema("t", pl.Schema({"day": pl.Date, "n": pl.Int64, "m": pl.String}), "day"), table.storage)
    assert other.snapshot().schema.names() == ["day", "n", "m"]
    assert opened == []
    assert (before.source_version(NEXT), after.source_version(NEXT)) == (None, 2)
    assert before.scan().collect()["n"].to_list() == [1]
    assert opened == ["t"]


def test_what_others_commit_is_seen_at_once(table: Table, opened: list[str]) -> None:
    """A row that somebody deleted, between two looks at the same table."""
    assert numbers(table) == [1]
    DeltaTable(table.uri).delete("n = 1")
    assert numbers(table) == []
    assert opened == ["t"]


def test_a_table_in_the_place_of_another_one_is_opened(table: Table, tmp_path: Path) -> None:
    """Even with the same number of commits, and after it was deleted."""
    assert numbers(table) == [1]
    aside = Table(table.spec, Storage(str(tmp_path / "aside")))
    append(aside.snapshot_to_write(), DAY, 7)
    shutil.rmtree(table.uri)
    assert table.snapshot().version == -1
    shutil.copytree(aside.uri, table.uri)
    assert numbers(table) == [7]


def test_of_two_commits_on_the_same_version_one_meets_a_conflict(table: Table) -> None:
    """The first commit does not change a snapshot on which another one is based."""
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    append(first, DAY, 2)
    with pytest.raises(ConflictError):
        append(second, DAY, 3)
    read, written = table.snapshot(), table.snapshot_to_write()
    append(written, DAY, 4)
    with pytest.raises(ConflictError):
        append(read, DAY, 5)
    assert numbers(table) == [1, 2, 4]
