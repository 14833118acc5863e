"""Catalogs of each kind: their definitions and names, and that no table of others is taken over."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from event_platform.events.errors import SettingError
from event_platform.pipeline.opening import open_lake
from event_platform.publishing import glue
from event_platform.publishing.glue import GlueDatabase, open_glue
from event_platform.publishing.iceberg import IcebergError, Outcome, file_io, open_iceberg
from event_platform.storage.storage import Storage
from event_platform_tests.support.faulty_s3 import FaultyS3
from event_platform_tests.support.published import PublishedTable, published_table, rows
from event_platform_tests.support.s3 import new_bucket, use_s3

pytestmark = pytest.mark.xdist_group("s3 requests")


@pytest.fixture
def lake(bucket: str) -> Storage:
    """An empty lake in a bucket."""
    return open_lake(f"s3://{bucket}/lake").storage


@pytest.fixture
def database(lake: Storage) -> Iterator[GlueDatabase]:
    """An empty database of Glue."""
    opened = open_glue(f"events_{lake.root.split('/')[2].partition('-')[2]}")
    opened.client.create_database(DatabaseInput={"Name": opened.name})
    yield opened
    opened.client.delete_database(Name=opened.name)


@pytest.fixture
def lessons(lake: Storage, database: GlueDatabase) -> PublishedTable:
    """A table with rows, and a catalog in Glue, in the database where Delta tables are registered."""
    lessons = published_table(lake, rows(1), "glue namespace=other")
    lessons.append(rows(1, 2))
    return replace(lessons, catalog=open_iceberg("glue", lake, database.name))


def test_in_glue_both_are_side_by_side(lessons: PublishedTable, database: GlueDatabase) -> None:
    """Under names of their own, each of its type."""
    assert database.register([lessons.table])[0].outcome is glue.Outcome.CREATED
    created = lessons.publish()
    assert (created.outcome, created.name) == (Outcome.CREATED, f"{database.name}.iceberg_events_lesson_started")
    lessons.append(rows(3))
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    lessons.require_equal_rows()
    tables = {each["Name"]: each for each in database.client.get_tables(DatabaseName=database.name)["TableList"]}
    types = {name: each["Parameters"]["table_type"] for name, each in tables.items()}
    assert types == {"events_lesson_started": "delta", "iceberg_events_lesson_started": "ICEBERG"}
    location = tables["iceberg_events_lesson_started"]["Parameters"]["metadata_location"]
    assert location == lessons.iceberg.metadata_location
    assert location.startswith(f"{lessons.uri}/_iceberg/")


def test_in_glue_neither_takes_the_table_of_the_other(lessons: PublishedTable, database: GlueDatabase) -> None:
    """A registration of Delta over an Iceberg table would turn it back, and the other way round."""
    own_name = replace(lessons, catalog=open_iceberg(f"glue namespace={database.name}", lessons.table.storage))
    assert own_name.publish().outcome is Outcome.CREATED
    registration = database.register([lessons.table])[0]
    assert registration.outcome is glue.Outcome.FAILED
    assert "Iceberg" in registration.reason
    own_name.require_equal_rows()
    database.client.delete_table(DatabaseName=database.name, Name="events_lesson_started")
    assert database.register([lessons.table])[0].outcome is glue.Outcome.CREATED
    publication = own_name.publish()
    assert publication.outcome is Outcome.FAILED
    assert "not an Iceberg table" in publication.reason
    assert database.register([lessons.table])[0].outcome is glue.Outcome.UNCHANGED


def test_a_table_of_another_lake_stays_as_it_is(lessons: PublishedTable, lake: Storage) -> None:
    """Two environments may use one database."""
    assert lessons.publish().outcome is Outcome.CREATED
    other = published_table(replace(lake, root=f"{lake.root}-2"), rows(1), "glue namespace=other")
    other.append(rows(7))
    publication = replace(other, catalog=replace(lessons.catalog, lake=other.table.storage)).publish()
    assert publication.outcome is Outcome.FAILED
    assert f"another table of this name, at {lessons.uri}" in publication.reason
    lessons.require_equal_rows()


def test_a_publication_to_a_bucket_takes_few_requests(
    proxy: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three are writes. What a process has written, it does not read again; another one reads two files more."""
    use_s3(monkeypatch, proxy.endpoint)
    through = open_lake(f"s3://{new_bucket()}/lake").storage
    lessons = published_table(through, rows(1), f"sql uri=sqlite:///{tmp_path}/catalog.db")
    for n in range(3):
        lessons.append(rows(n))
        lessons.publish()
    counts = []
    for n in (4, 5):
        lessons.append(rows(n))
        proxy.set()
        assert lessons.publish().outcome is Outcome.CAUGHT_UP
        counts.append(requests_of_iceberg(proxy))
        assert len(proxy.requests()) <= 12
        file_io._CACHE.clear()
    assert counts == [["PUT"] * 3, ["GET"] * 2 + ["PUT"] * 3]
    lessons.require_equal_rows()


