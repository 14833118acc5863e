"""Readers of Iceberg and Delta see the same rows in the same files, and Iceberg readers open only what they need."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.expressions import BooleanExpression, GreaterThan, GreaterThanOrEqual, Reference
from pyiceberg.expressions.literals import DecimalLiteral

from event_platform.lake.lake import Lake
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.iceberg import Outcome, open_iceberg
from event_platform_tests.support.ceph import Ceph
from event_platform_tests.support.extensions import connect_with
from event_platform_tests.support.faulty_s3 import FaultyS3
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
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World

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


DAYS = (MONDAY, TUESDAY, WEDNESDAY)

#: Those that are read from buckets as well.
IN_BUCKETS = ["deduplicated_events", "events/lesson_started", "own/strange", "own/old"]


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
    for path in (path for name in IN_BUCKETS for path in (root / name).rglob("*")):
        if path.is_file() and "_iceberg" not in path.parts:
            put(bucket, f"lake/{path.relative_to(root).as_posix()}", path.read_bytes())
    lake = open_lake(f"s3://{bucket}/lake")
    iceberg = open_iceberg(setting, lake.storage)
    published = iceberg.publish([lake.table(name) for name in IN_BUCKETS])
    assert [(each.outcome, each.reason) for each in published] == [(Outcome.CREATED, "")] * len(IN_BUCKETS)
    catalog = load_catalog(
        "event_platform", type=iceberg.setting.kind, **iceberg.setting.properties, **store.properties
    )
    return Published(lake, catalog, {name: folder.rows[name] for name in IN_BUCKETS}, store)


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
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        client().create_bucket(Bucket="readers")
        yield in_bucket(folder, "readers", f"sql uri=sqlite:///{tmp_path_factory.mktemp('sql')}/catalog.db", store)


def check_reader(published: Published, reader: str, folder: Path) -> None:
    """Read every table, and compare all of its rows with those that Delta has."""
    if reader == "daft" and not READERS_PYTHON.exists():
        pytest.skip(f"no daft: {READERS_PYTHON} is missing; make readers")
    # daft finds columns by their ids alone, and nothing in files of earlier releases.
    names = [name for name in published.rows if (reader, name) != ("daft", "own/old")]
    frames = READERS[reader](published.locations(names), published.store, folder)
    for name, frame in zip(names, frames, strict=True):
        assert (published.rows[name].height > 0) is (name != "events/payment_order_completed"), name
        assert_same_rows(frame, published.rows[name], SHOWN.get(reader, same))


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_sees_the_rows_of_delta(folder: Published, reader: str, tmp_path: Path) -> None:
    """For every table and type; known deviations are noted at their conversion."""
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


def plan(published: Published, name: str, condition: str | BooleanExpression) -> set[str]:
    """Return the files that pyiceberg would open, below the table."""
    table = published.catalog.load_table(("event_platform", name.replace("/", "_")))
    location = f"{table.location()}/"
    return {task.file.file_path.removeprefix(location) for task in table.scan(row_filter=condition).plan_files()}


def test_a_day_and_a_time_are_found_in_the_metadata(folder: Published) -> None:
    """Also the time, which is no partition: by its bounds in each file. Nothing else is opened."""
    name = "deduplicated_events"
    files = {path: file for file in folder.lake.table(name).snapshot().files() for path in [file.path]}
    monday = {path for path, file in files.items() if file.partition == MONDAY}
    assert 0 < len(monday) < len(files) == len(plan(folder, name, "event_name != ''"))
    assert plan(folder, name, f"created_date = '{MONDAY}'") == monday
    assert plan(folder, name, f"created_datetime < '{TUESDAY}T00:00:00+00:00'") == monday
    assert plan(folder, name, f"created_datetime > '{TUESDAY}T13:00:00+00:00'") == set()
    largest, name = Decimal("1234567890123456789012345678.0123456789"), "own/strange"
    term, value = Reference("wide"), DecimalLiteral(largest)
    at_least, above = GreaterThanOrEqual(term=term, value=value), GreaterThan(term=term, value=value)
    assert len(plan(folder, name, at_least)) == len(DAYS)
    assert plan(folder, name, above) == set()


def opened(proxy: FaultyS3, query: Callable[[], object]) -> set[str]:
    """Return the days of the data files that a query reads from a bucket."""
    proxy.set()
    query()
    paths = {each.path.partition("?")[0] for each in proxy.requests() if each.method == "GET"}
    return {path.split("/")[-2] for path in paths if path.endswith(".parquet")}


def test_readers_open_the_files_of_the_day_or_time_that_they_are_asked_for(on_s3: Published, proxy: FaultyS3) -> None:
    """As the store sees it: a request for no other file."""
    store = replace(on_s3.store, endpoint=proxy.endpoint)
    (location,) = on_s3.locations(["own/strange"])
    scan = pl.scan_iceberg(location, storage_options=store.properties, reader_override="native")
    day, later = pl.col("created_date") == TUESDAY, pl.col("select") > 2**40
    with connect_with("avro", "httpfs", "iceberg") as connection, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
        connection.execute(f"create secret (type s3, {store.of_duckdb})")
        by_duckdb = f"from iceberg_scan('{location}') select \"select\" where "
        assert opened(proxy, lambda: scan.select("select").collect()) == {f"created_date={each}" for each in DAYS}
        for query in (
            lambda: scan.filter(day).select("select").collect(),
            lambda: connection.execute(f"{by_duckdb} created_date = '{TUESDAY}'").fetchall(),
        ):
            assert opened(proxy, query) == {f"created_date={TUESDAY}"}
        for query in (
            lambda: scan.filter(later).select("select").collect(),
            lambda: connection.execute(f'{by_duckdb} "select" > {2**40}').fetchall(),
        ):
            assert opened(proxy, query) == set()


def test_duckdb_finds_the_tables_by_the_catalog_itself(on_s3: Published) -> None:
    """A client of REST that has nothing to do with pyiceberg."""
    with connect_with("avro", "httpfs", "iceberg") as connection:
        connection.execute(f"create secret (type s3, {on_s3.store.of_duckdb})")
        options = "type iceberg, authorization_type 'none', access_delegation_mode 'none'"
        connection.execute(f"attach '' as lake ({options}, endpoint '{on_s3.catalog.properties['uri']}')")
        for name, expected in on_s3.rows.items():
            frame = connection.execute(f"from lake.event_platform.{name.replace('/', '_')}").pl()
            assert_same_rows(frame, expected)
