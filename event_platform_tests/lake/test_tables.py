"""Delta tables: commits that replace whole partitions or nothing, seen as other readers of Delta see them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from event_platform.events.errors import TableError
from event_platform.events.event import UTC_DATETIME
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.files import Written, write_file
from event_platform.lake.tables import ConflictError, Snapshot, Table, remove_action
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY

SCHEMA = pl.Schema({"created_date": pl.Date(), "n": pl.Int64(), "device": pl.Struct({"os": pl.String()})})


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table that does not exist yet."""
    return shaped(tmp_path, SCHEMA)


def shaped(root: Path, schema: pl.Schema) -> Table:
    """Return the table with another shape."""
    comments = {"n": "a number"}
    return Table("events/lesson_started", schema, "created_date", Storage(str(root)), comments, "Lessons")


def write(table: Table, day: date, *numbers: int) -> AddAction:
    """Write a file that no commit knows of yet."""
    frame = pl.DataFrame({"n": numbers, "device": [{"os": "ios"}] * len(numbers)})
    return write_file(frame, table.storage, table.name, "created_date", day)


def replace(table: Table, *days: tuple[date, Sequence[int]], snapshot: Snapshot | None = None) -> None:
    """Replace partitions by rows with the given numbers."""
    adds = [write(table, day, *numbers) for day, numbers in days if numbers]
    dates = [day for day, _ in days]
    (snapshot or table.snapshot_to_write()).replace(dates, adds, dict.fromkeys(dates, 7))


def numbers(table: Table) -> dict[date, list[int]]:
    """Read the table as an analyst would."""
    read = pl.scan_delta(table.uri).group_by("created_date").agg(pl.col("n").sort()).collect()
    return dict(read.iter_rows())


def test_a_table_that_is_not_there_reads_as_empty(table: Table) -> None:
    """With its columns, so that a query over it works before the first row."""
    snapshot = table.snapshot()
    assert (snapshot.version, snapshot.files(), snapshot.built_from(MONDAY)) == (-1, [], None)
    assert snapshot.scan().collect().schema == SCHEMA
    assert not Path(table.uri).exists()


def test_a_table_says_what_it_holds(table: Table) -> None:
    """Name, description and comments show up in every catalog that knows Delta."""
    table.snapshot_to_write()
    delta = DeltaTable(table.uri)
    assert (delta.metadata().name, delta.metadata().description) == ("events.lesson_started", "Lessons")
    assert delta.metadata().partition_columns == ["created_date"]
    assert [field.metadata for field in delta.schema().fields] == [{}, {"comment": "a number"}, {}]


def test_replacing_partitions_leaves_the_others_alone(table: Table) -> None:
    """A day without rows is emptied; all of it is one commit."""
    replace(table, (MONDAY, [1]), (TUESDAY, [2]), (WEDNESDAY, [3]))
    replace(table, (MONDAY, [4, 5]), (TUESDAY, []))
    assert numbers(table) == {MONDAY: [4, 5], WEDNESDAY: [3]}
    assert table.snapshot().version == 2
    assert table.snapshot().rows_by_date() == {MONDAY: 2, WEDNESDAY: 1}


def test_emptying_every_partition_leaves_an_empty_table(table: Table) -> None:
    """A filter that matches nothing must not mean that everything stays, or goes."""
    replace(table, (MONDAY, []))
    replace(table, (TUESDAY, [1]))
    replace(table, (MONDAY, []))
    assert numbers(table) == {TUESDAY: [1]}
    replace(table, (TUESDAY, []))
    assert numbers(table) == {}


