"""Commits: partitions that are rebuilt or appended to, all in one version or nothing."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest
from deltalake import DeltaTable

from event_platform.events.errors import TableError
from event_platform.lake import table_commit
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import remove_action
from event_platform.lake.table_commit import CommitResult, ConflictError, TableCommit
from event_platform.lake.tables import Table
from event_platform_tests.support.tables import (
    SCHEMA,
    append_files,
    lessons_table,
    read_numbers,
    rebuild_numbers,
    write_numbers,
)
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table that does not exist yet."""
    return lessons_table(tmp_path, SCHEMA)


def test_replacing_partitions_leaves_the_others_alone(table: Table) -> None:
    """A day without rows is emptied; all of it is one commit."""
    rebuild_numbers(table, (MONDAY, [1]), (TUESDAY, [2]), (WEDNESDAY, [3]))
    rebuild_numbers(table, (MONDAY, [4, 5]), (TUESDAY, []))
    assert read_numbers(table) == {MONDAY: [4, 5], WEDNESDAY: [3]}
    assert table.snapshot().version == 2
    assert table.snapshot().rows_by_date() == {MONDAY: 2, WEDNESDAY: 1}


def test_emptying_every_partition_leaves_an_empty_table(table: Table) -> None:
    """A filter that matches nothing must not mean that everything stays, or goes."""
    rebuild_numbers(table, (MONDAY, []))
    rebuild_numbers(table, (TUESDAY, [1]))
    rebuild_numbers(table, (MONDAY, []))
    assert read_numbers(table) == {TUESDAY: [1]}
    rebuild_numbers(table, (TUESDAY, []))
    assert read_numbers(table) == {}


