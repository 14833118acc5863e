"""A table that is published has the rows of its Delta table, whatever happened to either since the last time."""

import json
import multiprocessing
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.schema import Field, PrimitiveType, Schema
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitStateUnknownException

from event_platform.lake.field_ids import field_ids, with_field_ids
from event_platform.publishing.iceberg import Outcome, open_iceberg
from event_platform_tests.support.published import PublishedTable, published_table, rows


@pytest.fixture
def lessons(tmp_path: Path) -> PublishedTable:
    """A published table with three rows of January 1."""
    lessons = published_table(tmp_path, rows(1))
    lessons.append(rows(1, 2, 3))
    assert lessons.publish().outcome is Outcome.CREATED
    return lessons


def test_a_table_is_created_and_caught_up_in_one_snapshot_for_all_commits(tmp_path: Path) -> None:
    """What is not there is said; appended, replaced and removed files follow; what is the same is left alone."""
    lessons = published_table(tmp_path, rows(1))
    assert lessons.publish().outcome is Outcome.NO_TABLE_YET
    lessons.append(rows(1, 2, 3))
    lessons.append(rows(4, day=2))
    created = lessons.publish()
    assert (created.name, created.outcome, created.version) == (
        "event_platform.events_lesson_started",
        Outcome.CREATED,
        1,
    )
    lessons.require_equal_rows()
    lessons.append(rows(5, day=3))
    lessons.replace(rows(6, 7), day=1)
    lessons.append(rows(8))
    assert [(each.published, each.version) for each in lessons.catalog.lags([lessons.table])] == [(1, 4)]
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()
    assert len(lessons.iceberg.metadata.snapshots) == 2
    location = lessons.iceberg.metadata_location
    assert lessons.publish().outcome is Outcome.UNCHANGED
    assert lessons.iceberg.metadata_location == location
    assert not any(each.is_behind for each in lessons.catalog.lags([lessons.table]))
    DeltaTable(lessons.uri).delete()
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()


