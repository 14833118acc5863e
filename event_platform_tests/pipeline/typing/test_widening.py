"""A column that gets a wider type: every day of its table is rebuilt from deduplicated_events, in one commit."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.catalog.sql import SqlCatalog

from event_platform.lake.field_ids import field_ids
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.typing import step
from event_platform_tests.support import duckdb_delta
from event_platform_tests.support.command import call, use
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event, write_catalog

DAYS = [MONDAY, TUESDAY, WEDNESDAY]
INTEGER: dict[str, Any] = {"type": "integer"}
DATE: dict[str, Any] = {"type": "string", "format": "date"}
DEVICE: dict[str, Any] = {"type": "object", "properties": {"os": {"type": "string"}, "v": INTEGER}}


def text(*types: str) -> dict[str, Any]:
    """Return the schema of a text that was something else."""
    return {"type": "string", "x-was-type": list(types)}


#: By property: its schema, the wider one, an old value, a new one, and both as they are in the wider column.
WIDENINGS: dict[str, tuple[dict[str, Any], dict[str, Any], Any, Any, Any, Any]] = {
    "number": (INTEGER, {"type": "number"}, 7, 7.5, 7.0, 7.5),
    "text": (INTEGER, text("integer"), 7, "7b", "7", "7b"),
    "price": ({"type": "number"}, text("number"), 1.0, "free", "1.0", "free"),
    "exact": ({"type": "number", "x-decimal": [9, 2]}, text("number"), 1.5, "n", "1.5", "n"),
    "flag": ({"type": "boolean"}, text("boolean"), True, "maybe", "true", "maybe"),
    "due": (
        DATE,
        {"type": "string", "format": "date-time", "x-was-type": ["date"]},
        "2025-06-01",
        "2025-06-01T10:00:00Z",
        datetime(2025, 6, 1, tzinfo=UTC),
        datetime(2025, 6, 1, 10, tzinfo=UTC),
    ),
    "on": (DATE, {"type": "string"}, "2025-06-01", "soon", "2025-06-01", "soon"),
    "any": (INTEGER, {"x-variant": True}, 7, {"a": [1.0]}, "7", '{"a": [1.0]}'),
    "word": ({"type": "string"}, {"x-variant": True}, "a", 1, '"a"', "1"),
    "thing": (DEVICE, {"x-variant": True}, {"os": "x"}, [1], '{"os": "x"}', "[1]"),
    "list": (
        {"type": "array", "items": INTEGER},
        {"type": "array", "items": text("integer")},
        [1, None],
        ["a", 2],
        ["1", None],
        ["a", "2"],
    ),
    "scores": (
        {"type": "object", "x-map": True, "additionalProperties": INTEGER},
        {"type": "object", "x-map": True, "additionalProperties": {"x-variant": True}},
        {"k": 1},
        {"k": "a"},
        {"k": "1"},
        {"k": '"a"'},
    ),
    "rows": (
        {"type": "array", "items": DEVICE},
        {"type": "array", "items": {**DEVICE, "properties": {**DEVICE["properties"], "v": {"type": "number"}}}},
        [{"os": "x", "v": 1}],
        [{"os": "y", "v": 1.5}],
        [{"os": "x", "v": 1.0}],
        [{"os": "y", "v": 1.5}],
    ),
}


def quiz(properties: dict[str, Any]) -> dict[str, Any]:
    """Return a catalog of one event type."""
    return {"quiz": {"title": "quiz", "type": "object", "properties": properties}}


def columns(number: int, names: list[str] | None = None) -> dict[str, Any]:
    """Return a member of each widening by its property."""
    return {name: each[number] for name, each in WIDENINGS.items() if names is None or name in names}


def by_duckdb(uri: str) -> list[dict[str, Any]]:
    """Read a table with DuckDB's own reader of Delta."""
    return duckdb_delta.connect().sql("from delta_scan($uri)", params={"uri": uri}).pl().to_dicts()


READERS: list[Callable[[str], list[dict[str, Any]]]] = [
    lambda uri: pl.scan_delta(uri).collect().to_dicts(),
    lambda uri: pl.DataFrame(pl.from_arrow(DeltaTable(uri).to_pyarrow_table())).to_dicts(),
    by_duckdb,
]


@pytest.fixture
def built(world: World) -> World:
    """Three days of a type, each with the values of the narrow types."""
    write_catalog(world.root / "catalog", quiz(columns(0)))
    for day in DAYS:
        world.deliver(day, "a", event(f"old-{day}", day, "quiz", **columns(2)), event(f"x{day}", day))
        world.build(day)
    return world