def test_a_partition_is_marked_with_what_it_was_built_from(table: Table) -> None:
    """In the commit itself, so that mark and rows cannot differ."""
    table.snapshot_to_write().replace([MONDAY, TUESDAY], [write(table, MONDAY, 1)], {MONDAY: 3, TUESDAY: 4})
    snapshot = table.snapshot()
    assert [snapshot.built_from(day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [3, 4, None]


@pytest.mark.parametrize("before", [(), (0,)], ids=["empty", "filled"])
def test_the_second_of_two_writers_of_a_partition_is_refused(table: Table, before: tuple[int, ...]) -> None:
    """It has to read again: what it was about to write is older than what is there."""
    replace(table, (MONDAY, before))
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    replace(table, (MONDAY, [1]), snapshot=first)
    with pytest.raises(ConflictError, match="lesson_started"):
        replace(table, (MONDAY, [2]), snapshot=second)
    assert numbers(table) == {MONDAY: [1]}


def test_writers_of_other_partitions_are_not_in_the_way(table: Table) -> None:
    """Neither of two commits from the same version is lost."""
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    replace(table, (MONDAY, [1]), snapshot=first)
    replace(table, (TUESDAY, [2]), snapshot=second)
    assert numbers(table) == {MONDAY: [1], TUESDAY: [2]}


def test_a_commit_tells_the_version_that_it_became_and_what_it_wrote_of_each_partition(table: Table) -> None:
    """Also where others came in between: time travel to the version before shows the table without it."""
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    first.replace([MONDAY], [write(table, MONDAY, 1)], {MONDAY: 1})
    adds = [write(table, TUESDAY, 2), write(table, TUESDAY, 3)]
    found = second.replace([TUESDAY, WEDNESDAY], adds, {TUESDAY: 1, WEDNESDAY: 1})
    assert found == {
        TUESDAY: Written(version=2, previous_version=1, files=2, size=sum(add.size for add in adds)),
        WEDNESDAY: Written(version=2, previous_version=1),
    }
    assert pl.read_delta(table.uri, version=1)["n"].to_list() == [1]
    assert first.version == second.version == 0  # a snapshot stays where it was pinned


def test_many_writers_at_once_make_one_table(table: Table) -> None:
    """From nothing: each creates it if it is not there, and fills its own day; who is refused tries again."""
    days = [MONDAY + timedelta(days=number) for number in range(12)]
    start = Barrier(len(days))

    def fill(day: date) -> None:
        start.wait()
        retry_on_conflict(lambda: replace(table, (day, [day.toordinal()])))

    with ThreadPoolExecutor(len(days)) as threads:
        list(threads.map(fill, days))
    assert numbers(table) == {day: [day.toordinal()] for day in days}


def test_adding_and_removing_files_is_one_commit(table: Table) -> None:
    """Nobody sees the new rows beside the old ones, nor neither."""
    table.snapshot_to_write().append([MONDAY], [write(table, MONDAY, 1), write(table, MONDAY, 2)], {})
    snapshot = table.snapshot()
    old = next(file for file in snapshot.files() if file.minimum["n"] == 1)
    snapshot.append(
        [MONDAY], [write(table, MONDAY, 3), remove_action(old, "created_date")], {"why": "changed"}, ["x:1"]
    )
    assert numbers(table) == {MONDAY: [2, 3]}
    after = table.snapshot()
    assert after.version == snapshot.version + 1
    assert [info["why"] for info in after.commits_since(snapshot.version)] == ["changed"]
    assert (after.transaction("x:1"), after.transaction("x:2")) == (1, None)


def test_the_second_of_two_appends_to_a_partition_is_refused(table: Table) -> None:
    """Both may be adding the same objects: only one may, and the other looks again."""
    first, second = table.snapshot_to_write(), table.snapshot_to_write()
    first.append([MONDAY], [write(table, MONDAY, 1)], {})
    with pytest.raises(ConflictError):
        second.append([MONDAY, TUESDAY], [write(table, MONDAY, 1), write(table, TUESDAY, 2)], {})
    assert numbers(table) == {MONDAY: [1]}


def test_a_snapshot_keeps_reading_the_version_it_pinned(table: Table) -> None:
    """However long a step takes, it sees one state."""
    replace(table, (MONDAY, [1]))
    pinned = table.snapshot()
    replace(table, (MONDAY, [2]))
    assert pinned.scan().collect()["n"].to_list() == [1]


def test_a_table_grows_the_columns_that_the_catalog_gains(table: Table, tmp_path: Path) -> None:
    """Top-level and nested; older rows are null there, for every reader."""
    replace(table, (MONDAY, [1]))
    device = pl.Struct({"os": pl.String(), "version": pl.Int64()})
    grown = shaped(tmp_path, pl.Schema({**SCHEMA, "device": device, "score": pl.Float64()}))
    frame = pl.DataFrame({"n": [2], "device": [{"os": "web", "version": 3}], "score": [0.5]})
    add = write_file(frame, grown.storage, grown.name, "created_date", TUESDAY)
    grown.snapshot_to_write().replace([TUESDAY], [add], {TUESDAY: 1})
    expected = [(1, {"os": "ios", "version": None}, None), (2, {"os": "web", "version": 3}, 0.5)]
    for read in (grown.snapshot().scan(), pl.scan_delta(grown.uri)):
        assert read.sort("n").select("n", "device", "score").collect().rows() == expected


def test_a_column_that_the_catalog_lost_keeps_its_values(table: Table, tmp_path: Path) -> None:
    """New rows are null there; nothing that was written is dropped."""
    replace(table, (MONDAY, [1]))
    shrunk = shaped(tmp_path, pl.Schema({"created_date": pl.Date(), "m": pl.Int64()}))
    add = write_file(pl.DataFrame({"m": [2]}), shrunk.storage, shrunk.name, "created_date", TUESDAY)
    shrunk.snapshot_to_write().replace([TUESDAY], [add], {TUESDAY: 1})
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
        ({"N": pl.Int64()}, "events/lesson_started.N: the table has n, and .* with x-column: n, or another name"),
        ({"M": pl.Int64(), "N": pl.Int64()}, "events/lesson_started.N: the table has n, and"),
        ({"device": pl.Struct({"OS": pl.String()})}, "events/lesson_started.device.OS: the table has os, and"),
    ],
)
def test_a_column_keeps_its_type(table: Table, tmp_path: Path, columns: dict[str, pl.DataType], message: str) -> None:
    """Nothing is cast in silence: the commit is refused with the column's name, and the table is as it was."""
    replace(table, (MONDAY, [1]))
    kept = {name: dtype for name, dtype in SCHEMA.items() if name not in {column.lower() for column in columns}}
    changed = shaped(tmp_path, pl.Schema({**kept, **columns}))
    with pytest.raises(TableError, match=message):
        changed.snapshot_to_write().replace([MONDAY], [], {MONDAY: 1})
    assert numbers(table) == {MONDAY: [1]}


