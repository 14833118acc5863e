"""Field ids: each column, field, element, key and value has one, in the log and in the files, and keeps it."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.schema import Field, PrimitiveType
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.errors import TableError
from event_platform.lake.field_ids import FIELD_ID, NESTED_IDS, field_ids, with_field_ids
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import remove_action
from event_platform.lake.schemas import merged, to_delta
from event_platform.lake.table_commit import ConflictError, TableCommit
from event_platform.lake.tables import Table
from event_platform.pipeline.own_tables import write_frame
from event_platform.pipeline.sizing import Sizing
from event_platform_tests.support.extensions import connect_with
from event_platform_tests.support.field_ids import forget_ids, ids_in_file, ids_in_log
from event_platform_tests.support.tables import (
    SCHEMA,
    append_files,
    lessons_table,
    read_numbers,
    rebuild_numbers,
    write_numbers,
)
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, event, write_catalog

LONG = PrimitiveType("long")

NESTED = pl.Schema(
    {
        "created_date": pl.Date(),
        "n": pl.Int64(),
        "a.b": pl.Decimal(12, 2),
        "device": pl.Struct({"os": pl.String(), "at": pl.Struct({"city": pl.String()})}),
        "items": pl.List(pl.Struct({"price": pl.Float64(), "tags": pl.List(pl.String())})),
        "labels": pl.Map(pl.String(), pl.List(pl.Struct({"x": pl.Int64()}))),
    }
)

#: Of a schema such as NESTED, those that a field of its own does not name are in the metadata of the one around them.
IDS = [
    "created_date",
    "n",
    "a.b",
    "device",
    "device.os",
    "device.at",
    "device.at.city",
    "items",
    "items.element",
    "items.element.price",
    "items.element.tags",
    "items.element.tags.element",
    "labels",
    "labels.key",
    "labels.value",
    "labels.value.element",
    "labels.value.element.x",
]


def test_each_field_has_an_id_by_the_name_that_iceberg_has_for_it() -> None:
    """From 1, in the order of the schema; what is in the schema beside them stays."""
    schema = with_field_ids(to_delta(NESTED, {"n": "a number"}))
    assert field_ids(schema) == {name: number for number, name in enumerate(IDS, 1)}
    by_name = {field.name: field.metadata for field in schema.fields}
    assert by_name["n"] == {"comment": "a number", FIELD_ID: 2}
    assert json.loads(by_name["labels"][NESTED_IDS]) == {"key": 14, "value": 15, "value.element": 16}
    assert field_ids(Schema([Field("a", LONG)])) == {}


LEAVES = st.sampled_from([pl.Int64(), pl.String(), pl.Decimal(9, 2)])
NAMES = st.sampled_from(["a", "b", "element", "key", "a.b", "ü"])


def objects(fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return types that are made of others."""
    named = st.dictionaries(NAMES, fields, min_size=1, max_size=3)
    return named.map(pl.Struct) | fields.map(pl.List) | fields.map(lambda value: pl.Map(pl.String(), value))


DEFINITIONS = st.dictionaries(NAMES, st.recursive(LEAVES, objects, max_leaves=4), min_size=1, max_size=4)
CHANGES = st.lists(st.tuples(DEFINITIONS, st.sampled_from(["", "a comment"]), st.booleans()), min_size=2, max_size=6)


@given(CHANGES)
def test_whatever_a_schema_becomes_ids_are_unique_and_stay_and_come_once(changes: list[tuple[Any, str, bool]]) -> None:
    """Definitions gain and lose columns and fields at any depth; others write the log in between, as delta-rs does."""
    stored, given_before = Schema([]), dict[tuple[str, ...], int]()
    for definition, comment, is_foreign in changes:
        try:
            new = merged("t", stored, to_delta(pl.Schema(definition), {"a": comment}))
        except TableError:  # another type under a name: refused, and nothing is written
            continue
        assert merged("t", new, to_delta(pl.Schema(definition), {"a": comment})) == new
        stored = with_field_ids(new, stored)
        assert with_field_ids(stored) == with_field_ids(stored, stored) == stored
        ids = raw_ids(json.loads(stored.to_json()))
        assert given_before.items() <= ids.items()
        assert len(set(ids.values())) == len(ids)
        assert None not in ids.values()
        added = {number for path, number in ids.items() if path not in given_before}
        assert min(added, default=10**9) > max(given_before.values(), default=0)
        given_before = ids
        stored = Schema.from_json(as_others_write(stored.to_json()) if is_foreign else stored.to_json())