def test_every_day_is_rebuilt_in_one_commit_and_each_reader_finds_old_and_new_values(built: World) -> None:
    """Whichever day was asked for. The version before can still be read, with the old types."""
    before = built.event_table("quiz").snapshot()
    write_catalog(built.root / "catalog", quiz(columns(1)))
    assert built.event_table("quiz").snapshot().schema["number"] == pl.Int64  # until then
    built.deliver(TUESDAY, "b", event(f"new-{TUESDAY}", TUESDAY, "quiz", **columns(3)))
    built.load(TUESDAY)
    built.deduplicate(TUESDAY)
    report = built.type(TUESDAY)["quiz"]
    assert report.error is None
    assert len(report.retyped) == len(WIDENINGS)
    assert "number: long → double" in report.retyped
    assert (report.rows, report.rescued) == ({MONDAY: 1, TUESDAY: 2, WEDNESDAY: 1}, dict.fromkeys(DAYS, 0))
    table = built.event_table("quiz")
    after = table.snapshot()
    assert (after.version, after.retyped, after.has_new_schema) == (before.version + 1, [], False)
    assert {day: each.version for day, each in report.commit_results.items()} == dict.fromkeys(DAYS, after.version)
    for read in READERS:
        for row in read(table.uri):
            for name, value in columns(4 if row["event_uuid"].startswith("old") else 5).items():
                stored_value = row[name]
                assert (dict(stored_value) if isinstance(value, dict) else stored_value) == value, (read, name)
    old = DeltaTable(table.uri, version=before.version)
    (row,) = pl.scan_delta(old).filter(pl.col("created_date") == MONDAY).collect().to_dicts()
    assert (row["number"], row["text"], row["due"], row["word"]) == (7, 7, date(2025, 6, 1), "a")
    assert before.scan([MONDAY]).collect()["number"].dtype == pl.Int64
    assert lake_totals(built.lake, built.catalog)["balanced"]
    again = built.type(*DAYS)["quiz"]
    assert (again.retyped, again.error) == ([], None)


def test_sources_fingerprints_and_ids_go_with_each_day(built: World) -> None:
    """Nothing is due for it afterwards; a field of another type has another id, and no id is given twice."""
    before = built.event_table("quiz").snapshot()
    write_catalog(built.root / "catalog", quiz(columns(1)))
    built.type(MONDAY)
    after = built.event_table("quiz").snapshot()
    source = built.lake.deduplicated_events.snapshot()
    assert {day: after.source_version(day) for day in DAYS} == source.source_versions(DAYS)
    assert len({after.build_fingerprint(day) for day in DAYS} - {before.build_fingerprint(MONDAY)}) == 1
    assert after.foreign == {}
    assert before.delta is not None
    assert after.delta is not None
    old, new = field_ids(before.delta.schema()), field_ids(after.delta.schema())
    unchanged = {"created_at", "_rescued", "rows", "rows.element", "rows.element.os"}
    assert all(old[name] == new[name] for name in unchanged)
    assert len(set(new.values())) == len(new)
    changed = {"number", "text", "word", "thing", "list", "list.element", "scores", "scores.value", "rows.element.v"}
    assert all(new[name] > max(old.values()) for name in changed)
    counts = {day: each.rows for day, each in ((day, built.type(day)["quiz"]) for day in DAYS)}
    assert counts == {day: {day: 1} for day in DAYS}
    assert {file.path for file in built.event_table("quiz").snapshot().files([MONDAY])} != {
        file.path for file in before.files([MONDAY])
    }


def test_dagster_has_a_materialization_of_every_day(built: World) -> None:
    """Including days that the run did not request, with their rows, so that their derived tables are due."""
    write_catalog(built.root / "catalog", quiz(columns(1)))
    result = built.materialize(MONDAY, selection=dg.AssetSelection.assets(dg.AssetKey(["events", "quiz"])))
    events = [each.step_materialization_data.materialization for each in result.get_asset_materialization_events()]
    row_counts = {each.partition: each.metadata["dagster/partition_row_count"].value for each in events}
    assert row_counts == {day.isoformat(): 1 for day in DAYS}
    assert len({(each.tags or {})["dagster/data_version"] for each in events}) == 1


def test_what_is_not_wider_fails_and_says_the_line_to_write(built: World) -> None:
    """The table stays as it was, and the others are built."""
    before = built.event_table("quiz").snapshot().version
    for name, schema, line in (
        ("word", INTEGER, "x-column: word_long"),
        ("due", INTEGER, "x-column: due_long"),
        ("thing", {"type": "string"}, "x-column: thing_string"),
        ("list", {"type": "array", "items": DATE}, "x-column: list_date"),
        ("rows", {"type": "string"}, "x-column: rows_string"),
    ):
        write_catalog(built.root / "catalog", quiz({**columns(0), name: schema}))
        report = built.type(*DAYS)
        assert line in str(report["quiz"].error)
        assert "A column keeps its type or gets a wider one" in str(report["quiz"].error)
        assert report["account_created"].error is None
    assert built.event_table("quiz").snapshot().version == before


def test_a_variant_stays_one(built: World) -> None:
    """Its texts are JSON, which a text is not."""
    write_catalog(built.root / "catalog", quiz(columns(1)))
    built.type(*DAYS)
    write_catalog(built.root / "catalog", quiz({**columns(1), "word": {"type": "string"}}))
    error = str(built.type(*DAYS)["quiz"].error)
    assert "quiz.word: the table has variant, the catalog says string" in error


