"""Delta tables: snapshots, scans and logs, seen as other readers of Delta see them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from event_platform.events.errors import TableError, TableStorageError
from event_platform.events.event import UTC_DATETIME
from event_platform.lake.field_ids import FIELD_ID
from event_platform.lake.file_writer import write_file
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage
from event_platform_tests.support.tables import SCHEMA, append_files, lessons_table, rebuild_numbers
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table that does not exist yet."""
    return lessons_table(tmp_path, SCHEMA)


def test_a_table_that_is_not_there_reads_as_empty(table: Table) -> None:
    """With its columns, so that a query over it works before the first row."""
    snapshot = table.snapshot()
    assert (snapshot.version, snapshot.files(), snapshot.source_version(MONDAY)) == (-1, [], None)
    assert snapshot.scan().collect().schema == SCHEMA
    assert not Path(table.uri).exists()


def test_a_table_says_what_it_holds(table: Table) -> None:
    """Name, description and comments show up in every catalog that knows Delta."""
    table.snapshot_to_write()
    delta = DeltaTable(table.uri)
    assert (delta.metadata().name, delta.metadata().description) == ("events.lesson_started", "Lessons")
    assert delta.metadata().partition_columns == ["created_date"]
    metadata = [{FIELD_ID: 1}, {"comment": "a number", FIELD_ID: 2}, {FIELD_ID: 3}]
    assert [field.metadata for field in delta.schema().fields] == metadata


def test_the_first_commit_is_that_of_delta_rs(table: Table, tmp_path: Path) -> None:
    """All but the id and the time of the table, so that every reader finds what it expects."""
    delta = table.snapshot_to_write().delta
    assert delta is not None
    metadata = delta.metadata()
    DeltaTable.create(
        str(tmp_path / "theirs"),
        delta.schema(),
        partition_by=metadata.partition_columns,
        name=metadata.name,
        description=metadata.description,
        configuration=dict(metadata.configuration),
    )
    ours, theirs = (actions(Path(folder)) for folder in (table.uri, tmp_path / "theirs"))
    assert ours == theirs
    assert ours["metaData"]["configuration"] == {"delta.checkpointInterval": "10"}


def actions(folder: Path) -> dict[str, Any]:
    """Return what the first commit of a table says of it, beside its id and time."""
    lines = (folder / "_delta_log" / f"{0:020}.json").read_text(encoding="utf-8").splitlines()
    found = {kind: action for line in lines for kind, action in json.loads(line).items()}
    metadata, info = found["metaData"], found["commitInfo"]
    assert json.loads(info["operationParameters"]["metadata"]) == metadata
    metadata["schemaString"] = json.loads(metadata["schemaString"])
    assert metadata.pop("createdTime")
    assert metadata.pop("id")
    return {**found, "commitInfo": (info["operation"], sorted(info["operationParameters"]))}


@pytest.mark.parametrize("names", [[], ["created_date", "n", "N"], ["n"]])
def test_a_table_that_delta_lacks_is_not_created(tmp_path: Path, names: list[str]) -> None:
    """Without columns, with two that differ in case alone, or without that of its partitions."""
    table = lessons_table(tmp_path, pl.Schema({name: SCHEMA.get(name, pl.Int64()) for name in names}))
    with pytest.raises(TableError, match="events/lesson_started: the table cannot be created"):
        table.snapshot_to_write()
    assert not Path(table.uri).exists()


def test_a_snapshot_keeps_reading_the_version_it_pinned(table: Table) -> None:
    """However long a step takes, it sees one state."""
    rebuild_numbers(table, (MONDAY, [1]))
    pinned = table.snapshot()
    rebuild_numbers(table, (MONDAY, [2]))
    assert pinned.scan().collect()["n"].to_list() == [1]


def test_a_table_whose_log_cannot_be_read_is_an_error_and_not_an_empty_table(table: Table) -> None:
    """Taking it for missing would be to write over it."""
    rebuild_numbers(table, (MONDAY, [1]))
    log = Path(table.uri) / "_delta_log" / "00000000000000000001.json"
    log.write_bytes(b"{damaged")
    with pytest.raises(TableStorageError, match="lesson_started: the table cannot be opened") as raised:
        table.snapshot_to_write()
    assert log.read_bytes() == b"{damaged"
    assert "0: <unknown>" not in str(raised.value)  # the stack of the library


@pytest.mark.parametrize("damage", ["cut off", "the first is missing", "one is missing", "the checkpoint is cut off"])
def test_what_to_do_about_a_damaged_log_is_told(table: Table, damage: str) -> None:
    """Trying again does not help."""
    for number in range(3):
        rebuild_numbers(table, (MONDAY, [number]))
    log = Path(table.uri) / "_delta_log"
    commits = sorted(log.glob("*.json"))
    if damage == "cut off":
        commits[-1].write_bytes(commits[-1].read_bytes()[:100])
    elif damage == "the checkpoint is cut off":
        DeltaTable(table.uri).create_checkpoint()
        (checkpoint,) = log.glob("*.parquet")
        checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    else:
        commits[0 if damage == "the first is missing" else 2].unlink()
    with pytest.raises(TableStorageError, match="as its log is damaged") as raised:
        table.open_log()
    assert not raised.value.transient
    assert "move the folder of the table out of the lake" in raised.value.remedy


