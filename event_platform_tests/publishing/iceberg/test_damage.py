"""Lost or damaged metadata, after a rule of the bucket or a power cut, are written again from the Delta table."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from event_platform.events.errors import StorageError
from event_platform.publishing.iceberg import Outcome, Publication, file_io
from event_platform.storage.storage import Storage
from event_platform_tests.support.command import call
from event_platform_tests.support.iceberg_readers import Store, by_polars
from event_platform_tests.support.published import PublishedTable, published_table, rows

LISTS, MANIFESTS = "snap-*.avro", "*-m0.avro"

DAMAGES: dict[str, Callable[[Path], object]] = {
    "lost": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
}


@pytest.fixture
def lessons(tmp_path: Path) -> PublishedTable:
    """A table with two published commits."""
    lessons = published_table(tmp_path / "lake", rows(1))
    for n in (1, 2):
        lessons.append(rows(n))
        lessons.publish()
    return lessons


def damage(lessons: PublishedTable, pattern: str, kind: str) -> None:
    """Damage files of the metadata, and clear the caches of this process."""
    for path in (Path(lessons.uri) / "_iceberg").glob(pattern):
        DAMAGES[kind](path)
    file_io._CACHE.clear()


def verify(lessons: PublishedTable) -> Publication:
    """Publish the table as the command does."""
    (publication,) = lessons.catalog.publish([lessons.table], verify=True)
    return publication


def require_readable(lessons: PublishedTable) -> None:
    """Compare the rows that pyiceberg and polars read without the platform."""
    lessons.require_equal_rows()
    (frame,) = by_polars([lessons.iceberg.metadata_location], Store(), Path())
    assert frame.sort("n").select("n").to_dicts() == lessons.delta_rows().select("n").to_dicts()


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("pattern", [LISTS, MANIFESTS])
def test_what_is_published_is_verified_by_the_command(lessons: PublishedTable, pattern: str, kind: str) -> None:
    """Only the command reads the manifests of a table that is up to date or only got more files."""
    damage(lessons, pattern, kind)
    assert lessons.publish().outcome is Outcome.UNCHANGED
    assert verify(lessons).outcome is Outcome.REBUILT
    require_readable(lessons)
    damage(lessons, pattern, kind)
    lessons.append(rows(5))
    assert verify(lessons).outcome is Outcome.REBUILT
    require_readable(lessons)
    assert verify(lessons).outcome is Outcome.UNCHANGED
    lessons.append(rows(3))
    assert lessons.publish().outcome is Outcome.CAUGHT_UP
    require_readable(lessons)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("pattern", [LISTS, MANIFESTS])
def test_a_run_rebuilds_what_it_cannot_read(lessons: PublishedTable, pattern: str, kind: str) -> None:
    """It reads manifests if files are replaced; before a vacuum it reads all of them."""
    damage(lessons, pattern, kind)
    lessons.replace(rows(3, 4), day=1)
    assert lessons.publish().outcome is Outcome.REBUILT
    require_readable(lessons)
    damage(lessons, pattern, kind)
    lessons.catalog.expire(lessons.table, timedelta(0), dry_run=False)
    require_readable(lessons)


def test_a_store_that_does_not_answer_is_no_damage(lessons: PublishedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table stays as it is."""
    location, storage_read = lessons.iceberg.metadata_location, Storage.read

    def failing(self: Storage, uri: str, *more: Any) -> bytes:
        if uri.endswith(".avro"):
            raise StorageError("it does not answer")
        return storage_read(self, uri, *more)

    file_io._CACHE.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "read", failing)
        publication = verify(lessons)
    assert (publication.outcome, "it does not answer" in publication.reason) == (Outcome.FAILED, True)
    assert lessons.iceberg.metadata_location == location
    assert verify(lessons).outcome is Outcome.UNCHANGED


def test_a_catalog_that_is_no_database_is_named(lessons: PublishedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the remedy: delete the file, and everything is published again."""
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", str(lessons.table.storage.root))
    monkeypatch.setenv("EVENT_PLATFORM_ICEBERG", "sql")
    assert "1 unchanged" in call("publish", "events/lesson_started", code=0)
    database = Path(lessons.table.storage.root) / "_iceberg" / "catalog.db"
    for path in database.parent.glob("catalog.db*"):
        path.write_bytes(b"no database")
    output = " ".join(call("publish", "events/lesson_started", code=1).split())
    assert "file is not a database. Delete it" in output
    for path in database.parent.glob("catalog.db*"):
        path.unlink()
    assert "1 created" in call("publish", "events/lesson_started", code=0)
