"""Tables by name: whoever has the lake can read it, without a catalog at hand."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from event_platform.defs.resources.platform import FolderLakeResource
from event_platform.defs.resources.s3 import S3LakeResource
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> FolderLakeResource:
    """Two days of events, which are only read."""
    world = World(tmp_path_factory.mktemp("lake"))
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"{day}", day, "lesson:started", user="usr_1"))
    world.build(MONDAY, TUESDAY)
    return FolderLakeResource(folder=str(world.root / "lake"))


@pytest.mark.parametrize(
    ("name", "column"),
    [("events/lesson_started", "user"), ("deduplicated_events", "body"), ("raw_events", "corruption_reason")],
)
def test_any_table_is_read_by_the_name_of_its_asset(lake: FolderLakeResource, name: str, column: str) -> None:
    """All of it, or some partitions, with the columns that its log says it has."""
    assert lake.scan(name).collect().height == 2
    read = lake.scan(name, ["2025-06-03"]).collect()
    assert read.height == 1
    assert column in read.columns
    assert lake.scan(name, [], [column]).collect().rows() == []
    assert lake.scan(name, columns=[column]).collect_schema().names() == [column]


def test_reading_some_partitions_opens_no_file_of_the_others(lake: FolderLakeResource, tmp_path: Path) -> None:
    """They may as well be gone; nothing at all is opened before the frame is collected."""
    lake = FolderLakeResource(folder=str(shutil.copytree(lake.folder, tmp_path / "lake")))
    (other,) = lake.open().table("events/lesson_started").snapshot().files([TUESDAY])
    Path(other.uri).unlink()
    everything = lake.scan("events/lesson_started")
    assert lake.scan("events/lesson_started", ["2025-06-02"]).collect()["created_date"].to_list() == [MONDAY]
    with pytest.raises(FileNotFoundError):
        everything.collect()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("events/lesson_startd", "events/lesson_startd: no such table; did you mean events/lesson_started"),
        ("lesson_started", "lesson_started: no such table; did you mean events/lesson_started"),
        ("raw_event", "no such table; did you mean raw_events"),
        ("xyz", "xyz: no such table$"),
    ],
)
def test_an_unknown_table_is_named_with_those_that_come_near(lake: FolderLakeResource, name: str, message: str) -> None:
    """So that a slip is mended at once."""
    with pytest.raises(TableError, match=message):
        lake.scan(name)


@pytest.mark.parametrize(
    "name",
    [
        *["", ".", "..", "../lake/raw_events", "events/../raw_events", "/etc", "events//x", "events/"],
        *["s3://bucket/x", "raw_events/_delta_log", "raw_events/arrival_date=2025-06-02", "raw_events\n", "ra\0w"],
    ],
)
def test_a_name_never_leads_out_of_the_lake(lake: FolderLakeResource, name: str) -> None:
    """Nor into a table's own folders; it is refused before anything is opened."""
    with pytest.raises(TableError, match="is not a table name; expected an asset key"):
        lake.scan(name)


@pytest.mark.parametrize(("partitions", "key"), [(["monday"], "monday"), ("2025-06-02", "2"), (["2025-06"], "2025-06")])
def test_a_partition_that_is_no_date_is_told(lake: FolderLakeResource, partitions: list[str], key: str) -> None:
    """Also a single key in place of a list."""
    with pytest.raises(TableError, match=f"Invalid isoformat string: '{key}': expected partition keys"):
        lake.scan("raw_events", partitions)


def test_a_table_that_is_partitioned_by_something_else_is_told(tmp_path: Path) -> None:
    """It belongs to another writer; partitions that the lake cannot prune are not read silently."""
    write_deltalake(f"{tmp_path}/other", pl.DataFrame({"a": [1], "b": ["x"]}), partition_by=["b"])
    write_deltalake(f"{tmp_path}/whole", pl.DataFrame({"a": [1]}))
    lake = Lake(Storage(str(tmp_path)))
    with pytest.raises(TableError, match="other: partitioned by b; expected one column of dates, or none"):
        lake.scan("other")
    assert lake.scan("whole").collect().rows() == [(1,)]
    with pytest.raises(TableError, match="whole: the table has no partitions to choose from"):
        lake.scan("whole", [MONDAY])


