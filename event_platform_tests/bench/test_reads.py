"""What queries touch, seen from the other end of the S3 protocol: files of their type and days, and little of them."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import polars as pl
import pytest
from deltalake import DeltaTable
from pyarrow import compute

from bench.file_sizes import Files, files_left, files_that_came
from bench.object_server import ObjectServer, Touched, byte_range, object_server, touched
from bench.read_clients import DUCKDB_PACKAGES, Place, ask_lake_scan, ask_lake_sql, ask_scan_delta, clients
from bench.read_queries import Query, event_tables, in_a_day, over_days, some_event
from bench.rows import MissingError, peer_versions
from event_platform.lake import file_writer
from event_platform.lake.lake import Lake
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, World, event, noon

DAYS = [MONDAY + timedelta(number) for number in range(60)]
TABLE = "events/account_created"


@pytest.fixture(scope="module")
def sixty_days(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Sixty days of two types."""
    world = World(tmp_path_factory.mktemp("days"))
    for day in DAYS:
        lesson = event(f"l{day}", day, "lesson:started", user="usr_1")
        world.deliver(day, "a", *(event(f"a{day}{number}", day, plan="free") for number in range(3)), lesson)
    world.load(*DAYS)
    world.deduplicate(*DAYS)
    world.type(*DAYS)
    return world


