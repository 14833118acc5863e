"""All transactions of a table equal those that delta-rs gives one by one, in any state of the log."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from event_platform.lake import app_transactions as log
from event_platform.lake import snapshot_cache
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import spec_of_schema
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage

DAYS = [date(2025, 6, 1) + timedelta(days=number) for number in range(5)]
IDS = [f"created_date={day}" for day in DAYS]


@pytest.fixture(autouse=True)
def nothing_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(log, "_CACHE", {})


def commit(path: Path, number: int) -> None:
    """Append a row, and leave two transactions. The first commit of a table, which makes it, has none."""
    if number == 1:
        write_deltalake(path, pl.DataFrame({"a": [0]}))
    transactions = [Transaction(IDS[number % 5], number), Transaction("other", -number)]
    properties = CommitProperties(app_transactions=transactions)
    write_deltalake(path, pl.DataFrame({"a": [number]}), mode="append", commit_properties=properties)


def snapshot(path: Path) -> Snapshot:
    """Open the table."""
    return Table(spec_of_schema(path.name, pl.Schema({"a": pl.Int64}), None), Storage(str(path.parent))).snapshot()


def each(found: Snapshot) -> dict[str, int | None]:
    """Ask for each transaction by itself."""
    delta, ids = found.delta, (*IDS, "other", "none")
    return {app_id: None if delta is None else delta.transaction_version(app_id) for app_id in ids}


def at_once(found: Snapshot) -> dict[str, int | None]:
    """Ask for all of them."""
    return {app_id: found.transaction(app_id) for app_id in (*IDS, "other", "none")}


def test_all_transactions_are_those_that_are_asked_for_one_by_one(tmp_path: Path) -> None:
    """Before and after a checkpoint, as it goes on, in this process and in a new one."""
    path = tmp_path / "t"
    assert at_once(snapshot(path)) == dict.fromkeys((*IDS, "other", "none"))
    for number in range(1, 9):
        commit(path, number)
        assert at_once(snapshot(path)) == each(snapshot(path))
        if number == 4:
            DeltaTable(path).create_checkpoint()
    older = snapshot(path)
    commit(path, 9)
    log._CACHE.clear()
    assert snapshot(path).transactions is not None
    assert at_once(snapshot(path)) == each(snapshot(path))
    assert at_once(older) == each(older)  # which was pinned before


def test_a_checkpoint_stands_for_the_commits_that_are_gone(tmp_path: Path) -> None:
    """And who finds neither asks for each."""
    path = tmp_path / "t"
    for number in range(1, 7):
        commit(path, number)
    DeltaTable(path).create_checkpoint()
    commit(path, 7)
    expected = each(snapshot(path))
    for version in range(7):
        (path / "_delta_log" / f"{version:020}.json").unlink()
    log._CACHE.clear()
    assert snapshot(path).transactions is not None
    assert at_once(snapshot(path)) == expected
    snapshot_cache._CACHE.clear()
    older = snapshot(path)
    commit(path, 8)
    DeltaTable(path).create_checkpoint()
    log._CACHE.clear()
    assert older.transactions is None
    assert at_once(older) == expected


def test_commits_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor asks every few seconds; a table that was made anew is another one."""
    path, read = tmp_path / "t", list[int]()
    method = Table.read_commit

    def counted(self: Table, version: int) -> bytes:
        read.append(version)
        return method(self, version)

    monkeypatch.setattr(Table, "read_commit", counted)
    for number in (1, 2, 3):
        commit(path, number)
        at_once(snapshot(path))
        at_once(snapshot(path))
    assert read == [0, 1, 2, 3]