def test_a_partition_keeps_the_version_of_its_source(table: Table) -> None:
    """In the commit itself, so that version and rows cannot differ."""
    versions = {MONDAY: 3, TUESDAY: 4}
    TableCommit(table.snapshot_to_write()).rebuild(versions, [write_numbers(table, MONDAY, 1)], versions).commit()
    snapshot = table.snapshot()
    assert [snapshot.source_version(day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [3, 4, None]


@pytest.mark.parametrize("before", [(), (0,)], ids=["empty", "filled"])
def test_the_second_of_two_writers_of_a_partition_is_refused(table: Table, before: tuple[int, ...]) -> None:
    """It has to read again, because its rows are outdated."""
    rebuild_numbers(table, (MONDAY, before))
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    rebuild_numbers(table, (MONDAY, [1]), snapshot=first)
    with pytest.raises(ConflictError, match="lesson_started"):
        rebuild_numbers(table, (MONDAY, [2]), snapshot=second)
    assert read_numbers(table) == {MONDAY: [1]}


def test_writers_of_other_partitions_are_not_in_the_way(table: Table) -> None:
    """Neither of two commits from the same version is lost."""
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    rebuild_numbers(table, (MONDAY, [1]), snapshot=first)
    rebuild_numbers(table, (TUESDAY, [2]), snapshot=second)
    assert read_numbers(table) == {MONDAY: [1], TUESDAY: [2]}


def test_a_commit_tells_the_version_that_it_became_and_what_it_wrote_of_each_partition(table: Table) -> None:
    """Also where others came in between: time travel to the version before shows the table without it."""
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    TableCommit(first).rebuild([MONDAY], [write_numbers(table, MONDAY, 1)], {MONDAY: 1}).commit()
    adds = [write_numbers(table, TUESDAY, 2), write_numbers(table, TUESDAY, 3)]
    versions = {TUESDAY: 1, WEDNESDAY: 1}
    found = TableCommit(second).rebuild(versions, adds, versions).commit()
    assert found == {
        TUESDAY: CommitResult(version=2, previous_version=1, files=2, size=sum(add.size for add in adds)),
        WEDNESDAY: CommitResult(version=2, previous_version=1),
    }
    assert pl.read_delta(table.uri, version=1)["n"].to_list() == [1]
    assert first.version == second.version == 0  # a snapshot stays where it was pinned


@pytest.mark.parametrize(("is_wanted", "first"), [("true", 9), ("false", 0)])
def test_commits_that_have_expired_are_deleted_now_and_then(
    table: Table, monkeypatch: pytest.MonkeyPatch, is_wanted: str, first: int
) -> None:
    """Those before the last checkpoint, unless the table says otherwise."""
    monkeypatch.setattr(table_commit, "_CLEANUP_INTERVAL", 12)
    rebuild_numbers(table, (MONDAY, [1]))
    properties = {"delta.logRetentionDuration": "interval 0 days", "delta.enableExpiredLogCleanup": is_wanted}
    DeltaTable(table.uri).alter.set_table_properties(properties)
    for number in range(10):
        assert min(Path(table.uri, "_delta_log").glob("*.json")).stem == f"{0:020}"
        rebuild_numbers(table, (TUESDAY, [number]))
    assert table.snapshot().version == 12
    assert min(Path(table.uri, "_delta_log").glob("*.json")).stem == f"{first:020}"
    assert read_numbers(table) == {MONDAY: [1], TUESDAY: [9]}


def test_many_writers_at_once_make_one_table(table: Table) -> None:
    """From nothing: each creates it if it is not there, and fills its own day; who is refused tries again."""
    days = [MONDAY + timedelta(days=number) for number in range(12)]
    start = Barrier(len(days))

    def fill(day: date) -> None:
        start.wait()
        retry_on_conflict(lambda: rebuild_numbers(table, (day, [day.toordinal()])))

    with ThreadPoolExecutor(len(days)) as threads:
        list(threads.map(fill, days))
    assert read_numbers(table) == {day: [day.toordinal()] for day in days}


def test_adding_and_removing_files_is_one_commit(table: Table) -> None:
    """Nobody sees the new rows beside the old ones, nor neither."""
    append_files(table, write_numbers(table, MONDAY, 1), write_numbers(table, MONDAY, 2))
    snapshot = table.snapshot()
    old = next(file for file in snapshot.files() if file.minimum["n"] == 1)
    append_files(table, write_numbers(table, MONDAY, 3), remove_action(table, old), snapshot=snapshot, why="changed")
    assert read_numbers(table) == {MONDAY: [2, 3]}
    after = table.snapshot()
    assert after.version == snapshot.version + 1
    assert [info["why"] for info in after.commits_since(snapshot.version)] == ["changed"]
    assert (after.transaction("x:1"), after.transaction("x:2")) == (1, None)


def test_the_second_of_two_appends_to_a_partition_is_refused(table: Table) -> None:
    """Both may be adding the same objects: only one may, and the other looks again."""
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    append_files(table, write_numbers(table, MONDAY, 1), snapshot=first)
    with pytest.raises(ConflictError):
        append_files(table, write_numbers(table, MONDAY, 1), write_numbers(table, TUESDAY, 2), snapshot=second)
    assert read_numbers(table) == {MONDAY: [1]}


def test_a_commit_rebuilds_some_partitions_and_appends_to_others(table: Table) -> None:
    """All at once: nobody sees one without the other, and each has its own source version and fingerprint."""
    rebuild_numbers(table, (MONDAY, [1]), (TUESDAY, [2]), (WEDNESDAY, [3]))
    before = table.snapshot_to_write()
    changes = TableCommit(before).rebuild([MONDAY], [write_numbers(table, MONDAY, 4)], {MONDAY: 8}, build_fingerprint=5)
    changes.append([TUESDAY], [write_numbers(table, TUESDAY, 6)], {TUESDAY: 9})
    assert {day: each.files for day, each in changes.commit().items()} == {MONDAY: 1, TUESDAY: 1}
    after = table.snapshot()
    assert (after.version, read_numbers(table)) == (before.version + 1, {MONDAY: [4], TUESDAY: [2, 6], WEDNESDAY: [3]})
    assert after.source_versions([MONDAY, TUESDAY, WEDNESDAY]) == {MONDAY: 8, TUESDAY: 9, WEDNESDAY: 7}
    assert [after.build_fingerprint(day) for day in (MONDAY, TUESDAY)] == [5, None]


def test_the_log_has_the_names_that_earlier_releases_wrote(table: Table) -> None:
    """A lake of theirs is read as it is: its partitions are up to date, and nothing is rebuilt for a name."""
    changes = TableCommit(table.snapshot_to_write(), {"created_dates": []}, {"empty:a:1:e": 1})
    changes.rebuild([MONDAY], [write_numbers(table, MONDAY, 1)], {MONDAY: 3}, build_fingerprint=9).commit()
    actions = [json.loads(line) for line in table.read_commit(1).splitlines()]
    transactions = {action["txn"]["appId"]: action["txn"]["version"] for action in actions if "txn" in action}
    monday = "created_date=2025-06-02"
    assert transactions == {monday: 3, f"rules:{monday}": 9, "empty:a:1:e": 1}
    (info,) = [action["commitInfo"] for action in actions if "commitInfo" in action]
    assert (info["known_version"], info["replaced"], info["foreign"]) == (0, ["2025-06-02"], {})
    assert {"commit_id", "created_dates"} <= info.keys()


def test_a_table_grows_the_columns_that_the_catalog_gains(table: Table, tmp_path: Path) -> None:
    """Top-level and nested; older rows are null there, for every reader."""
    rebuild_numbers(table, (MONDAY, [1]))
    device = pl.Struct({"os": pl.String(), "version": pl.Int64()})
    grown = lessons_table(tmp_path, pl.Schema({**SCHEMA, "device": device, "score": pl.Float64()}))
    frame = pl.DataFrame({"n": [2], "device": [{"os": "web", "version": 3}], "score": [0.5]})
    add = write_file(frame, grown, TUESDAY)
    TableCommit(grown.snapshot_to_write()).rebuild([TUESDAY], [add], {TUESDAY: 1}).commit()
    expected = [(1, {"os": "ios", "version": None}, None), (2, {"os": "web", "version": 3}, 0.5)]
    for read in (grown.snapshot().scan(), pl.scan_delta(grown.uri)):
        assert read.sort("n").select("n", "device", "score").collect().rows() == expected


def test_the_objects_in_a_map_gain_fields(tmp_path: Path) -> None:
    """Older ones are null there, for every reader; another type of the values is refused."""
    day = {"created_date": pl.Date()}
    before, now = pl.Struct({"os": pl.String()}), pl.Struct({"os": pl.String(), "version": pl.Int64()})
    for day_of, dtype, value in ((MONDAY, before, {"os": "ios"}), (TUESDAY, now, {"os": "web", "version": 3})):
        grown = lessons_table(tmp_path, pl.Schema({**day, "m": pl.Map(pl.String(), dtype)}))
        frame = pl.DataFrame({"m": pl.Series([{"a": value, "b": None}], dtype=pl.Map(pl.String(), dtype))})
        TableCommit(grown.snapshot_to_write()).rebuild(
            [day_of], [write_file(frame, grown, day_of)], {day_of: 1}
        ).commit()
    expected = [{"a": {"os": "ios", "version": None}, "b": None}, {"a": {"os": "web", "version": 3}, "b": None}]
    for read in (grown.snapshot().scan(), pl.scan_delta(grown.uri)):
        assert read.sort("created_date").collect()["m"].to_list() == expected
    changed = lessons_table(tmp_path, pl.Schema({**day, "m": pl.Map(pl.String(), pl.Int64())}))
    with pytest.raises(TableError, match=r"m: the table has struct<os: string, version: long>, the catalog says long"):
        TableCommit(changed.snapshot_to_write()).rebuild([MONDAY], [], {MONDAY: 2}).commit()


def test_a_column_that_the_catalog_lost_keeps_its_values(table: Table, tmp_path: Path) -> None:
    """New rows are null there; nothing that was written is dropped."""
    rebuild_numbers(table, (MONDAY, [1]))
    shrunk = lessons_table(tmp_path, pl.Schema({"created_date": pl.Date(), "m": pl.Int64()}))
    add = write_file(pl.DataFrame({"m": [2]}), shrunk, TUESDAY)
    TableCommit(shrunk.snapshot_to_write()).rebuild([TUESDAY], [add], {TUESDAY: 1}).commit()
    read = pl.scan_delta(shrunk.uri).sort("created_date").select("n", "m").collect()
    assert read.rows() == [(1, None), (None, 2)]
    assert shrunk.snapshot().schema.names() == ["created_date", "m", "n", "device"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n": pl.Float64()}, "events/lesson_started.n: the table has long, the catalog says double"),
        ({"n": pl.List(pl.Int64())}, "events/lesson_started.n: the table has long, the catalog says array"),
        (
            {"device": pl.Struct({"os": pl.Date()})},
            "events/lesson_started.device.os: the table has string, the catalog says date",
        ),
        (
            {"device": pl.String()},
            "events/lesson_started.device: the table has struct<os: string>, the catalog says string",
        ),
        (
            {"device": pl.Map(pl.String(), pl.String())},
            "events/lesson_started.device: the table has struct<os: string>, the catalog says map<string, string>",
        ),
        ({"N": pl.Int64()}, "events/lesson_started.N: the table has n, and .* with x-column: n, or another name"),
        ({"M": pl.Int64(), "N": pl.Int64()}, "events/lesson_started.N: the table has n, and"),
        ({"device": pl.Struct({"OS": pl.String()})}, "events/lesson_started.device.OS: the table has os, and"),
    ],
)
def test_a_column_keeps_its_type(table: Table, tmp_path: Path, columns: dict[str, pl.DataType], message: str) -> None:
    """Nothing is cast in silence: the commit is refused with the column's name, and the table is as it was."""
    rebuild_numbers(table, (MONDAY, [1]))
    kept = {name: dtype for name, dtype in SCHEMA.items() if name not in {column.lower() for column in columns}}
    changed = lessons_table(tmp_path, pl.Schema({**kept, **columns}))
    with pytest.raises(TableError, match=message):
        rebuild_numbers(changed, (MONDAY, []))
    assert read_numbers(table) == {MONDAY: [1]}
