"""What is in a table is read as the table says, whatever the catalog says by now."""

import copy
from typing import Any

import polars as pl
import pytest

from event_platform.lake.schemas import readable
from event_platform.pipeline.compaction.tasks import compact_files
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, event, write_catalog

LESSON: dict[str, Any] = {
    "user": "usr_1",
    "score": 1.5,
    "device": {"os": "x", "version": 3},
    "answers": [{"id": 1, "right": True}],
}
COLUMNS = ["score", "device", "answers"]


@pytest.fixture
def built(world: World) -> World:
    """A lesson in a table of its own."""
    world.deliver(MONDAY, "a", event("u1", MONDAY, "lesson:started", **LESSON))
    world.build(MONDAY)
    return world


def change(world: World, **properties: Any) -> World:
    """Give the catalog other properties of a lesson; None takes one out."""
    schema = copy.deepcopy(SCHEMAS["lesson_started"])
    schema["properties"].update(properties)
    schema["properties"] = {
        name: property_ for name, property_ in schema["properties"].items() if property_ is not None
    }
    write_catalog(world.root / "catalog", {"lesson_started": schema})
    return world


def read(world: World) -> list[dict[str, Any]]:
    """Return what is in the columns, read by the catalog's table and by name: the same."""
    tables = [world.event_table("lesson_started").snapshot().scan(), world.lake.scan("events/lesson_started")]
    found = [rows.sort("event_uuid").select(COLUMNS).collect().to_dicts() for rows in tables]
    assert found[0] == found[1]
    return found[0]


def values() -> dict[str, Any]:
    """Return what the columns held from the beginning."""
    return {name: LESSON[name] for name in COLUMNS}


LOST: dict[str, Any] = {
    "device": {"type": "object", "properties": {"os": {"type": "string"}}},
    "answers": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    "score": None,
}


def test_a_property_that_the_catalog_lost_is_still_read(built: World) -> None:
    """At any depth, before and after the table is written again."""
    change(built, **LOST)
    assert read(built) == [values()]
    built.deliver(TUESDAY, "b", event("u2", TUESDAY, "lesson:started", **LESSON))
    built.build(TUESDAY)
    assert read(built) == [values(), {"score": None, "device": {"os": "x", "version": None}, "answers": None}]


def test_compaction_keeps_what_the_catalog_lost(built: World) -> None:
    """Rows that move from file to file are those of the table."""
    built.deliver(MONDAY, "b", event("u2", MONDAY, "lesson:started", user="usr_1"))
    built.build(MONDAY)
    table = change(built, **LOST).event_table("lesson_started")
    files = table.snapshot().files([MONDAY])
    assert len(files) == 2
    snapshot = table.snapshot_to_write()
    add = compact_files(table, snapshot.schema, files)
    rows = pl.read_parquet(f"{table.uri}/{add.path}").filter(pl.col("event_uuid") == "u1")
    assert rows.select(COLUMNS).to_dicts() == [values()]


def test_a_table_is_read_after_a_change_of_a_type_was_refused(built: World) -> None:
    """Its rows have the type that they were written with."""
    change(built, score={"type": "string"}, device={"type": "string"})
    built.deliver(TUESDAY, "b", event("u2", TUESDAY, "lesson:started", user="usr_1"))
    built.load(TUESDAY)
    built.deduplicate(TUESDAY)
    assert "a column keeps its type" in str(built.type(TUESDAY)["lesson_started"].error).lower()
    assert read(built) == [values()]
    built.report(MONDAY, TUESDAY)


@pytest.mark.parametrize(
    ("stored", "defined", "found"),
    [
        ({"a": pl.Int64()}, {"a": pl.String(), "b": pl.Date()}, {"a": pl.Int64(), "b": pl.Date()}),
        ({"a": pl.Int64(), "b": pl.Date()}, {"b": pl.Date()}, {"b": pl.Date(), "a": pl.Int64()}),
        (
            {"a": pl.List(pl.Struct({"x": pl.Int64(), "y": pl.Date()}))},
            {"a": pl.List(pl.Struct({"y": pl.String(), "z": pl.Date()}))},
            {"a": pl.List(pl.Struct({"y": pl.Date(), "z": pl.Date(), "x": pl.Int64()}))},
        ),
        ({"a": pl.Struct({"x": pl.Int64()})}, {"a": pl.List(pl.Int64())}, {"a": pl.Struct({"x": pl.Int64()})}),
        (
            {"a": pl.Map(pl.String(), pl.Struct({"x": pl.Int64()}))},
            {"a": pl.Map(pl.String(), pl.Struct({"y": pl.Date()}))},
            {"a": pl.Map(pl.String(), pl.Struct({"y": pl.Date(), "x": pl.Int64()}))},
        ),
        ({"Key": pl.String()}, {"key": pl.Int64()}, {"Key": pl.String()}),
    ],
)
def test_the_columns_of_a_table_come_before_those_of_its_definition(
    stored: dict[str, Any], defined: dict[str, Any], found: dict[str, Any]
) -> None:
    """And no column is there twice, for those who ignore case."""
    assert readable(pl.Schema(stored), pl.Schema(defined)) == pl.Schema(found)
