"""Readers of Iceberg see the rows that readers of Delta see, in the same files, and open what they need of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from event_platform.lake.lake import Lake
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.iceberg import Outcome, open_iceberg
from event_platform_tests.support.ceph import Ceph
from event_platform_tests.support.iceberg_lake import fill
from event_platform_tests.support.iceberg_readers import READERS, READERS_PYTHON, Store
from event_platform_tests.support.iceberg_rows import SHOWN, assert_same_rows, same
from event_platform_tests.support.rest_catalog import rest_catalog
from event_platform_tests.support.s3 import (
    ACCESS_KEY,
    REGION,
    SECRET_KEY,
    SESSION_TOKEN,
    client,
    new_bucket,
    put,
    use_s3,
)
from event_platform_tests.support.world import World

NAMES = [
    "raw_events",
    "corrupt_events",
    "deduplicated_events",
    "duplicate_events",
    "unregistered_events",
    "quality_report",
    "events/account_created",
    "events/lesson_started",
    "events/payment_order_completed",
    "own/strange",
    "own/old",
    "own/whole",
]


@dataclass(frozen=True)
class Published:
    """A lake, its catalog, and what the tables hold by their names, as Delta has it."""

    lake: Lake
    catalog: Catalog
    rows: dict[str, pl.DataFrame]
    store: Store = field(default_factory=Store)

    def locations(self, names: Iterable[str]) -> list[str]:
        """Return where the metadata of tables are."""
        tables = [self.catalog.load_table(("event_platform", name.replace("/", "_"))) for name in names]
        return [table.metadata_location.removeprefix("file://") for table in tables]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A lake in a folder."""
    world = World(tmp_path_factory.mktemp("iceberg"))
    fill(world)
    lake = world.lake
    published = open_iceberg("sql", lake.storage).publish([lake.table(name) for name in NAMES])
    assert [(each.outcome, each.reason) for each in published] == [(Outcome.CREATED, "")] * len(NAMES)
    # As another process opens it, which has nothing of the platform.
    catalog = load_catalog("event_platform", type="sql", uri=f"sqlite:///{lake.storage.root}/_iceberg/catalog.db")
    return Published(lake, catalog, {name: pl.scan_delta(lake.table(name).uri).collect() for name in NAMES})


def in_bucket(folder: Published, bucket: str, setting: str, store: Store) -> Published:
    """Publish a copy of the lake, in a bucket of a store."""
    root = Path(folder.lake.storage.root)
    for path in root.rglob("*"):
        if path.is_file() and "_iceberg" not in path.parts:
            put(bucket, f"lake/{path.relative_to(root).as_posix()}", path.read_bytes())
    lake = open_lake(f"s3://{bucket}/lake")
    iceberg = open_iceberg(setting, lake.storage)
    published = iceberg.publish([lake.table(name) for name in NAMES])
    assert [(each.outcome, each.reason) for each in published] == [(Outcome.CREATED, "")] * len(NAMES)
    catalog = load_catalog(
        "event_platform", type=iceberg.setting.kind, **iceberg.setting.properties, **store.properties
    )
    return Published(lake, catalog, folder.rows, store)


@pytest.fixture(scope="module")
def on_s3(folder: Published, s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A lake on S3, and a catalog that is reached by REST."""
    store = Store(s3_endpoint, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, REGION)
    served = rest_catalog(tmp_path_factory.mktemp("rest"), **store.properties)
    with pytest.MonkeyPatch.context() as patch, served as address:
        use_s3(patch, s3_endpoint)
        yield in_bucket(folder, new_bucket(), f"rest uri={address}", store)


@pytest.fixture(scope="module")
def on_ceph(folder: Published, ceph_store: Ceph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A lake on a store that checks signatures, and a catalog in a database."""
    store = Store(ceph_store.endpoint, ceph_store.access_key, ceph_store.secret_key, region="us-east-1")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ceph_store.variables.items():
            patch.setenv(name, value)
        client().create_bucket(Bucket="readers")
        yield in_bucket(folder, "readers", f"sql uri=sqlite:///{tmp_path_factory.mktemp('sql')}/catalog.db", store)


def check_reader(published: Published, reader: str, folder: Path) -> None:
    """Read every table, and compare all of its rows with those that Delta has."""
    if reader == "daft" and not READERS_PYTHON.exists():
        pytest.skip(f"no daft: {READERS_PYTHON} is missing; make readers")
    # daft finds columns by their ids alone, and nothing in files of earlier releases.
    names = [name for name in published.rows if (reader, name) != ("daft", "own/old")]
    found = READERS[reader](published.locations(names), published.store, folder)
    for name, frame in zip(names, found, strict=True):
        assert (published.rows[name].height > 0) is (name != "events/payment_order_completed"), name
        assert_same_rows(frame, published.rows[name], SHOWN.get(reader, same))


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_sees_the_rows_of_delta(folder: Published, reader: str, tmp_path: Path) -> None:
    """Of every table, and of every type: what is else is known, and said where it is converted."""
    check_reader(folder, reader, tmp_path)


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_sees_them_on_s3_by_a_rest_catalog(on_s3: Published, reader: str, tmp_path: Path) -> None:
    """The catalog is asked over HTTP, and the files are read from the bucket."""
    check_reader(on_s3, reader, tmp_path)


@pytest.mark.xdist_group("chain")
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_sees_them_where_signatures_are_checked(on_ceph: Published, reader: str, tmp_path: Path) -> None:
    """Also names with characters that an address escapes."""
    check_reader(on_ceph, reader, tmp_path)