def test_a_publisher_that_was_killed_is_made_good_by_the_next(
    lessons: PublishedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it was killed before its commit, nothing is visible; after its commit, nothing is published twice."""
    commit = SqlCatalog.commit_table
    lessons.append(rows(4))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqlCatalog, "commit_table", killed)
        with pytest.raises(KeyboardInterrupt):
            lessons.publish()
    assert lessons.iceberg_rows()["n"].to_list() == [1, 2, 3]
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()
    lessons.append(rows(5))

    def unanswered(*arguments: Any) -> None:
        commit(*arguments)
        raise CommitStateUnknownException

    with monkeypatch.context() as patch:
        patch.setattr(SqlCatalog, "commit_table", unanswered)
        assert lessons.publish().version == 2
    lessons.require_equal_rows()
    assert len(lessons.iceberg.metadata.snapshots) == 3


def test_of_two_publishers_the_second_starts_over(lessons: PublishedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds that everything is published, and leaves no manifest behind."""
    commit, other = SqlCatalog.commit_table, open_iceberg("sql", lessons.table.storage)
    lessons.append(rows(4))
    first: list[Outcome] = []

    def overtaken(*arguments: Any) -> Any:
        if not first:
            first.append(Outcome.FAILED)
            first[0] = other.publish([lessons.table])[0].outcome
        return commit(*arguments)

    monkeypatch.setattr(SqlCatalog, "commit_table", overtaken)
    assert (lessons.publish().outcome, first) == (Outcome.UNCHANGED, [Outcome.CAUGHT_UP])
    lessons.require_equal_rows()
    named = {each.manifest_list.rpartition("/")[2] for each in lessons.iceberg.metadata.snapshots}
    assert {name for name in lessons.metadata_files() if name.startswith("snap-")} == named


def test_no_row_is_doubled_by_two_processes(lessons: PublishedTable) -> None:
    """Both publish while commits go on; each version has one snapshot at most, and the last one has every row."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=publish_often, args=(lessons.table.storage.root,)) for _ in range(2)]
    for process in processes:
        process.start()
    for n in range(4, 12):
        lessons.append(rows(n)) if n % 3 else lessons.replace(rows(n, n), day=1)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    lessons.publish()
    lessons.require_equal_rows()
    versions = [each.summary["delta-version"] for each in lessons.iceberg.metadata.snapshots if each.summary]
    assert len(versions) == len(set(versions))


def publish_often(root: str) -> None:
    """Publish the table of a lake again and again; each time it is published, or there is nothing to do."""
    lessons = published_table(root, rows(1))
    for _ in range(15):
        publication = lessons.publish()
        assert publication.outcome in {Outcome.CAUGHT_UP, Outcome.UNCHANGED}, publication


def test_a_log_that_was_cleaned_up_is_not_needed(lessons: PublishedTable) -> None:
    """The files are compared then."""
    lessons.append(rows(4))
    lessons.replace(rows(5), day=1)
    lessons.append(rows(6, day=2))
    DeltaTable(lessons.uri).create_checkpoint()
    for commit in list(Path(lessons.uri, "_delta_log").glob("*[0-2].json")):
        commit.unlink()
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()


def test_another_table_at_the_same_address_replaces_all(lessons: PublishedTable) -> None:
    """It has other files, and the first table's history is gone."""
    for n in range(4, 7):
        lessons.append(rows(n))
        lessons.publish()
    before = {each.manifest_list.rpartition("/")[2] for each in lessons.iceberg.metadata.snapshots}
    shutil.rmtree(Path(lessons.uri, "_delta_log"))
    lessons.append(rows(9))
    assert [each.published for each in lessons.catalog.lags([lessons.table])] == [None]
    assert lessons.publish().outcome is Outcome.REBUILT
    lessons.require_equal_rows()
    assert len(lessons.iceberg.metadata.snapshots) == 1
    assert before.isdisjoint(lessons.metadata_files())


def test_a_table_that_was_restored_from_a_backup_is_compared(lessons: PublishedTable, tmp_path: Path) -> None:
    """Another commit may have the same number."""
    backup = shutil.copytree(Path(lessons.uri), tmp_path / "backup")
    for version in (1, 2):
        lessons.append(rows(3 + version))
    lessons.publish()
    shutil.rmtree(Path(lessons.uri, "_delta_log"))
    shutil.copytree(backup / "_delta_log", Path(lessons.uri, "_delta_log"))
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()
    for n in (7, 8):
        lessons.append(rows(n))
    lessons.publish()
    shutil.rmtree(Path(lessons.uri, "_delta_log"))
    shutil.copytree(backup / "_delta_log", Path(lessons.uri, "_delta_log"))
    for n in (9, 10):
        lessons.append(rows(n))
    assert [each.published for each in lessons.catalog.lags([lessons.table])] == [None]
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()


def test_a_file_that_the_log_adds_again_is_one_file(lessons: PublishedTable) -> None:
    """Some writers do so for other statistics."""
    log = Path(lessons.uri, "_delta_log")
    action = next(line for line in next(log.glob("*0.json")).open() if '"add"' in line)
    (log / f"{1:020}.json").write_text(f'{{"commitInfo":{{"timestamp":1}}}}\n{action}')
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()


def test_what_others_commit_to_the_iceberg_table_is_taken_back(lessons: PublishedTable) -> None:
    """Delta is the source."""
    lessons.iceberg.delete("n = 2")
    assert lessons.iceberg_rows()["n"].to_list() == [1, 3]
    assert lessons.publish().outcome is Outcome.REBUILT
    lessons.require_equal_rows()


def test_new_columns_and_fields_have_ids_of_their_own(lessons: PublishedTable) -> None:
    """Old files have nulls for them, and old fields keep their ids. Comments come along."""
    lessons.append(rows(4, items=[{"price": Decimal("1.50")}], day=2), schema_mode="merge")
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()
    before = {name: lessons.iceberg.schema().find_field(name).field_id for name in ("n", "items.element.price")}
    delta = DeltaTable(lessons.uri)
    delta.alter.add_columns([Field("answer", PrimitiveType("string"), metadata={"comment": "a\nlong " + "ä" * 200})])
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()
    schema = lessons.iceberg.schema()
    assert {name: schema.find_field(name).field_id for name in before} == before
    doc = schema.find_field("answer").doc or ""
    assert doc.startswith("a long ä")
    assert len(doc.encode()) <= 255


@pytest.mark.parametrize(
    "value",
    [
        {"os": "ios", "screens": [{"width": 1}]},
        [{"price": 1.5, "tags": ["a", "b"]}],
        Decimal("12345678901234567890.123456"),
        date(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        float("nan"),
        b"\x00\xff",
        "\U0010ffff" * 40,
        True,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_every_type_are_read(tmp_path: Path, value: Any) -> None:
    """Their bounds fit, so that readers which skip files by them find them."""
    lessons = published_table(tmp_path, rows(1))
    lessons.append(rows(1, value=value))
    assert lessons.publish().reason == ""
    assert lessons.iceberg_rows()["value"].equals(pl.DataFrame(DeltaTable(lessons.uri).to_pyarrow_table())["value"])


def test_maps_and_short_numbers_are_read(tmp_path: Path) -> None:
    """Delta has them, Python has not."""
    lessons = published_table(tmp_path, rows(1))
    import pyarrow as pa  # noqa: PLC0415

    labels = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    wide = rows(1).to_arrow().append_column("labels", labels).append_column("short", pa.array([7], pa.int16()))
    write_deltalake(lessons.uri, wide, partition_by=["created_date"])
    assert lessons.publish().reason == ""
    records = lessons.iceberg.scan().to_arrow().to_pylist()
    assert [(each["labels"], each["short"]) for each in records] == [([("a", 1)], 7)]


def test_ids_that_the_log_gets_later_are_those_of_iceberg(lessons: PublishedTable) -> None:
    """A table of before is published with the ids that it would get; if it gets others, the metadata are rebuilt."""
    ids = {field.name: field.field_id for field in lessons.iceberg.schema().fields}
    delta = DeltaTable(lessons.uri)
    assert ids == field_ids(with_field_ids(delta.schema()))
    fields = [Field("event_uuid", PrimitiveType("string")), *delta.schema().fields]
    schema = with_field_ids(Schema(fields))
    set_schema(lessons, schema)
    assert lessons.publish().outcome is Outcome.REBUILT
    lessons.require_equal_rows()
    assert {field.name: field.field_id for field in lessons.iceberg.schema().fields} == field_ids(schema)
    set_schema(lessons, Schema([*schema.fields, Field("more", PrimitiveType("long"))]))
    assert lessons.publish().outcome is Outcome.CAUGHT_UP


def set_schema(lessons: PublishedTable, schema: Schema) -> None:
    """Commit another schema to a table, with nothing else."""
    log = Path(lessons.uri, "_delta_log")
    action = next(json.loads(line) for line in next(log.glob("*0.json")).open() if "metaData" in line)
    action["metaData"]["schemaString"] = schema.to_json()
    version = DeltaTable(lessons.uri).version() + 1
    info = {"commitInfo": {"timestamp": 1_735_689_600_000 + version, "operation": "CHANGE"}}
    (log / f"{version:020}.json").write_text(f"{json.dumps(info)}\n{json.dumps(action)}\n")


def test_a_type_is_widened_and_otherwise_refused_while_old_files_stay(lessons: PublishedTable) -> None:
    """Others go on; with all files replaced, the table is rebuilt."""
    finished = published_table(lessons.table.storage.root, rows(1), name="events/lesson_finished")
    fields = DeltaTable(lessons.uri).schema().fields
    set_schema(lessons, Schema([*fields, Field("short", PrimitiveType("integer"))]))
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    set_schema(lessons, Schema([*fields, Field("short", PrimitiveType("long"))]))
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    set_schema(lessons, Schema([*fields, Field("short", PrimitiveType("string"))]))
    finished.append(rows(1))
    failure, creation = lessons.catalog.publish([lessons.table, finished.table])
    assert creation.outcome is Outcome.CREATED
    assert failure.outcome is Outcome.FAILED
    assert "short (long, now string)" in failure.reason
    assert "x-column" in failure.reason
    write_deltalake(lessons.uri, rows(8, short="7"), mode="overwrite")
    assert lessons.publish().outcome is Outcome.REBUILT
    lessons.require_equal_rows()


def test_what_has_one_name_in_iceberg_is_refused(tmp_path: Path) -> None:
    """A column `a.b` beside an object `a` with a field `b`."""
    lessons = published_table(tmp_path, rows(1))
    lessons.append(rows(1, a={"b": 1}, **{"a.b": 2}))
    publication = lessons.publish()
    assert publication.outcome is Outcome.FAILED
    assert "a.b" in publication.reason
    assert "x-column" in publication.reason


def test_readers_open_only_files_that_may_have_what_they_look_for(tmp_path: Path) -> None:
    """By day, and by the time in the statistics, which Delta's writers cut to milliseconds."""
    lessons = published_table(tmp_path, rows(1))
    for day, n in ((1, 1), (1, 50), (2, 1)):
        lessons.append(rows(n, day=day))
    lessons.publish()

    def opened(condition: str) -> int:
        return len(list(lessons.iceberg.scan(condition).plan_files()))

    assert opened("created_date = '2025-01-01'") == 2
    assert opened("created_datetime > '2025-01-01T12:00:30+00:00' and created_date = '2025-01-01'") == 1
    assert opened("created_datetime = '2025-01-02T12:00:01.123456+00:00'") == 1
    assert opened("n is null") == 0


@pytest.mark.parametrize("moment", ["1969-12-31T23:59:59.999999+00:00", "9999-12-31T23:59:59.999999+00:00"])
def test_no_time_is_beyond_the_bounds_of_its_file(tmp_path: Path, moment: str) -> None:
    """Not the last one that there is, either."""
    lessons = published_table(tmp_path, rows(1))
    lessons.append(rows(1).with_columns(created_datetime=pl.lit(datetime.fromisoformat(moment))))
    lessons.publish()
    for comparison in ("=", ">=", "<="):
        assert lessons.iceberg.scan(f"created_datetime {comparison} '{moment}'").to_arrow().num_rows == 1


@pytest.mark.parametrize("column", ["text", "number", None])
def test_tables_with_other_partitions_are_published(tmp_path: Path, column: str | None) -> None:
    """Also where a value is no name of a folder, or null."""
    lessons = published_table(tmp_path, rows(1))
    how = {"partition_by": None if column is None else [column]}
    lessons.append(rows(1, text="a b/ä=%", number=2), **how)
    lessons.append(rows(2, text=None, number=None).cast({"text": pl.String, "number": pl.Int64}), **how)
    assert lessons.publish().reason == ""
    lessons.require_equal_rows()
    DeltaTable(lessons.uri).delete("n = 1")
    assert lessons.publish().reason == ""
    lessons.require_equal_rows()


def test_rows_that_a_writer_did_not_count_are_counted(lessons: PublishedTable) -> None:
    """In the footer of the file."""
    lessons.append(rows(4, 5))
    commit = Path(lessons.uri, "_delta_log", f"{1:020}.json")
    actions = [json.loads(line) for line in commit.open()]
    for action in actions:
        action.get("add", {}).pop("stats", None)
    commit.write_text("".join(f"{json.dumps(action)}\n" for action in actions))
    assert lessons.publish().reason == ""
    lessons.require_equal_rows()
