"""Figures of files: the same whether they are read from footers or counted in rows."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from event_platform.checks import conformance, uniqueness
from event_platform.events.event import EVENT_COLUMNS
from event_platform.events.figures import Figure, event_figure
from event_platform.lake import file_figures
from event_platform.lake.balance import arrival_balances, deduplication_balances
from event_platform.lake.file_figures import read_figure
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform_tests.pipeline.compaction.test_step import YOUNG_FILES
from event_platform_tests.support.world import MONDAY, TUESDAY, World, copy_of, event, noon

LESSON = "lesson_started"

EVENTS = st.lists(
    st.builds(
        lambda number, day, name, payload: event(f"u{number}", day, name, **payload),
        st.integers(0, 20),
        st.sampled_from([MONDAY, TUESDAY]),
        st.sampled_from(["lesson:started", "account:created", "no:schema"]),
        st.fixed_dictionaries(
            {},
            optional={
                "user": st.sampled_from(["usr_1", "x", None, 7]),
                "level": st.integers(0, 10),
                "mode": st.sampled_from(["fast", "idle"]),
                "device": st.sampled_from([None, {"os": "ios"}, {}]),
            },
        ),
    )
    | st.just("{broken"),
    max_size=12,
)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with a lesson on Monday, of which something does not fit."""
    world = World(tmp_path_factory.mktemp("built"))
    lesson = event("u1", name="lesson:started", user="usr_1", level="high")
    world.deliver(MONDAY, "a", lesson, event("u2", name="lesson:started", user="x"), event("u3"), "{broken")
    world.build(MONDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def tables_with_figures(world: World) -> list[Table]:
    """Return the tables of whose files something is counted."""
    return [table for table in world.lake.tables(world.catalog.event_types) if table.spec.figures]


def totals(snapshot: Snapshot, figure: Figure, *, in_rows: bool) -> list[dict[str, Any]]:
    """Return the figures of all files of a table, added up by partition, in order."""
    file_figures._CACHE.clear()
    counts = read_figure(snapshot.table, snapshot.files(), figure, snapshot.schema, in_rows=in_rows)
    parts = counts.partition_by(snapshot.column, as_dict=True, maintain_order=False)
    sums = [figure.add_up(part.drop(snapshot.column)).with_columns(day=pl.lit(day)) for (day,), part in parts.items()]
    return pl.concat(sums).sort(pl.all()).to_dicts() if sums else []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(objects=st.lists(EVENTS, min_size=1, max_size=5))
def test_footers_say_what_the_rows_do(tmp_path_factory: pytest.TempPathFactory, objects: list[list[Any]]) -> None:
    """Whatever lands, in however many increments, also of files that were compacted."""
    world = World(tmp_path_factory.mktemp("world"), sizing=YOUNG_FILES)
    for number, records in enumerate(objects):
        world.deliver(TUESDAY, f"o{number}", *records)
        world.build(MONDAY, TUESDAY)
    for table in tables_with_figures(world):
        for figure in (each for each in table.spec.figures if not each.is_sampled):
            assert totals(table.snapshot(), figure, in_rows=False) == totals(table.snapshot(), figure, in_rows=True)


def test_the_process_that_writes_a_file_knows_what_its_footer_says(world: World) -> None:
    """The same rows in the same types, so that both are put beside each other."""
    file_figures._CACHE.clear()
    lesson = event("u1", name="lesson:started", user="usr_1", level="high")
    world.deliver(MONDAY, "a", lesson, event("u2", name="lesson:started", user="x"), event("u3"), "{broken")
    world.build(MONDAY)
    written = {
        (file.uri, figure.name): counts
        for table in tables_with_figures(world)
        for file in table.snapshot().files()
        for figure in table.spec.figures
        if (counts := file_figures._CACHE.get((file.uri, figure.name))) is not None
    }
    file_figures._CACHE.clear()
    for table in tables_with_figures(world):
        for figure in table.spec.figures:
            read_figure(table, table.snapshot().files(), figure)
    assert {"objects", "sample", "example"} <= {name for _, name in written}
    for key, counts in written.items():
        read = file_figures._CACHE.get(key)
        assert read is not None
        assert_frame_equal(counts, read, check_row_order=False)


def test_no_row_is_read_for_what_footers_say(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for each day costs what there are files."""
    catalog = built.catalog
    lesson, deduplicated = built.event_table(LESSON).snapshot(), built.lake.deduplicated_events.snapshot()
    expected = [arrival_balances(built.lake), deduplication_balances(built.lake)]
    uniqueness.check_dates(deduplicated, [MONDAY])
    file_figures._CACHE.clear()

    def refuse(table: Table, files: Sequence[DataFile], *arguments: Any) -> pl.LazyFrame:
        assert not files, f"rows of {table.name} are read"
        return scan_files(table, files, *arguments)

    monkeypatch.setattr(file_figures, "scan_files", refuse)
    monkeypatch.setattr(uniqueness, "_count", None)
    assert [arrival_balances(built.lake), deduplication_balances(built.lake)] == expected
    event_type = catalog.by_key[LESSON]
    ((_, unique),) = uniqueness.check_typed_dates(event_type, lesson, deduplicated, [MONDAY])
    assert unique.passed
    assert unique.metadata["rows"] == lesson.rows_by_date()[MONDAY]
    ((_, conforming),) = conformance.check_dates(event_type, lesson, [MONDAY])
    assert conforming.metadata["rescued_fields"] == {"level": 1}
    monkeypatch.undo()
    assert arrival_balances(built.lake, in_rows=True) == expected[0]


def test_files_without_rescued_values_are_not_asked_for_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their statistics say so, and most files are such."""
    world.deliver(MONDAY, "a", event("u1", name="lesson:started", user="usr_1"))
    world.build(MONDAY)
    event_type, lesson = world.catalog.by_key[LESSON], world.event_table(LESSON).snapshot()
    asked: list[str] = []

    def read(table: Table, files: Sequence[DataFile], figure: Figure, schema: pl.Schema) -> pl.DataFrame:
        asked.append(figure.name)
        return read_figure(table, files, figure, schema)

    monkeypatch.setattr(conformance, "read_figure", read)
    conformance.check_dates(event_type, lesson, [MONDAY])
    assert asked == [event_figure(event_type).name]


def test_files_of_others_are_counted_in_their_rows(built: World) -> None:
    """Even if they have a copied footer of a platform file."""
    table = built.event_table(LESSON)
    snapshot = table.snapshot()
    (file,) = snapshot.files([MONDAY])
    rows = pq.read_table(file.uri, partitioning=None)
    assert b"event_platform.figures" in rows.schema.metadata
    path = Path(file.uri).with_name("copy.parquet")
    pq.write_table(pa.concat_tables([rows, rows]), path)
    copy = DataFile(str(path), f"created_date={MONDAY}/copy.parquet", MONDAY, 2, path.stat().st_size, 0, {}, {}, {})
    figure, drift, *_ = table.spec.figures
    assert read_figure(table, [file], figure)["rows"].to_list() == [rows.num_rows]
    assert read_figure(table, [copy], figure)["rows"].to_list() == [2 * rows.num_rows]
    assert read_figure(table, [file, copy], drift)["texts"].to_list() == [1, 2]


def test_what_is_no_figure_is_counted_in_the_rows(built: World) -> None:
    """Whatever another program wrote under the same key."""
    table = built.event_table(LESSON)
    (file,) = table.snapshot().files([MONDAY])
    rows, (figure, *_) = pq.read_table(file.uri, partitioning=None), table.spec.figures
    path = Path(file.uri).with_name("odd.parquet")
    odd_figure = json.dumps({"file": "odd.parquet", "figures": {figure.name: {"rows": ["x"]}}})
    for text in ("", "7", odd_figure):
        file_figures._CACHE.clear()
        pq.write_table(rows.replace_schema_metadata({"event_platform.figures": text}), path)
        odd = DataFile(str(path), path.name, MONDAY, 1, path.stat().st_size, 0, {}, {}, {})
        assert read_figure(table, [odd], figure)["rows"].to_list() == [rows.num_rows]


def test_a_figure_nearly_as_long_as_the_rows_is_left_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are ids would fill the footer; they are counted in the rows instead."""
    monkeypatch.setattr(file_figures, "_SHORT", 3)
    world.deliver(MONDAY, "a", *(event(f"u{number}", name=f"name:{number}") for number in range(9)))
    world.build(MONDAY)
    snapshot = world.lake.deduplicated_events.snapshot()
    (file,) = snapshot.files()
    assert '"arrivals"' in pl.read_parquet_metadata(file.uri)["event_platform.figures"]
    assert '"names' not in pl.read_parquet_metadata(file.uri)["event_platform.figures"]
    names, *_ = snapshot.table.spec.figures
    assert totals(snapshot, names, in_rows=False) == totals(snapshot, names, in_rows=True)
    assert len(totals(snapshot, names, in_rows=False)) == 9


def test_an_event_that_is_twice_where_another_is_missing_is_seen(built: World) -> None:
    """The number of rows is right then; the sum of the uuids is not, and so they are counted."""
    table = built.event_table(LESSON)
    snapshot = table.snapshot_to_write()
    rows = snapshot.scan([MONDAY]).collect()
    first, second = (event_row(rows, uuid) for uuid in ("a", "b"))
    deduplicated = event_table_source(built, [first, second])
    twice = pl.concat([first, first])
    TableCommit(snapshot).rebuild([MONDAY], [write_file(twice, table, MONDAY)], {MONDAY: 99}).commit()
    event_type = built.catalog.by_key[LESSON]
    ((_, result),) = uniqueness.check_typed_dates(event_type, table.snapshot(), deduplicated, [MONDAY])
    assert not result.passed
    assert result.metadata == {"rows": 2, "distinct_event_uuid": 1}


def event_row(rows: pl.DataFrame, uuid: str) -> pl.DataFrame:
    """Return a row of an event table with another uuid."""
    return rows.head(1).with_columns(event_uuid=pl.lit(uuid))


def event_table_source(world: World, rows: Sequence[pl.DataFrame]) -> Snapshot:
    """Make deduplicated_events of Monday hold the events of these rows, and return it."""
    table = world.lake.deduplicated_events
    snapshot = table.snapshot_to_write()
    one = snapshot.scan([MONDAY]).filter(pl.col("event_name") == "lesson:started").collect().head(1)
    events = [one.with_columns(row.select(list(EVENT_COLUMNS)).get_columns()) for row in rows]
    TableCommit(snapshot).rebuild([MONDAY], [write_file(pl.concat(events), table, MONDAY)], {MONDAY: 99}).commit()
    return table.snapshot()


def test_hours_are_those_of_creation(world: World) -> None:
    """By name, in UTC."""
    world.deliver(MONDAY, "a", event("u1"), {**event("u2"), "created_at": noon(MONDAY) + 3_600})
    world.build(MONDAY)
    snapshot = world.lake.deduplicated_events.snapshot()
    names, arrivals, _ = snapshot.table.spec.figures
    found = totals(snapshot, names, in_rows=False)
    assert [(each["event_name"], each["hour"], each["rows"]) for each in found] == [
        ("account:created", 12, 1),
        ("account:created", 13, 1),
    ]
    assert {total["arrival_date"] for total in totals(snapshot, arrivals, in_rows=False)} == {date(2025, 6, 2)}


def test_what_was_asked_for_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read twice counts once."""
    monkeypatch.setattr(file_figures, "_MOST_ROWS", 2 * file_figures._ROWS_OF_FRAME + 5)
    read, counts = file_figures._ReadFigures(), pl.DataFrame({"rows": [1, 2]})
    for name in "abab":
        read.add({(name, "figure"): counts})
    assert [name for name in "abc" if (name, "figure") in read] == ["a", "b"]
    read.add({("c", "figure"): counts})
    assert [name for name in "abc" if (name, "figure") in read] == ["b", "c"]