def test_readers_skip_files_by_date_and_by_statistics(table: Table) -> None:
    """A file that cannot hold what is asked for is not even opened: here it is gone."""
    rebuild_numbers(table, (MONDAY, [1, 2]), (TUESDAY, [30, 40]))
    for file in table.snapshot().files([MONDAY]):
        Path(file.uri).unlink()
    by_statistics = pl.scan_delta(table.uri).filter(pl.col("n") > 20)
    by_date = pl.scan_delta(table.uri).filter(pl.col("created_date") == TUESDAY)
    assert by_statistics.collect()["n"].to_list() == by_date.collect()["n"].to_list() == [30, 40]
    by_arrow = DeltaTable(table.uri).to_pyarrow_table(filters=[("n", ">", 20)])
    assert by_arrow["n"].to_pylist() == [30, 40]


def test_statistics_count_rows_and_nulls_and_bound_numbers_and_times(tmp_path: Path) -> None:
    """In the log, as any reader of Delta finds them; also for a time in year 1, which Go writes for none."""
    schema = pl.Schema({"created_date": pl.Date(), "at": UTC_DATETIME, "on": pl.Date(), "n": pl.Int64()})
    table = lessons_table(tmp_path, schema)
    moments = pl.Series(["0001-01-01T00:00:00Z", "2025-06-02T12:00:00.000007Z", None]).str.to_datetime(
        "%+", time_unit="us", time_zone="UTC"
    )
    frame = pl.DataFrame({"at": moments, "on": [MONDAY, TUESDAY, None], "n": [None, 5, -5]})
    add = write_file(frame, table, MONDAY)
    TableCommit(table.snapshot_to_write()).rebuild([MONDAY], [add], {MONDAY: 1}).commit()
    log = pl.DataFrame(DeltaTable(table.uri).get_add_actions(flatten=True)).row(0, named=True)
    assert log["num_records"] == 3
    assert [log[f"null_count.{name}"] for name in ("at", "on", "n")] == [1, 1, 1]
    assert (log["min.on"], log["max.on"], log["min.n"], log["max.n"]) == (MONDAY, TUESDAY, -5, 5)
    assert log["min.at"].replace(tzinfo=None) == datetime(1, 1, 1)  # noqa: DTZ001 - compared without its zone
    assert log["max.at"].isoformat() == "2025-06-02T12:00:00.000007+00:00"


@pytest.mark.parametrize("folder", ["lake", "year=2025/lake"])
def test_a_filter_on_the_day_opens_no_file_of_another_day(tmp_path: Path, folder: str) -> None:
    """Neither with dates given nor without; and a lake may be in a folder that looks like a partition."""
    table = lessons_table(tmp_path / folder, SCHEMA)
    rebuild_numbers(table, (MONDAY, [1, 2]), (TUESDAY, [3]), (WEDNESDAY, [4]))
    rows = table.snapshot().scan()
    assert rows.collect().sort("n").select("created_date", "n").rows() == [
        (MONDAY, 1),
        (MONDAY, 2),
        (TUESDAY, 3),
        (WEDNESDAY, 4),
    ]
    (other,) = table.snapshot().files([TUESDAY])
    Path(other.uri).write_bytes(b"not to be opened")
    assert table.snapshot().scan([MONDAY]).collect()["n"].to_list() == [1, 2]
    if folder == "lake":
        assert rows.filter(pl.col("created_date") == MONDAY).collect()["n"].to_list() == [1, 2]


def test_a_table_is_opened_from_a_checkpoint_of_a_few_commits_ago(table: Table) -> None:
    """Each commit since then is two requests, of each table and each run."""
    for number in range(25):
        append_files(table, number=number)
    checkpoints = sorted(Path(table.uri, "_delta_log").glob("*.checkpoint.parquet"))
    assert table.snapshot().version - int(checkpoints[-1].name.split(".")[0]) <= 10
    assert [info["number"] for info in table.snapshot().commits_since(20)] == [20, 21, 22, 23, 24]


def test_a_commit_is_read_once(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again reads what came since; an older state of the table has its own."""
    read: list[str] = []
    whole = Storage.read

    def noting(storage: Storage, uri: str) -> bytes:
        read.append(uri.rpartition("/")[2])
        return whole(storage, uri)

    for number in range(3):
        append_files(table, number=number)
    earlier = table.snapshot()
    append_files(table, number=3)
    monkeypatch.setattr(Storage, "read", noting)
    assert [info["number"] for info in earlier.commits_since(0)] == [0, 1, 2]
    assert [info["number"] for info in table.snapshot().commits_since(0)] == [0, 1, 2, 3]
    assert [info["number"] for info in table.snapshot().commits_since(2)] == [2, 3]
    # The commit on top of version 3 has read that one already.
    assert sorted(read) == [f"{version:020}.json" for version in (1, 2, 4)]
    assert [info["number"] for info in earlier.commits_since(1)] == [1, 2]
