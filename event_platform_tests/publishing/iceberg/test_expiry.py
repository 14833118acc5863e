"""Metadata stay few, and no snapshot is kept whose files a vacuum deletes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from event_platform.events.catalog import load_catalog
from event_platform.events.errors import TableError
from event_platform.lake.vacuum import VacuumedTable, vacuum, vacuum_all
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.iceberg import publish
from event_platform_tests.support.published import PublishedTable, published_table, rows
from event_platform_tests.support.world import SCHEMAS, write_catalog

NOTHING, ALL = timedelta(0), timedelta(days=30)


@pytest.fixture(scope="module")
def table_of_sixty(tmp_path_factory: pytest.TempPathFactory) -> PublishedTable:
    """A table with sixty published commits to five days, one of which replaces a day."""
    table_of_sixty = published_table(tmp_path_factory.mktemp("many"), rows(0))
    for n in range(60):
        day = n % 5 + 1
        table_of_sixty.replace(rows(n, day=day), day=day) if n == 30 else table_of_sixty.append(rows(n, day=day))
        assert table_of_sixty.publish().reason == ""
    return table_of_sixty


def test_metadata_are_few_after_many_commits(table_of_sixty: PublishedTable) -> None:
    """Twenty snapshots at most with two files each, small manifests that are merged, and the last metadata."""
    metadata, files = table_of_sixty.iceberg.metadata, table_of_sixty.metadata_files()
    assert len(metadata.snapshots) <= 20
    assert len(files) <= 2 * 20 + 20 + 11
    manifests = [
        each for each in metadata.snapshots[-1].manifests(table_of_sixty.target.io) if each.existing_files_count
    ]
    assert manifests
    named = {each.manifest_list.rpartition("/")[2] for each in metadata.snapshots}
    named |= {
        m.manifest_path.rpartition("/")[2]
        for each in metadata.snapshots
        for m in each.manifests(table_of_sixty.target.io)
    }
    assert {name for name in files if name.endswith(".avro")} == named
    table_of_sixty.require_equal_rows()


def test_each_snapshot_that_is_kept_can_be_read(table_of_sixty: PublishedTable) -> None:
    """As of its version."""
    for snapshot in table_of_sixty.iceberg.metadata.snapshots:
        assert snapshot.summary is not None
        assert str(table_of_sixty.iceberg_rows(snapshot.snapshot_id).height) == snapshot.summary["total-records"]


@pytest.fixture
def lessons(tmp_path: Path) -> PublishedTable:
    """A table with three published versions, the first of which has a file that is replaced."""
    lessons = published_table(tmp_path / "lake", rows(1))
    for n in (1, 2, 3):
        lessons.replace(rows(n), day=1) if n == 2 else lessons.append(rows(n, day=n))
        lessons.publish()
    return lessons


def vacuum_lake(lessons: PublishedTable, keep: timedelta, *, dry_run: bool = False) -> VacuumedTable:
    """Vacuum the lake of a table, with its Iceberg catalog; return what became of the table."""
    lake, catalog = (
        open_lake(lessons.table.storage.root),
        load_catalog(
            write_catalog(Path(lessons.table.storage.root, "catalog"), {"lesson_started": SCHEMAS["lesson_started"]})
        ),
    )

    def expire(table: Any, time: timedelta) -> list[str]:
        return lessons.catalog.expire(table, time, dry_run=dry_run)

    results = vacuum_all(lake, catalog, keep, dry_run=dry_run, expire=expire)
    return next(each for each in results if each.table.name == lessons.table.name)


def test_a_vacuum_expires_snapshots_before_it_deletes_their_files(lessons: PublishedTable) -> None:
    """What is kept can be read, and metadata stay where they are."""
    before = lessons.metadata_files()
    assert len(vacuum_lake(lessons, NOTHING, dry_run=True).files) > len(vacuum_lake(lessons, ALL, dry_run=True).files)
    assert lessons.metadata_files() == before
    assert vacuum_lake(lessons, ALL).files == []
    assert len(lessons.iceberg.metadata.snapshots) == 3
    vacuumed = vacuum_lake(lessons, NOTHING)
    assert vacuumed.error is None
    assert {Path(name).suffix for name in vacuumed.files} == {".avro", ".parquet"}
    assert len(lessons.iceberg.metadata.snapshots) == 1
    assert lessons.iceberg.metadata_location.rpartition("/")[2] in lessons.metadata_files()
    lessons.require_equal_rows()
    lessons.append(rows(9))
    assert lessons.publish().reason == ""
    lessons.require_equal_rows()


def test_deltas_vacuum_spares_the_metadata(lessons: PublishedTable) -> None:
    """Without a catalog too: it knows nothing of them."""
    before = lessons.metadata_files()
    vacuum(lessons.table, NOTHING, dry_run=False)
    assert lessons.metadata_files() == before
    lessons.require_equal_rows()


def test_what_killed_publishers_left_is_deleted(lessons: PublishedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata that lost against others too."""

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    before = lessons.metadata_files()
    lessons.append(rows(4))
    with monkeypatch.context() as patch:
        patch.setattr(SqlCatalog, "commit_table", killed)
        with pytest.raises(KeyboardInterrupt):
            lessons.publish()
    orphans = lessons.metadata_files() - before
    assert len(orphans) == 2
    assert vacuum_lake(lessons, ALL).files == []
    lessons.append(rows(5))  # time is counted back from the last commit
    assert orphans <= {Path(name).name for name in vacuum_lake(lessons, NOTHING).files}
    assert orphans.isdisjoint(lessons.metadata_files())
    lessons.require_equal_rows()


def test_a_table_that_cannot_be_published_is_not_vacuumed(
    lessons: PublishedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its readers need what Delta has replaced. One that was never published is vacuumed."""
    lessons.replace(rows(7, day=3), day=3)

    def fail_layout(*_: Any) -> None:
        raise TableError("lessons: cannot be published")

    monkeypatch.setattr(publish, "layout_of", fail_layout)
    monkeypatch.setattr(publish._Publisher, "_current_layout", lambda _: None)
    vacuumed = vacuum_lake(lessons, NOTHING)
    assert "cannot be published" in str(vacuumed.error)
    assert lessons.iceberg_rows()["n"].to_list() == [2, 3]
    lessons.catalog._opened.catalog.drop_table(lessons.target.identifier)
    assert vacuum_lake(lessons, NOTHING).files