@pytest.fixture(scope="module")
def large_day(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A day with some megabytes of one type and a little of another, in row groups of a few hundred rows."""
    world = World(tmp_path_factory.mktemp("day"))
    noise = random.Random(1)  # noqa: S311 - text that does not compress
    records = [
        {**event(f"a{number}", plan=f"{noise.getrandbits(4_000):x}"), "created_at": noon(MONDAY) - 43_200 + 20 * number}
        for number in range(4_300)
    ]
    lessons = [event(f"l{number}", name="lesson:started", user="usr_1") for number in range(5)]
    world.deliver(MONDAY, "a", *records, *lessons)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(file_writer, "_ROWS_PER_GROUP", 200)
        patched.setattr(file_writer, "_ROWS_PER_SORTED_GROUP", 200)
        world.load(MONDAY)
        world.deduplicate(MONDAY)
        world.type(MONDAY)
    return world


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[World], tuple[Place, ObjectServer]]]:
    """Serve a world's lake over the S3 protocol."""
    with ExitStack() as servers:

        def serve(world: World) -> tuple[Place, ObjectServer]:
            server = servers.enter_context(object_server(world.root, tmp_path / "requests"))
            return Place("s3://lake", server.options()), server

        yield serve


def ask_pyarrow(place: Place, query: Query) -> pl.DataFrame:
    """Ask as DuckDB does, where it is given the dataset of deltalake."""
    delta = DeltaTable(f"{place.root}/{query.tables[0]}", storage_options=dict(place.options))
    days = compute.field(query.column).isin(query.dates)
    return pl.DataFrame(pl.from_arrow(delta.to_pyarrow_dataset().to_table(filter=days)))


def files_of(world: World, table: str, dates: Sequence[date]) -> set[str]:
    """Return the objects that hold the rows of some days."""
    return {f"lake/{table}/{file.path}" for file in world.lake.table(table).snapshot().files(dates)}


@pytest.mark.parametrize("ask", [ask_scan_delta, ask_lake_scan, ask_lake_sql, ask_pyarrow])
def test_a_query_of_one_type_and_thirty_days_opens_the_files_of_these_days_and_no_other(
    sixty_days: World, served: Callable[[World], tuple[Place, ObjectServer]], ask: Callable[[Place, Query], object]
) -> None:
    """With polars, the platform's own scan and its SQL, and with what DuckDB gets."""
    place, server = served(sixty_days)
    query = over_days(TABLE, [TABLE], DAYS)[0]
    assert len(query.dates) == 30
    ask(place, query)
    measured = touched(server.requests())
    assert measured.files == files_of(sixty_days, TABLE, query.dates)
    assert measured.log_requests > 0


def test_statistics_in_the_log_tell_which_files_hold_an_hour(
    sixty_days: World, served: Callable[[World], tuple[Place, ObjectServer]]
) -> None:
    """Even without a filter on the day."""
    place, server = served(sixty_days)
    start = datetime(2025, 6, 20, 12, tzinfo=UTC)
    rows = pl.scan_delta(f"{place.root}/{TABLE}", storage_options=dict(place.options)).filter(
        pl.col("created_datetime").is_between(start, start + timedelta(hours=1))
    )
    assert rows.collect().height == 3
    assert touched(server.requests()).files == files_of(sixty_days, TABLE, [start.date()])


def ask_all(
    world: World, place: Place, server: ObjectServer, ask: Callable[[Place, Query], object]
) -> dict[str, Touched]:
    """Ask everything that there is about the day."""
    found = {}
    for query in in_a_day(TABLE, "lesson:started", "a7", MONDAY):
        server.requests()
        ask(place, query)
        found[query.key] = touched(server.requests())
        assert found[query.key].files <= files_of(world, query.tables[0], [MONDAY])
    return found


@pytest.mark.parametrize("ask", [ask_scan_delta, ask_lake_scan, ask_lake_sql])
def test_statistics_of_row_groups_leave_most_of_a_large_file_unread(
    large_day: World, served: Callable[[World], tuple[Place, ObjectServer]], ask: Callable[[Place, Query], object]
) -> None:
    """An hour of an event table, whose rows are in the order of time; a name of a table that is in their order."""
    place, server = served(large_day)
    found = ask_all(large_day, place, server, ask)
    whole = found["day"].bytes
    assert whole > 2e6
    assert found["hour"].bytes < whole / 4
    assert found["uuid"].bytes < whole / 4
    assert found["name"].bytes < whole / 4
    assert found["landed"].bytes < whole / 4


def test_everybody_who_can_ask_gets_the_same_rows(
    large_day: World, served: Callable[[World], tuple[Place, ObjectServer]]
) -> None:
    """From a folder and over the protocol; DuckDB too, where its packages are installed."""
    place, _ = served(large_day)
    folder = Place(str(large_day.root / "lake"), {})
    lake = Lake(Storage(folder.root))
    assert event_tables(lake) == [TABLE, "events/lesson_started"]
    name, event_uuid = some_event(lake, TABLE, MONDAY)
    expected = {"day": 4_300, "uuid": 1, "hour": 180, "name": 4_300, "landed": 4_300}
    with clients() as asks:
        for query in in_a_day(TABLE, name, event_uuid, MONDAY):
            answers = {who: (ask(folder, query).rows, ask(place, query).rows) for who, ask in asks.items()}
            assert answers == dict.fromkeys(asks, (expected[query.key],) * 2)
    try:
        peer_versions(*DUCKDB_PACKAGES)
    except MissingError as error:
        pytest.skip(f"polars asked, DuckDB did not: {error}")


def test_increments_by_the_hour_leave_a_bounded_number_of_files(world: World) -> None:
    """Increments are compacted, in every table."""
    world.sizing = Sizing(compaction_age=timedelta())
    for hour in range(20):
        world.deliver(MONDAY, f"{hour:02}", *(event(f"{hour}-{n}", plan="free") for n in range(3)), hour=hour)
        world.load(MONDAY)
        world.deduplicate(MONDAY)
        world.type(MONDAY, keys=["account_created"])
    lake = world.root / "lake"
    for table in ("raw_events", "deduplicated_events", TABLE):
        came, left = Files.of(files_that_came(lake, table)), Files.of(files_left(lake, table))
        assert came.count >= 20
        assert left.count <= world.sizing.files_per_compaction
        assert left.largest > came.median
    assert world.events("account_created").height == 60


def test_the_server_gives_what_is_asked_for_and_writes_it_down(tmp_path: Path) -> None:
    """Ranges, whole objects, metadata and missing objects; no file outside of its folder."""
    (tmp_path / "buckets/b/x").mkdir(parents=True)
    (tmp_path / "buckets/b/x/y").write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"not served")
    with object_server(tmp_path / "buckets", tmp_path / "log") as server:
        address = f"{server.endpoint}/b/x/y"
        assert urlopen(address).read() == b"0123456789"  # noqa: S310 - always our own http address
        assert urlopen(Request(address, headers={"Range": "bytes=2-4"})).read() == b"234"  # noqa: S310
        assert urlopen(Request(address, method="HEAD")).headers["Content-Length"] == "10"  # noqa: S310
        listing = urlopen(f"{server.endpoint}/b?list-type=2&prefix=x/").read()  # noqa: S310
        assert b"<Key>x/y</Key>" in listing
        for missing in ("b/x/z", "b/..%2F..%2Fsecret"):
            with pytest.raises(OSError, match="404"):
                urlopen(f"{server.endpoint}/{missing}")  # noqa: S310
        sizes = [(request.method, request.key, request.size) for request in server.requests()]
    assert sizes[:3] == [("GET", "b/x/y", 10), ("GET", "b/x/y", 3), ("HEAD", "b/x/y", 0)]
    assert sizes[3] == ("LIST", "b/x/", len(listing))


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, (0, 10)), ("bytes=0-3", (0, 4)), ("bytes=8-99", (8, 10)), ("bytes=4-", (4, 10)), ("bytes=-3", (7, 10))],
)
def test_a_range_is_what_http_says(header: str | None, expected: tuple[int, int]) -> None:
    """The last byte is in it; what is beyond the end is not."""
    assert byte_range(header, 10) == expected


def test_the_command_tells_what_it_takes(tmp_path: Path) -> None:
    """It has help, and rejects unknown arguments."""
    root = Path(__file__).parents[2]
    message = subprocess.run(
        [sys.executable, "-m", "bench.reads", "--help"], cwd=root, capture_output=True, text=True, check=True
    )
    assert "--day-events" in message.stdout