def requests_of_iceberg(proxy: FaultyS3) -> list[str]:
    """Return the methods of the requests for metadata of Iceberg."""
    return [each.method for each in proxy.requests() if "_iceberg" in each.path]


def test_on_azure_engines_know_files_by_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lake's own address says no account."""
    lake = Storage("az://events/lake")
    with pytest.raises(SettingError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        file_io.location_of(lake)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acme")
    files = file_io.LakeFileIO(file_io.lake_properties(lake))
    location = files.location("events/a/_iceberg/b.avro")
    assert location == "abfss://events@acme.dfs.core.windows.net/lake/events/a/_iceberg/b.avro"
    assert files.uri(location) == "az://events/lake/events/a/_iceberg/b.avro"


def test_sqlite_is_in_a_folder_only(tmp_path: Path, lake: Storage) -> None:
    """In a bucket, the message says what to give."""
    assert (
        open_iceberg("sql", Storage(str(tmp_path))).name
        == f"sql sqlite:///{tmp_path}/_iceberg/catalog.db event_platform"
    )
    with pytest.raises(SettingError, match=r"SQLite needs a folder.*uri=postgresql.*glue.*rest"):
        open_iceberg("sql", lake)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", "not one of sql, rest, glue"),
        ("hive uri=thrift://h", "'hive' is not one of sql, rest, glue"),
        ("rest warehouse=w", "no address"),
        ("glue", "no database"),
        ("sql postgresql://h/d", "name=value"),
    ],
)
def test_settings_that_name_no_catalog_are_refused(tmp_path: Path, setting: str, message: str) -> None:
    """With what is expected."""
    with pytest.raises(SettingError, match=message):
        open_iceberg(setting, Storage(str(tmp_path)))


def test_a_catalog_that_does_not_answer_fails_each_table_without_showing_secrets(tmp_path: Path) -> None:
    """Nothing is raised by a publication, which comes after the commits."""
    setting = "rest uri=http://me:hidden@127.0.0.1:9/api credential=id:hidden warehouse=w"
    lessons = published_table(tmp_path, rows(1), setting)
    lessons.append(rows(1))
    publication = lessons.publish()
    assert (publication.outcome, publication.version) == (Outcome.FAILED, None)
    assert publication.reason
    with pytest.raises(IcebergError) as raised:
        lessons.catalog.lags([lessons.table])
    for text in (publication.reason, str(raised.value), lessons.catalog.name, repr(lessons.catalog)):
        assert "hidden" not in text


def test_metadata_that_are_damaged_fail_one_table(tmp_path: Path) -> None:
    """The others are published."""
    setting = f"sql uri=sqlite:///{tmp_path}/catalog.db"
    lessons = published_table(tmp_path / "lake", rows(1), setting)
    finished = published_table(tmp_path / "lake", rows(1), setting, name="events/lesson_finished")
    for table in (lessons, finished):
        table.append(rows(1))
        table.publish()
        table.append(rows(2))
    write(lessons.iceberg.metadata_location, "")
    outcomes = [each.outcome for each in lessons.catalog.publish([lessons.table, finished.table])]
    assert outcomes == [Outcome.FAILED, Outcome.CAUGHT_UP]
    finished.require_equal_rows()


def write(path: str, text: str) -> None:
    """Write a file that this process may have read."""
    Path(path).write_text(text)
    file_io._CACHE.clear()


def test_a_lake_that_was_moved_or_damaged_is_published_again(tmp_path: Path) -> None:
    """Its own catalog moves with it: entries for another location, or for nothing, are dropped."""
    lessons = published_table(tmp_path / "lake", rows(1))
    lessons.append(rows(1))
    assert lessons.publish().outcome is Outcome.CREATED
    write(lessons.iceberg.metadata_location, "")
    assert lessons.publish().outcome is Outcome.CREATED
    lessons.require_equal_rows()
    shutil.copytree(tmp_path / "lake", tmp_path / "copy")
    (tmp_path / "lake").rename(tmp_path / "moved")
    for place in ("copy", "moved"):
        again = published_table(tmp_path / place, rows(1))
        assert again.publish().outcome is Outcome.CREATED
        again.require_equal_rows()