def raw_ids(struct: Any, parent: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """Read the ids from the JSON of a schema, with nothing of the platform."""
    ids: dict[tuple[str, ...], int] = {}
    for field in struct["fields"]:
        path = (*parent, field["name"])
        ids[path] = field["metadata"].get(FIELD_ID)
        nested = json.loads(field["metadata"].get(NESTED_IDS, "{}"))
        ids |= raw_nested(field["type"], path, (), nested)
    return ids


def raw_nested(dtype: Any, path: tuple[str, ...], below: tuple[str, ...], nested: Any) -> dict[tuple[str, ...], int]:
    """Read the ids below a field."""
    if isinstance(dtype, str):
        return {}
    if dtype["type"] == "struct":
        return raw_ids(dtype, (*path, *below))
    ids: dict[tuple[str, ...], int] = {}
    for key, name in (("elementType", "element"), ("keyType", "key"), ("valueType", "value")):
        if key in dtype:
            deeper = (*below, name)
            ids |= {(*path, *deeper): nested.get(".".join(deeper))} | raw_nested(dtype[key], path, deeper, nested)
    return ids


def as_others_write(schema: str) -> str:
    """Return a schema as delta-rs writes it where it adds columns: metadata are texts then."""
    document = json.loads(schema, object_hook=lambda each: {k: str(v) if k == FIELD_ID else v for k, v in each.items()})
    return json.dumps(document)


def test_ids_of_others_that_are_none_or_not_unique_are_given_again() -> None:
    """Spark copies the metadata of a column to derived ones; the first one keeps the id."""
    ids: dict[str, Any] = {"a": 7, "b": "7", "c": "x", "d": 0, "e": True, "f": 2**31}
    fields = [Field(name, LONG, metadata={FIELD_ID: value}) for name, value in ids.items()]
    schema = Schema([*fields, Field("g", LONG, metadata={NESTED_IDS: "[}"}), Field("h", LONG)])
    assert field_ids(with_field_ids(schema)) == {"a": 7, "b": 8, "c": 9, "d": 10, "e": 11, "f": 12, "g": 13, "h": 14}


ROWS: list[dict[str, Any]] = [
    {
        "n": 1,
        "a.b": Decimal("1.50"),
        "device": {"os": "ios", "at": {"city": "Bonn"}},
        "items": [{"price": 1.5, "tags": ["x", None]}, None],
        "labels": {"k": [{"x": 1}], "none": None},
    },
    {"n": 2, "a.b": None, "device": None, "items": None, "labels": None},
]


def write(table: Table, *rows: dict[str, Any], columns: pl.Schema = NESTED) -> Path:
    """Append a file with these rows, and return where it is."""
    stored = {name: dtype for name, dtype in columns.items() if name != "created_date"}
    target = table.snapshot_to_write()
    add = write_file(pl.DataFrame(rows, schema=stored), target.table_to_write, MONDAY)
    TableCommit(target).append([MONDAY], [add], {MONDAY: target.version + 1}).commit()
    return Path(table.uri) / add.path


def by_duckdb(query: str, table: Table) -> pl.DataFrame:
    """Read a table with DuckDB."""
    with connect_with("delta") as connection:
        return connection.execute(query.format(table.uri)).pl()


READERS: dict[str, Callable[[Table], pl.DataFrame]] = {
    "platform": lambda table: table.snapshot().scan().collect(),
    "polars": lambda table: pl.scan_delta(table.uri).collect(),
    "delta-rs": lambda table: pl.DataFrame(pl.from_arrow(DeltaTable(table.uri).to_pyarrow_table())),
    "DuckDB": lambda table: by_duckdb("from delta_scan('{}')", table),
    "DuckDB by files": lambda table: by_duckdb(
        "from read_parquet('{}/*/*.parquet', union_by_name=true, hive_partitioning=true)", table
    ),
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table with a file of an earlier release, one with ids, and one after columns and fields came at any depth."""
    root = tmp_path_factory.mktemp("grown")
    table = lessons_table(root, NESTED)
    table.create_log()
    forget_ids(table)
    old = table.snapshot()
    stored = {name: dtype for name, dtype in NESTED.items() if name != "created_date"}
    add = write_file(pl.DataFrame(ROWS, schema=stored), table, MONDAY)
    TableCommit(old).append([MONDAY], [add], {MONDAY: 1}).commit()
    assert set(ids_in_file(Path(table.uri) / add.path).values()) == {None}
    write(table, *ROWS)
    item = pl.Struct({"price": pl.Float64(), "tags": pl.List(pl.String()), "count": pl.Int64()})
    device = pl.Struct({"at": pl.Struct({"city": pl.String(), "zip": pl.String()}), "os": pl.String()})
    columns = pl.Schema({"new": pl.List(pl.Int64()), **NESTED, "device": device, "items": pl.List(item)})
    more = {**ROWS[0], "new": [1], "device": {"at": {"city": "Köln", "zip": "5"}, "os": "web"}}
    more["items"] = [{"price": 2.0, "tags": [], "count": 4}]
    write(lessons_table(root, columns), more, columns=columns)
    return lessons_table(root, columns)


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_reads_files_with_ids_and_without(grown: Table, reader: str) -> None:
    """By the names of the columns, also where another file has them in another order."""
    read = READERS[reader](grown).sort("n", "new", "items", nulls_last=True)
    ids = read.select("n", pl.col("device").struct.field("os"), pl.col("items").list.len(), "new").rows()
    assert ids == [(1, "web", 1, [1]), (1, "ios", 2, None), (1, "ios", 2, None), *[(2, None, None, None)] * 2]
    assert read["a.b"].to_list() == [*[Decimal("1.50")] * 3, None, None]
    assert read["items"].list.first().struct.field("count").to_list() == [4, None, None, None, None]
    assert read["device"].struct.field("at").struct.field("zip").to_list() == ["5", None, None, None, None]


def test_the_files_have_the_ids_of_the_log_and_keep_them(grown: Table) -> None:
    """A log without ids gets them in one commit; no file is rewritten."""
    snapshot = grown.snapshot()
    in_log = ids_in_log(snapshot)
    assert (
        list(in_log)[: len(IDS)] != IDS
    )  # columns are where they were; a new field is behind the others of its object
    assert {name: in_log[name] for name in IDS} == {name: number for number, name in enumerate(IDS, 1)}
    files = [ids_in_file(file.uri) for file in sorted(snapshot.files(), key=lambda file: file.modified)]
    assert [len(ids) for ids in files] == [len(IDS) - 1, len(IDS) - 1, len(in_log) - 1]
    assert all(ids.items() <= in_log.items() for ids in files[1:])
    assert sum(b'"metaData"' in grown.read_commit(version) for version in range(1, snapshot.version + 1)) == 2


def test_two_writers_of_other_columns_never_give_them_one_id(tmp_path: Path) -> None:
    """Of two who add a column to the same version, the second one is refused, and looks again."""
    rebuild_numbers(lessons_table(tmp_path, SCHEMA), (TUESDAY, [0]))
    tables = [lessons_table(tmp_path, pl.Schema({**SCHEMA, name: pl.Int64()})) for name in ("x", "y")]
    first, second = [table.snapshot() for table in tables]
    before = tables[0].snapshot_to_write()
    assert [pinned.table_to_write.field_ids for pinned in (first, second)] == [
        {("created_date",): 1, ("n",): 2, ("device",): 3, ("device", "os"): 4, (name,): 5} for name in ("x", "y")
    ]
    with pytest.raises(ConflictError):
        TableCommit(second).commit_schema()
    assert ids_in_file(write(tables[1], {"y": 1}, columns=pl.Schema({"y": pl.Int64()}))) == {"y": 6}
    assert ids_in_log(tables[0].snapshot()).items() >= {"x": 5, "y": 6}.items()
    with pytest.raises(ConflictError):  # who has pinned the version before, whatever the partition
        rebuild_numbers(tables[0], (TUESDAY, [1]), snapshot=before)


def test_a_file_of_an_earlier_release_is_replaced(tmp_path: Path) -> None:
    """The log has ids by then: what is committed with removed files can bring no schema."""
    table = lessons_table(tmp_path, SCHEMA)
    table.create_log()
    forget_ids(table)
    append_files(table, write_numbers(table, MONDAY, 1), snapshot=table.snapshot())
    target = table.snapshot_to_write()
    (old,) = target.files()
    append_files(table, write_numbers(table, MONDAY, 2), remove_action(table, old), snapshot=target)
    assert read_numbers(table) == {MONDAY: [2]}
    assert (target.version, ids_in_log(table.snapshot())["device.os"]) == (2, 4)
    assert table.snapshot_to_write().version == 3  # nothing is committed where there is nothing to add


def test_columns_that_others_add_get_ids_and_ours_keep_theirs(tmp_path: Path) -> None:
    """delta-rs merges schemas, and makes texts of what is in their metadata."""
    table = lessons_table(tmp_path, SCHEMA)
    rebuild_numbers(table, (MONDAY, [1]))
    frame = pl.DataFrame({"created_date": [TUESDAY], "n": [2], "theirs": ["x"]})
    write_deltalake(table.uri, frame, mode="append", schema_mode="merge")
    assert ids_in_log(table.snapshot()) == {"created_date": 1, "n": 2, "device": 3, "device.os": 4}
    path = write(table, {"n": 3}, columns=SCHEMA)
    assert ids_in_log(table.snapshot()) == {"created_date": 1, "n": 2, "device": 3, "device.os": 4, "theirs": 5}
    assert ids_in_file(path) == {"n": 2, "device": 3, "device.os": 4}


def test_a_file_with_a_column_that_has_no_id_is_not_written(tmp_path: Path) -> None:
    """It would be a column that no log knows."""
    target = lessons_table(tmp_path, SCHEMA).snapshot_to_write()
    with pytest.raises(TableError, match=r"column device\.model has no field id"):
        write_file(pl.DataFrame({"device": [{"os": "a", "model": "b"}]}), target.table_to_write, MONDAY)


def test_whatever_writes_a_file_writes_the_ids_of_the_log(tmp_path: Path) -> None:
    """Loads, replaced objects, appends, rebuilds, compaction, reports, and the tables of a user's own assets."""
    world = World(tmp_path, sizing=Sizing(files_per_compaction=3, compaction_age=timedelta()))
    write_frame(world.lake, "own/numbers", pl.LazyFrame({"n": [[1]], "created_date": [MONDAY]}), [MONDAY])
    write_frame(world.lake, "own/whole", pl.LazyFrame({"n": [{"m": 1}]}), None)
    lessons = [event(f"l{n}", name="lesson:started", answers=[{"id": n}], skills=["a"]) for n in range(6)]
    world.deliver(MONDAY, "a", "{broken", event("x", name="no:table"), lessons[0], lessons[0])
    world.build(MONDAY)
    answers = {"type": "object", "properties": {"why": {"type": "string"}, "id": {"type": "integer"}}}
    properties = {**SCHEMAS["lesson_started"]["properties"], "answers": {"type": "array", "items": answers}}
    write_catalog(world.root / "catalog", {"lesson_started": {**SCHEMAS["lesson_started"], "properties": properties}})
    for number in range(1, 5):
        world.deliver(MONDAY, f"b{number}", lessons[number], lessons[number])
        world.build(MONDAY)
    world.deliver(MONDAY, "a", "{broken", "{worse", event("x", name="no:table"), lessons[0], lessons[5])
    world.build(MONDAY)
    names = world.lake.names()
    assert {"raw_events", "corrupt_events", "duplicate_events", "unregistered_events", "own/whole"} <= {*names}
    for name in names:
        in_log = ids_in_log(world.lake.pinned(name))
        for path in (world.root / "lake" / name).rglob("*.parquet"):
            if "_delta_log" not in path.parts:  # replaced files among them: all that was ever written
                found = ids_in_file(path)
                assert found
                assert found.items() <= in_log.items(), (name, path)