def test_integers_that_are_texts_without_a_word_of_the_earlier_type_are_rescued(built: World) -> None:
    """The column has what is a text; nothing is lost."""
    write_catalog(built.root / "catalog", quiz({**columns(0), "text": {"type": "string"}}))
    report = built.type(MONDAY)["quiz"]
    assert (report.error, report.rescued) == (None, dict.fromkeys(DAYS, 1))
    rows = built.events("quiz")
    assert rows["text"].to_list() == [None] * 3
    assert rows["_rescued"].to_list() == ['{"text":7}'] * 3


def test_another_run_that_fills_a_new_day_meanwhile_is_a_conflict(
    built: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of its day would stay with the old type: everything is rebuilt again, with that day."""
    thursday = WEDNESDAY + timedelta(days=1)
    built.deliver(thursday, "a", event("late", thursday, "quiz", **columns(2)))
    built.load(thursday)
    built.deduplicate(thursday)
    old, runs = step._run, list[int]()

    def run(*arguments: Any) -> Any:
        results = old(*arguments)
        if not runs:
            runs.append(1)
            write_catalog(built.root / "catalog", quiz(columns(0)))
            assert built.type(thursday)["quiz"].error is None
        return results

    write_catalog(built.root / "catalog", quiz(columns(1)))
    monkeypatch.setattr(step, "_run", run)
    report = built.type(MONDAY)["quiz"]
    assert (report.error, report.rows) == (None, dict.fromkeys([*DAYS, thursday], 1))
    write_catalog(built.root / "catalog", quiz(columns(1)))
    assert built.events("quiz")["text"].to_list() == ["7"] * 4


def test_both_generations_of_a_key_are_one_column(built: World) -> None:
    """Days are rebuilt where somebody asks for it; the old column is null in them."""
    schema = {**columns(0), "app": {**INTEGER, "x-was": ["number"]}}
    del schema["number"]
    write_catalog(built.root / "catalog", quiz(schema))
    built.deliver(MONDAY, "b", event("new", MONDAY, "quiz", app=8), event("two", MONDAY, "quiz", app=9, number=1))
    built.build(*DAYS)
    rows = built.events("quiz").select("event_uuid", "app", "number", "_rescued").rows()
    assert rows == [
        ("new", 8, None, None),
        *((f"old-{day}", 7, None, None) for day in DAYS),
        ("two", 9, None, '{"number":1}'),
    ]
    assert lake_totals(built.lake, built.catalog)["balanced"]


def test_iceberg_has_the_new_types_and_the_same_rows(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is published by the run, as after every commit."""
    use(monkeypatch, built)
    monkeypatch.setenv("EVENT_PLATFORM_ICEBERG", "sql")
    assert "none behind" in call("run")
    write_catalog(built.root / "catalog", quiz(columns(1)))
    built.deliver(TUESDAY, "b", event(f"new-{TUESDAY}", TUESDAY, "quiz", **columns(3)))
    assert "none behind" in call("run")
    catalog = SqlCatalog("event_platform", uri=f"sqlite:///{built.environment.lake}/_iceberg/catalog.db")
    with closing(catalog):
        iceberg = pl.DataFrame(catalog.load_table("event_platform.events_quiz").scan().to_arrow()).sort("event_uuid")
    delta = built.events("quiz")
    for name in (*columns(1), "event_uuid", "_rescued"):
        assert [_plain(each) for each in iceberg[name]] == [_plain(each) for each in delta[name]], name
    assert iceberg["text"].to_list() == ["7b", "7", "7", "7"]


def _plain(value: Any) -> Any:
    return value.to_list() if isinstance(value, pl.Series) else value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from(["os", "v", "k"]), below, max_size=2),
    max_leaves=4,
)
PAYLOADS = st.lists(st.dictionaries(st.sampled_from([*WIDENINGS]), VALUES, max_size=4), min_size=1, max_size=6)


@settings(deadline=None, max_examples=12)
@given(payloads=PAYLOADS, names=st.sets(st.sampled_from([*WIDENINGS]), min_size=1))
def test_a_widened_lake_equals_a_new_one(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, Any]], names: set[str]
) -> None:
    """Whatever the values are, and whichever of the columns get a wider type."""
    widened, fresh = (World(Path(tmp_path_factory.mktemp("lake"))) for _ in range(2))
    wider = {**columns(0), **columns(1, list(names))}
    for world in (widened, fresh):
        write_catalog(world.root / "catalog", quiz(columns(0) if world is widened else wider))
        for number, payload in enumerate(payloads):
            day = DAYS[number % 3]
            world.deliver(day, f"{number}", event(f"e{number}", day, "quiz", **{**columns(2), **payload}))
        for step_of in (world.load, world.deduplicate, world.type):
            step_of(*DAYS)
    write_catalog(widened.root / "catalog", quiz(wider))
    assert widened.type(MONDAY)["quiz"].error is None
    widened_rows, fresh_rows = widened.events("quiz"), fresh.events("quiz")
    assert widened_rows.to_dicts() == fresh_rows.to_dicts()
    assert widened_rows.schema == fresh_rows.schema
