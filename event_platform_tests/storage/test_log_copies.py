"""Tables in a bucket are opened and committed to through copies of their logs: others only see the commits."""

import json
import os
import re
import shutil
import tempfile
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from event_platform.events.errors import TableStorageError
from event_platform.lake import app_transactions, log_copy, snapshot_cache
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.foreign import altered_dates, listed_if_cheaper
from event_platform.lake.log_copy import commit_name
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import ConflictError, TableCommit
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform_tests.support.faulty_s3 import LOST_ANSWER, FaultyS3, Rule
from event_platform_tests.support.field_ids import ids_in_log
from event_platform_tests.support.s3 import client, new_bucket, use_s3
from event_platform_tests.support.tables import SCHEMA, append_files, lessons_table, rebuild_numbers, write_numbers
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World

pytestmark = pytest.mark.xdist_group("s3 requests")

LOG = "lake/events/lesson_started/_delta_log"


@pytest.fixture
def table(proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A table in a bucket, which does not exist yet."""
    use_s3(monkeypatch, proxy.endpoint)
    monkeypatch.setattr(snapshot_cache, "_RECENT", 3600)  # the machine may be slow: what is counted is no time
    proxy.set()
    return located(f"s3://{new_bucket()}/lake")


def located(uri: str, schema: pl.Schema = SCHEMA) -> Table:
    """Return the table of a lake."""
    return Table(lessons_table(Path(), schema).spec, open_lake(uri).storage)


def bucket_of(table: Table) -> str:
    """Return the bucket that a table is in."""
    return table.uri.split("/")[2]


def start_over() -> None:
    """Forget what this process knows of any table, as that of another user would."""
    shutil.rmtree(Path.home() / ".cache", ignore_errors=True)
    snapshot_cache._CACHE.clear()
    app_transactions._CACHE.clear()


def log_requests(proxy: FaultyS3) -> list[str]:
    """Return what was asked of logs since the rules were set: methods and names."""
    return [
        "LIST" if "list-type" in each.path else f"{each.method} {each.path.rpartition('/')[2]}"
        for each in proxy.requests()
        if "_delta_log" in each.path
    ]


class _Forgetful(OrderedDict[str, Any]):
    """What is kept in a process that has just begun."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return nothing."""
        del key
        return default


def as_others_see_it(table: Table) -> DeltaTable:
    """Open the table as delta-rs does by itself."""
    return DeltaTable(table.uri, storage_options=table.storage.for_delta())


def numbers(table: Table) -> dict[date, list[int]]:
    """Read the table as an analyst would."""
    read = pl.scan_delta(as_others_see_it(table), storage_options=table.storage.for_polars()["storage_options"])
    return dict(read.group_by("created_date").agg(pl.col("n").sort()).collect().iter_rows())


def fill(table: Table, commits: int) -> Snapshot:
    """Make so many commits, each of a day of its own."""
    for number in range(commits):
        rebuild_numbers(table, (MONDAY + timedelta(days=number), [number]))
    return table.snapshot()


def test_a_table_is_made_and_filled_with_two_requests_each_for_what_is_written(table: Table, proxy: FaultyS3) -> None:
    """Two puts, after a look whether there is one. What others see of it is at its own address."""
    table.storage.check()
    added = write_numbers(table, MONDAY, 1)
    proxy.set()
    append_files(table, added)
    assert [each.partition(" ")[0] for each in log_requests(proxy)] == ["GET", "LIST", "PUT", "PUT"]
    assert numbers(table) == {MONDAY: [1]}
    created = as_others_see_it(table).history()[-1]
    assert created["operationParameters"]["location"] == table.uri


def test_a_table_is_opened_by_its_last_checkpoint(table: Table, proxy: FaultyS3) -> None:
    """The tenth version leaves one, for all who read the table; a copy of the log begins with it."""
    before = fill(table, 11)
    assert as_others_see_it(table).version() == before.version == 11
    start_over()
    proxy.set()
    after = table.snapshot()
    names = [f"{version:020}" for version in (9, 10, 11)]
    files = [f"{names[0]}.checkpoint.parquet", *(f"{name}.json" for name in names), "_last_checkpoint"]
    assert sorted(log_requests(proxy)) == [*(f"GET {file}" for file in files), "LIST"]
    assert (after.version, after.rows_by_date(), after.transactions) == (
        before.version,
        before.rows_by_date(),
        before.transactions,
    )
    assert after.source_version(MONDAY) == as_others_see_it(table).transaction_version(after.app_id(MONDAY)) == 7
    proxy.set()
    assert len(table.snapshot().commits_since(9)) == 2
    assert len(log_requests(proxy)) == 1


def test_what_others_commit_is_seen_at_once(table: Table) -> None:
    """Where delta-rs commits by itself, and where another process of the platform does."""
    fill(table, 1)
    as_others_see_it(table).delete("n = 0")
    snapshot = table.snapshot()
    assert (snapshot.version, snapshot.rows_by_date(), snapshot.foreign) == (2, {}, {MONDAY: 2})
    rebuild_numbers(table, (MONDAY, [5]))
    assert (numbers(table), table.snapshot().foreign) == ({MONDAY: [5]}, {})


def test_many_commits_of_others_are_read_from_their_checkpoint(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is no other log: what is kept of it does not grow for ever."""
    monkeypatch.setattr(snapshot_cache, "_MOST_NEW", 3)
    first = fill(table, 1)
    start_over()
    last = fill(table, 12)
    snapshot_cache.cache_snapshot(first, first.copy.tag if first.copy else None)
    snapshot = table.snapshot()
    assert snapshot.copy is not None
    assert (snapshot.version, snapshot.rows_by_date(), len(snapshot.copy.files)) == (13, last.rows_by_date(), 6)


def test_writers_of_other_partitions_are_not_in_the_way_and_of_the_same_one_are(table: Table) -> None:
    """The put of the second one is refused, and delta-rs writes it again on top of the first one's."""
    rebuild_numbers(table, (WEDNESDAY, [0]))
    first, second, third = table.snapshot_to_write(), table.snapshot_to_write(), table.snapshot_to_write()
    rebuild_numbers(table, (MONDAY, [1]), snapshot=first)
    rebuild_numbers(table, (TUESDAY, [2]), snapshot=second)
    with pytest.raises(ConflictError, match="lesson_started"):
        rebuild_numbers(table, (MONDAY, [3]), snapshot=third)
    assert numbers(table) == {MONDAY: [1], TUESDAY: [2], WEDNESDAY: [0]}
    assert (first.version, table.snapshot().version) == (1, 3)


def test_a_writer_is_refused_where_another_one_has_changed_the_schema(table: Table) -> None:
    """Also of another partition: new columns of both would have one field id."""
    rebuild_numbers(table, (WEDNESDAY, [0]))
    wider_table = located(f"s3://{bucket_of(table)}/lake", pl.Schema({**SCHEMA, "x": pl.Int64()}))
    second, first = table.snapshot_to_write(), wider_table.snapshot_to_write()
    append_files(wider_table, write_numbers(wider_table, MONDAY, 1), snapshot=first)
    with pytest.raises(ConflictError, match="lesson_started"):
        append_files(table, write_numbers(table, TUESDAY, 2), snapshot=second)
    assert numbers(table) == {MONDAY: [1], WEDNESDAY: [0]}
    assert ids_in_log(table.snapshot()) == {"created_date": 1, "n": 2, "device": 3, "device.os": 4, "x": 5}


def test_many_writers_at_once_make_one_table(table: Table) -> None:
    """From nothing: each creates it if it is not there, and fills its own day."""
    days = [MONDAY + timedelta(days=number) for number in range(8)]
    start = Barrier(len(days))

    def write(day: date) -> None:
        start.wait()
        retry_on_conflict(lambda: rebuild_numbers(table, (day, [day.toordinal()])))

    with ThreadPoolExecutor(len(days)) as threads:
        list(threads.map(write, days))
    assert numbers(table) == {day: [day.toordinal()] for day in days}
    assert table.snapshot().version == len(days)


def test_a_conflict_with_itself_is_none(table: Table, proxy: FaultyS3) -> None:
    """The answers to a put and to the following check were lost, and another writer came after it."""
    rebuild_numbers(table, (WEDNESDAY, [0]))
    mine = table.snapshot_to_write()
    added = write_numbers(table, MONDAY, 1)
    proxy.set(
        Rule("PUT", commit_name(2), LOST_ANSWER),
        Rule("GET", commit_name(2), "NoSuchKey"),
    )
    commit_results = TableCommit(mine).rebuild([MONDAY], [added], {MONDAY: 7}).commit()
    assert proxy.faults() == 2
    assert commit_results[MONDAY].version == 2
    assert numbers(table) == {MONDAY: [1], WEDNESDAY: [0]}


def test_a_commit_that_fails_leaves_nothing(table: Table, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the log nor in what this process knows of it."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    before = fill(table, 1)
    proxy.set(Rule("PUT", "_delta_log", "AccessDenied", times=None))
    with pytest.raises(TableStorageError, match=r"the commit failed: .*0002\.json: AccessDenied.*s3:PutObject"):
        rebuild_numbers(table, (TUESDAY, [1]))
    proxy.set()
    assert table.snapshot().version == as_others_see_it(table).version() == before.version
    rebuild_numbers(table, (TUESDAY, [2]))
    assert numbers(table) == {MONDAY: [0], TUESDAY: [2]}


def test_a_checkpoint_that_cannot_be_put_is_left_to_the_next_one(table: Table, proxy: FaultyS3) -> None:
    """The commit is made."""
    fill(table, 8)
    proxy.set(Rule("PUT", "checkpoint", "AccessDenied", times=None))
    rebuild_numbers(table, (WEDNESDAY, [1]))
    assert proxy.faults() == 1
    proxy.set()
    start_over()
    assert table.snapshot().version == as_others_see_it(table).version() == 9
    fill(table, 10)
    start_over()
    snapshot = table.snapshot()
    assert snapshot.copy is not None
    assert (snapshot.version, snapshot.copy.first) == (19, 19)


@pytest.mark.parametrize("cached_state", ["read a minute ago", "kept by another process"])
def test_a_table_in_the_place_of_another_one_is_opened(
    table: Table, cached_state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also an older state of it, and where it is gone."""
    if cached_state == "read a minute ago":
        monkeypatch.setattr(snapshot_cache, "_RECENT", 0)
    else:
        monkeypatch.setattr(snapshot_cache, "_CACHE", _Forgetful())
    fill(table, 3)
    for version in (3, 2):
        client().delete_object(Bucket=bucket_of(table), Key=f"{LOG}/{commit_name(version)}")
    assert table.snapshot().version == 1
    rebuild_numbers(table, (TUESDAY, [8]))
    assert numbers(table) == {MONDAY: [0], TUESDAY: [8]}
    table.storage.store.remove_folder("events/lesson_started/")
    assert table.snapshot().version == -1
    rebuild_numbers(table, (TUESDAY, [9]))
    assert numbers(table) == {TUESDAY: [9]}


def test_a_log_that_cannot_be_copied_is_read_by_delta_rs(table: Table) -> None:
    """For example if its checkpoint has several files. Commits work nevertheless."""
    fill(table, 10)
    start_over()
    name, hint = f"{LOG}/{9:020}.checkpoint", f"{LOG}/_last_checkpoint"
    whole = client().get_object(Bucket=bucket_of(table), Key=f"{name}.parquet")["Body"].read()
    hint_content = json.loads(client().get_object(Bucket=bucket_of(table), Key=hint)["Body"].read())
    client().put_object(Bucket=bucket_of(table), Key=f"{name}.{1:010}.{1:010}.parquet", Body=whole)
    client().put_object(Bucket=bucket_of(table), Key=hint, Body=json.dumps({**hint_content, "parts": 1}).encode())
    for key in (f"{name}.parquet", *(f"{LOG}/{commit_name(version)}" for version in range(9))):
        client().delete_object(Bucket=bucket_of(table), Key=key)
    snapshot = table.snapshot()
    assert (snapshot.copy, snapshot.version, len(snapshot.rows_by_date())) == (None, 10, 10)
    rebuild_numbers(table, (MONDAY, [77]))
    assert (numbers(table)[MONDAY], table.snapshot().version) == ([77], 11)


def test_rows_of_a_table_without_partitions_are_read(table: Table, proxy: FaultyS3) -> None:
    """By delta-rs and polars, from the bucket; they open each version once."""
    whole = Table(table.spec.__class__("own/totals", table.spec.columns), table.storage)
    before = whole.snapshot_to_write()
    assert before.copy is not None
    frame = pl.DataFrame({"created_date": [MONDAY], "n": [1], "device": [{"os": "ios"}]})
    frame.write_delta(whole.uri, mode="append", storage_options=whole.storage.for_delta())
    assert whole.snapshot().scan().collect()["n"].to_list() == [1]
    proxy.set()
    assert whole.snapshot().scan().collect()["n"].to_list() == [1]
    assert log_requests(proxy) == [f"GET {commit_name(2)}"]


def test_a_process_begins_with_what_another_one_has_kept(table: Table, proxy: FaultyS3) -> None:
    """It looks for the last commit and the next one, and reads newer ones; within a minute, only for the next one."""
    before = fill(table, 3)
    snapshot_cache._CACHE.clear()
    proxy.set()
    assert table.snapshot().rows_by_date() == before.rows_by_date()
    assert log_requests(proxy) == [f"GET {commit_name(4)}", f"HEAD {commit_name(3)}"]
    as_others_see_it(table).delete("n = 2")
    proxy.set()
    assert sorted(table.snapshot().rows_by_date()) == sorted(before.rows_by_date())[:2]
    assert log_requests(proxy) == [f"GET {commit_name(4)}", f"GET {commit_name(5)}", f"HEAD {commit_name(3)}"]
    proxy.set()
    table.snapshot()
    assert log_requests(proxy) == [f"GET {commit_name(5)}"]


def spoil(path: Path, damage: str) -> None:
    """Do to what a process has kept what may happen to it."""
    file = next(each for each in path.iterdir() if not each.suffix)
    whole = file.read_bytes()
    if damage == "torn":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "altered":
        file.write_bytes(whole[:-3] + b"xyz")
    elif damage == "writable by others":
        path.chmod(0o777)
    else:
        shutil.rmtree(path)
        path.write_bytes(b"")


@pytest.mark.parametrize("damage", ["torn", "altered", "writable by others", "no folder"])
def test_what_is_kept_is_used_as_it_was_written_or_not_at_all(table: Table, proxy: FaultyS3, damage: str) -> None:
    """The log is copied then."""
    before = fill(table, 1)
    spoil(Path.home() / ".cache" / "event-platform" / "logs", damage)
    snapshot_cache._CACHE.clear()
    proxy.set()
    assert table.snapshot().rows_by_date() == before.rows_by_date()
    assert log_requests(proxy)[:2] == ["GET _last_checkpoint", "LIST"]
    rebuild_numbers(table, (MONDAY, [3]))
    assert numbers(table) == {MONDAY: [3]}


def test_what_is_kept_is_for_the_user_alone_and_says_no_names(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder of the standard variable; a killed process leaves nothing permanent."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(table, 1)
    (folder,) = (tmp_path / "cache").glob("event-platform/logs")
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert re.fullmatch("[0-9a-f]{64}", file.name)
    file.with_suffix(".part").write_bytes(b"half")
    fill(table, 1)
    assert list(folder.iterdir()) == [file]
    assert not (Path.home() / ".cache").exists()


def test_checks_look_once_a_minute(table: Table, proxy: FaultyS3) -> None:
    """They judge the commits of this process, which they see at once."""
    assert table.recent_snapshot().version == -1
    fill(table, 1)
    proxy.set()
    assert table.recent_snapshot().rows_by_date() == {MONDAY: 1}
    fill(table, 2)
    proxy.set()
    assert table.recent_snapshot().rows_by_date() == {MONDAY: 1, TUESDAY: 1}
    assert log_requests(proxy) == []


def test_a_listing_shows_which_tables_have_not_moved_on(table: Table, proxy: FaultyS3, world: World) -> None:
    """They are opened from what this user's last process has kept, without a look at each."""
    fill(table, 2)
    snapshot_cache._CACHE.clear()
    lake = PinnedLake(table.storage)
    proxy.set()
    listed = lake.list_files(world.catalog.event_types)
    assert lake.platform_table(table.spec).snapshot().rows_by_date() == {MONDAY: 1, TUESDAY: 1}
    assert log_requests(proxy) == []
    assert {path.rpartition(".")[2] for path in listed.sizes} == {"json", "parquet"}


@pytest.mark.parametrize("cached_state", ["nothing", "an older version", "another log"])
def test_a_table_that_has_moved_on_since_it_was_kept_is_opened_as_it_is(
    table: Table, world: World, cached_state: str
) -> None:
    """Whatever a listing shows of it."""
    fill(table, 1)
    cached_snapshots = dict(snapshot_cache._CACHE)
    fill(table, 2)
    snapshot_cache._CACHE.clear()
    if cached_state == "nothing":
        start_over()
    elif cached_state == "an older version":
        snapshot_cache._CACHE.update(cached_snapshots)
    else:
        table.storage.store.remove_folder(f"{table.name}/")
        snapshot_cache._CACHE.clear()
        start_over()
        fill(table, 1)
        snapshot_cache._CACHE.update(cached_snapshots)
    lake = PinnedLake(table.storage)
    lake.list_files(world.catalog.event_types)
    assert lake.platform_table(table.spec).snapshot().rows_by_date() == numbers_of_days(table)


def numbers_of_days(table: Table) -> dict[date, int]:
    """Return how many rows each day has, as an analyst would count them."""
    return {day: len(values) for day, values in numbers(table).items()}


def test_a_commit_on_top_of_what_was_seen_before_another_one_meets_a_conflict_once(table: Table) -> None:
    """Nothing of the other one is overwritten, and the next try is on top of it."""
    fill(table, 1)
    cached_snapshots = dict(snapshot_cache._CACHE)
    fill(table, 2)
    snapshot_cache._CACHE.update(cached_snapshots)  # the second commit was another process's
    target = table.snapshot_to_write(may_be_recent=True)
    assert target.rows_by_date() == {MONDAY: 1}
    changes = TableCommit(target).rebuild([TUESDAY], [write_numbers(table, TUESDAY, 3)], {TUESDAY: 9})
    with pytest.raises(ConflictError):
        changes.commit()
    assert table.snapshot_to_write(may_be_recent=True).rows_by_date() == {MONDAY: 1, TUESDAY: 1}


def test_without_a_temporary_folder_delta_rs_reads_the_log_and_a_commit_says_why(
    table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on a disk that is full. Nothing is committed."""
    before = fill(table, 1)
    added = write_numbers(table, TUESDAY, 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    changes = TableCommit(before).rebuild([TUESDAY], [added], {TUESDAY: 7})
    with pytest.raises(TableStorageError, match=f"{table.uri}: the commit failed: .*No such file or directory"):
        changes.commit()
    snapshot_cache._CACHE.clear()
    snapshot = table.snapshot()
    assert (snapshot.copy, snapshot.version) == (None, 1)
    append_files(table, added)
    assert numbers(table) == {MONDAY: [0], TUESDAY: [1]}


def test_folders_that_killed_processes_have_left_are_removed_a_day_later(
    table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not those of processes that are at work."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    old, new = tmp_path / "tmp" / "event-platform-log-a", tmp_path / "tmp" / "event-platform-log-b"
    for folder in (old, new):
        (folder / "_delta_log").mkdir(parents=True)
    os.utime(old, (0, 0))
    log_copy._remove_abandoned.cache_clear()
    fill(table, 1)
    assert list((tmp_path / "tmp").iterdir()) == [new]


def test_a_file_that_is_gone_is_found_by_one_listing_of_all_tables(table: Table, proxy: FaultyS3) -> None:
    """As by one of each partition, where there are more of these than pages in the listing."""
    (missing_file, *_) = fill(table, 3).files()
    client().delete_object(Bucket=bucket_of(table), Key=missing_file.uri.partition(f"{bucket_of(table)}/")[2])
    proxy.set()
    snapshot = table.snapshot()
    assert listed_if_cheaper([snapshot], 0) is None
    sizes = listed_if_cheaper([snapshot], 3)
    assert altered_dates(snapshot, None, sizes) == altered_dates(snapshot)
    assert list(altered_dates(snapshot, None, sizes)) == [MONDAY]
    assert len([each for each in proxy.requests() if "list-type" in each.path]) == 1 + 3
