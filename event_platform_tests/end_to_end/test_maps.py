"""Objects whose keys are data, from landing to the readers of the table: each key is found again."""

from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from event_platform.pipeline.compaction.tasks import compact_files
from event_platform_tests.support.command import call, use
from event_platform_tests.support.fidelity import lost
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, write_catalog

READERS: list[Callable[[str], list[dict[str, Any]]]] = [
    lambda uri: pl.scan_delta(uri).collect().to_dicts(),
    lambda uri: pl.DataFrame(pl.from_arrow(DeltaTable(uri).to_pyarrow_table())).to_dicts(),
]


def test_they_are_drafted_built_and_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the commands alone; each reader finds each value, and the check passes."""
    use(monkeypatch, world)
    payloads = {
        f"e{number:03}": {
            "scores": {f"user_{10_000 + number + each}": each for each in range(number % 4)},
            "devices": {f"{number:08x}": {"os": "ios", "version": number}, "x": None},
        }
        for number in range(150)
    }
    payloads["e007"]["scores"] = {"user_10007": "none", "user_10008": 2}
    for day in (MONDAY, TUESDAY):
        events = [
            event(uuid, day, "quiz", **payload)
            for uuid, payload in payloads.items()
            if (uuid < "e100") == (day == MONDAY)
        ]
        world.deliver(day, "a.gz", *events)
    for command in (["catalog", "draft"], ["catalog", "check"], ["run"]):
        call(*command)
    table, columns = world.event_table("quiz"), world.catalog.by_key["quiz"].columns
    for read in READERS:
        rows = {row["event_uuid"]: row for row in read(table.uri)}
        assert rows.keys() == payloads.keys()
        assert [lost(payload, rows[uuid], columns) for uuid, payload in payloads.items()] == [[]] * 150
        assert [uuid for uuid, row in rows.items() if row["_rescued"]] == ["e007"]
        assert rows["e007"]["scores"] == {"user_10007": None, "user_10008": 2}
    quiz = DeltaTable(table.uri).to_pyarrow_dataset()  # noqa: F841 - DuckDB finds it by its name
    sql = "select scores['user_10011'] n from quiz where created_date = '2025-06-02' and n is not null order by n"
    assert duckdb.sql(sql).fetchall() == [(0,), (1,)]
    assert '"scores":{"user_10007":null,"user_10008":2}' in call(
        "query", "--json", "select scores from events.quiz where _rescued is not null"
    )
    assert "map<string, struct<os: string, version: long>>" in call("query", "--csv", "describe events.quiz")


def schema(**properties: Any) -> dict[str, Any]:
    """Return a catalog with one event type."""
    return {"quiz": {"title": "quiz", "type": "object", "properties": properties}}


def a_map(values: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a map."""
    return {"type": "object", "x-map": True, "additionalProperties": values}


def device(*names: str) -> dict[str, Any]:
    """Return the schema of an object of integers."""
    return {"type": "object", "properties": {name: {"type": "integer"} for name in names}}


def test_an_object_without_a_type_becomes_a_map_whose_values_gain_fields(world: World) -> None:
    """The days are built again; what was in `_rescued` is in the column, also after its files are compacted."""
    write_catalog(world.root / "catalog", schema(devices={"type": "object"}))
    entries = {"a": {"v": 1, "w": 2}, "b": {"v": 3}}
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"{day}", day, "quiz", devices=entries))
        world.build(day)
    assert world.events("quiz")["_rescued"].null_count() == 0
    write_catalog(world.root / "catalog", schema(devices=a_map(device("v"))))
    world.build(MONDAY, TUESDAY)
    assert world.events("quiz")["devices"].to_list() == [{"a": {"v": 1}, "b": {"v": 3}}] * 2
    write_catalog(world.root / "catalog", schema(devices=a_map(device("v", "w"))))
    world.deliver(TUESDAY, "b", event("late", TUESDAY, "quiz", devices={"c": {"w": 4}}))
    world.build(TUESDAY)
    grown = {"a": {"v": 1, "w": 2}, "b": {"v": 3, "w": None}}
    older = {"a": {"v": 1, "w": None}, "b": {"v": 3, "w": None}}
    assert world.events("quiz")["devices"].to_list() == [older, grown, {"c": {"v": None, "w": 4}}]
    table = world.event_table("quiz")
    snapshot = table.snapshot_to_write()
    add = compact_files(table, snapshot.schema, snapshot.files([MONDAY]))
    assert pl.read_parquet(f"{table.uri}/{add.path}")["devices"].to_list() == [older]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (device("a"), a_map({"type": "integer"}), "the table has struct<a: long>, the catalog says map<string, long>"),
        (a_map({"type": "integer"}), device("a"), "the table has map<string, long>, the catalog says struct<a: long>"),
        (
            a_map({"type": "string"}),
            a_map({"type": "integer"}),
            "the table has string, the catalog says long",
        ),
    ],
)
def test_a_column_does_not_become_a_map_or_another_one(
    world: World, before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    """As with every change of a type: the run says what to do, and the table is as it was."""
    write_catalog(world.root / "catalog", schema(scores=before))
    world.deliver(MONDAY, "a", event("u", MONDAY, "quiz", scores={"a": 1}))
    world.build(MONDAY)
    stored = pl.scan_delta(world.event_table("quiz").uri).collect().to_dicts()
    write_catalog(world.root / "catalog", schema(scores=after))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    assert message in str(world.type(MONDAY)["quiz"].error)
    assert pl.scan_delta(world.event_table("quiz").uri).collect().to_dicts() == stored