def test_every_table_is_one_of_the_platform_or_found(world: World) -> None:
    """Those of people's own assets and of types that the catalog lost, wherever they are; no page and no date."""
    world.deliver(MONDAY, "a", event("u1"), event("l1", name="lesson:started", user="usr_1"))
    world.build(MONDAY)
    (world.root / "catalog" / "lesson_started.yaml").unlink()
    root, frame = world.root / "lake", pl.DataFrame({"created_date": [MONDAY], "n": [1], "of": ["x"]})
    write_deltalake(f"{root}/marts/daily/learners", frame, partition_by=["created_date"])
    write_deltalake(f"{root}/by_name", frame, partition_by=["of"])
    for folder in ("reports/pages", "landing/2025/06/02/12", "_scratch/x", "events/of=x"):
        write_deltalake(f"{root}/{folder}", frame)
    event_types = world.catalog.event_types
    found = {table.name: table for table in world.lake.every_table(event_types)}
    others = ["by_name", "events/lesson_started", "marts/daily/learners"]
    assert list(found) == [*(table.name for table in world.lake.tables(event_types)), *others]
    snapshots = {name: found[name].snapshot() for name in others}
    assert {name: snapshot.table.partition_column for name, snapshot in snapshots.items()} == {
        "by_name": None,
        "events/lesson_started": "created_date",
        "marts/daily/learners": "created_date",
    }
    assert {name: snapshot.scan().collect().height for name, snapshot in snapshots.items()} == dict.fromkeys(others, 1)
    assert snapshots["marts/daily/learners"].rows_by_date() == {MONDAY: 1}
    (root / "by_name" / "_delta_log" / f"{0:020}.json").write_text("{", encoding="utf-8")
    assert [table.name for table in world.lake.every_table(event_types)] == list(found)
    with pytest.raises(TableError, match="by_name: the table cannot be opened"):
        found["by_name"].snapshot()


def test_finding_every_table_takes_as_many_requests_however_much_they_hold(
    bucket: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is listed, and each in it asked for a log; tables of the platform are not even asked."""
    storage = S3LakeResource(uri=f"s3://{bucket}/lake").open().storage
    lake, asked = Lake(storage), list[str]()

    def counting(name: str, method: Callable[..., Any]) -> None:
        def counted(self: Storage, *parts: str) -> Any:
            asked.append(f"{name} {'/'.join(parts)}")
            return method(self, *parts)

        monkeypatch.setattr(Storage, name, counted)

    counting("folders", Storage.folders)
    counting("has_folder", Storage.has_folder)
    for name in ("raw_events", "events/account_created", "marts/a", "marts/b"):
        storage.write(storage.uri(name, "_delta_log", f"{0:020}.json"), b"")
    expected = [
        *["folders ", "folders events", "has_folder marts/_delta_log", "folders marts"],
        *["has_folder events/_delta_log", "has_folder marts/a/_delta_log", "has_folder marts/b/_delta_log"],
    ]
    for day in ("2025-06-02", "2025-06-03"):
        for name in ("raw_events", "marts/a", "marts/b"):
            storage.write(storage.uri(name, f"created_date={day}", "x.parquet"), b"")
        found = lake.every_table(world.catalog.event_types)
        assert [table.name for table in found][-2:] == ["marts/a", "marts/b"]
        assert sorted(asked) == sorted(expected)
        asked.clear()


def test_tables_are_listed_and_read_by_name_on_s3(bucket: str) -> None:
    """As in a folder."""
    resource = S3LakeResource(uri=f"s3://{bucket}/lake")
    storage = resource.open().storage
    for name in ("events/a", "mart"):
        options = dict(storage.options)
        write_deltalake(storage.uri(name), pl.DataFrame({"n": [1]}), storage_options=options)
    assert resource.open().names() == ["events/a", "mart"]
    assert resource.scan("events/a").collect().rows() == [(1,)]
    with pytest.raises(TableError, match="no such table; did you mean mart"):
        resource.scan("marts")
