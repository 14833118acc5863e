"""Other readers of Delta see the tables as the platform does: they are the product."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from pyarrow import compute, parquet

from event_platform.lake.file_writer import write_file
from event_platform.lake.specs import TableSpec
from event_platform.lake.statistics import Statistics
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, copy_of, event, write_catalog

READERS: list[Callable[[str], pl.DataFrame]] = [
    lambda uri: pl.scan_delta(uri).collect(),
    lambda uri: pl.DataFrame(pl.from_arrow(DeltaTable(uri).to_pyarrow_table())),
]

#: The rows in which a column has a value: filtered while they are read, by what the log says of each file.
READERS_OF_SOME: list[Callable[[str, str, object], pl.DataFrame]] = [
    lambda uri, column, value: pl.scan_delta(uri).filter(pl.col(column) == value).collect(),
    lambda uri, column, value: pl.DataFrame(
        pl.from_arrow(DeltaTable(uri).to_pyarrow_dataset().to_table(filter=compute.field(column) == value))
    ),
]


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days, between which the catalog gained a column and a field of an object."""
    world = World(tmp_path_factory.mktemp("built"))
    full = event(
        "u1",
        name="lesson:started",
        user="usr_1",
        level=3,
        score=0.5,
        hard=True,
        due="2025-06-09T08:30:00+02:00",
        birthday="2000-02-29",
        device={"os": "ios", "version": 3},
        skills=["verbs", None],
        answers=[{"id": 1, "right": True}, {"id": 2}],
        unknown={"kept": [1]},
    )
    world.deliver(MONDAY, "a", full, event("u2", name="lesson:started"), event("u1"), event("u3", name="x"), "{broken")
    world.build(MONDAY)
    properties = SCHEMAS["lesson_started"]["properties"]
    device = {"type": "object", "properties": {**properties["device"]["properties"], "model": {"type": "string"}}}
    grown = {**properties, "device": device, "streak": {"type": "integer"}}
    write_catalog(world.root / "catalog", {"lesson_started": {**SCHEMAS["lesson_started"], "properties": grown}})
    late = event("u4", TUESDAY, name="lesson:started", device={"os": "web", "model": "x"}, streak=7)
    world.deliver(TUESDAY, "a", late)
    world.build(TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def tables(world: World) -> Iterator[Table]:
    """Yield every table of the lake that holds anything."""
    lake = world.lake
    yield from (lake.raw_events, lake.corrupt_events, lake.deduplicated_events, lake.duplicate_events)
    yield from (lake.unregistered_events, world.event_table("lesson_started"))


@pytest.mark.parametrize("read", READERS, ids=["polars", "pyarrow"])
def test_every_reader_sees_the_rows_that_the_platform_sees(built: World, read: Callable[[str], pl.DataFrame]) -> None:
    """Row for row and value for value, in every table."""
    for table in tables(built):
        own = table.snapshot().scan().collect()
        assert own.height > 0
        other = read(table.uri).select(own.columns)
        key = [name for name in ("event_uuid", "source_object", "source_offset") if name in own.columns]
        assert other.sort(key).to_dicts() == own.sort(key).to_dicts(), table.name


def test_tables_have_the_types_that_the_catalog_says(built: World) -> None:
    """As the log has them, not only as one reader takes them."""
    schema = json.loads(DeltaTable(built.event_table("lesson_started").uri).schema().to_json())
    types = {field["name"]: field["type"] for field in schema["fields"]}
    device, skills = types.pop("device"), types["skills"]
    assert [(field["name"], field["type"]) for field in device["fields"]] == [
        ("os", "string"),
        ("version", "long"),
        ("model", "string"),
    ]
    assert skills == {"type": "array", "elementType": "string", "containsNull": True}
    expected = {"level": "long", "score": "double", "hard": "boolean", "due": "timestamp", "birthday": "date"}
    assert {name: types[name] for name in expected} == expected


def test_the_grown_column_is_null_where_it_was_not_known(built: World) -> None:
    """And the other fields of an object that grew are untouched."""
    read = pl.scan_delta(built.event_table("lesson_started").uri).sort("event_uuid").collect()
    assert read["streak"].to_list() == [None, None, 7]
    assert read["device"].to_list() == [
        {"os": "ios", "version": 3, "model": None},
        None,
        {"os": "web", "version": None, "model": "x"},
    ]


@pytest.mark.parametrize("read", READERS_OF_SOME, ids=["polars", "pyarrow"])
def test_every_reader_finds_each_row_by_each_value(
    built: World, read: Callable[[str, str, object], pl.DataFrame]
) -> None:
    """Whatever the column: the log's bounds, or their lack, hide no row."""
    for table in tables(built):
        own = table.snapshot().scan().collect()
        for column, dtype in own.schema.items():
            for value in () if dtype.is_nested() else own[column].drop_nulls().unique().to_list():
                pieces_read = read(table.uri, column, value)
                assert pieces_read.height == (own[column] == value).sum(), (table.name, column, value)


LONG = "x" * 40


@pytest.mark.parametrize("text", ["short", LONG, LONG + "y", "x" * 32 + chr(sys.maxunicode) * 2, "ü" * 40, "🎓" * 40])
def test_a_text_is_found_however_long_it_is(world: World, text: str) -> None:
    """Bounds of long texts are shortened, and still hold them."""
    world.deliver(MONDAY, "a", event("u1", plan=text), event("u2", plan="a"))
    world.build(MONDAY)
    table = world.event_table("account_created")
    for read in READERS_OF_SOME:
        assert read(table.uri, "plan", text)["event_uuid"].to_list() == ["u1"]
    (file,) = table.snapshot().files()
    assert file.minimum["plan"] == "a"
    assert str(file.maximum["plan"]) >= text
    assert len(str(file.maximum["plan"])) <= 34


def test_numbers_beyond_json_leave_a_column_without_bounds() -> None:
    """And the log is one that can be read."""
    frames = [pl.DataFrame({"n": [1.0], "m": [1.0]}), pl.DataFrame({"n": [float("inf")], "m": [2.0]})]
    statistics = Statistics()
    for frame in frames:
        statistics.add(frame)
    assert json.loads(statistics.as_json())["maxValues"] == {"m": 2.0}


def test_values_that_repeat_are_read_through_a_dictionary_wherever_they_are(tmp_path: Path) -> None:
    """Also in objects and lists: without one they take three times as long to read."""
    rows = [
        {"n": n, "os": "ios", "device": {"os": "ios", "at": {"city": "b"}, "id": f"{n}"}, "skills": ["a", f"{n % 3}"]}
        for n in range(100)
    ]
    add = write_file(pl.DataFrame(rows), Table(TableSpec("t"), Storage(str(tmp_path))))
    group = parquet.ParquetFile(tmp_path / "t" / add.path).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert {column.path_in_schema for column in columns if "RLE_DICTIONARY" in column.encodings} == {
        "os",
        "device.os",
        "device.at.city",
        "skills.list.element",
    }