def test_a_table_whose_log_cannot_be_read_is_an_error_and_not_an_empty_table(table: Table) -> None:
    """Taking it for missing would be to write over it."""
    replace(table, (MONDAY, [1]))
    log = Path(table.uri) / "_delta_log" / "00000000000000000001.json"
    log.write_bytes(b"{damaged")
    with pytest.raises(TableError, match="lesson_started: the table cannot be opened"):
        table.snapshot_to_write()
    assert log.read_bytes() == b"{damaged"


def test_readers_skip_files_by_date_and_by_statistics(table: Table) -> None:
    """A file that cannot hold what is asked for is not even opened: here it is gone."""
    replace(table, (MONDAY, [1, 2]), (TUESDAY, [30, 40]))
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
    table = shaped(tmp_path, schema)
    moments = pl.Series(["0001-01-01T00:00:00Z", "2025-06-02T12:00:00.000007Z", None]).str.to_datetime(
        "%+", time_unit="us", time_zone="UTC"
    )
    frame = pl.DataFrame({"at": moments, "on": [MONDAY, TUESDAY, None], "n": [None, 5, -5]})
    add = write_file(frame, table.storage, table.name, "created_date", MONDAY)
    table.snapshot_to_write().replace([MONDAY], [add], {MONDAY: 1})
    log = pl.DataFrame(DeltaTable(table.uri).get_add_actions(flatten=True)).row(0, named=True)
    assert log["num_records"] == 3
    assert [log[f"null_count.{name}"] for name in ("at", "on", "n")] == [1, 1, 1]
    assert (log["min.on"], log["max.on"], log["min.n"], log["max.n"]) == (MONDAY, TUESDAY, -5, 5)
    assert log["min.at"].replace(tzinfo=None) == datetime(1, 1, 1)  # noqa: DTZ001 - compared without its zone
    assert log["max.at"].isoformat() == "2025-06-02T12:00:00.000007+00:00"


@pytest.mark.parametrize("folder", ["lake", "year=2025/lake"])
def test_a_filter_on_the_day_opens_no_file_of_another_day(tmp_path: Path, folder: str) -> None:
    """Neither with dates given nor without; and a lake may be in a folder that looks like a partition."""
    table = shaped(tmp_path / folder, SCHEMA)
    replace(table, (MONDAY, [1, 2]), (TUESDAY, [3]), (WEDNESDAY, [4]))
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
        table.snapshot_to_write().append([MONDAY], [], {"number": number})
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
        table.snapshot_to_write().append([MONDAY], [], {"number": number})
    earlier = table.snapshot()
    table.snapshot_to_write().append([MONDAY], [], {"number": 3})
    monkeypatch.setattr(Storage, "read", noting)
    assert [info["number"] for info in earlier.commits_since(0)] == [0, 1, 2]
    assert [info["number"] for info in table.snapshot().commits_since(0)] == [0, 1, 2, 3]
    assert [info["number"] for info in table.snapshot().commits_since(2)] == [2, 3]
    assert sorted(read) == [f"{version:020}.json" for version in (1, 2, 3, 4)]
    assert [info["number"] for info in earlier.commits_since(1)] == [1, 2]
