"""Assets that people add: inputs are exactly what they are mapped to, outputs are exactly the partitions of the run."""

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from event_platform.cli.main import main
from event_platform.defs.partitions import ONE_RUN, daily_partitions
from event_platform.lake.vacuum import vacuum_all
from event_platform_tests.support.command import variables
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, WEDNESDAY, World, copy_of, event

DAYS = [MONDAY, TUESDAY, WEDNESDAY]
PARTITIONS = daily_partitions(date(2025, 1, 1))
LESSONS = dg.AssetKey(["events", "lesson_started"])
MART = dg.AssetKey(["marts", "learners"])

#: What an asset of these tests makes of the lessons of some days.
Make = Callable[[pl.LazyFrame], Any]


@pytest.fixture(scope="module")
def lessons_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three days of lessons: one of user a on Monday, two on Tuesday, three on Wednesday."""
    world = World(tmp_path_factory.mktemp("lessons"))
    for number, day in enumerate(DAYS, start=1):
        names = [f"{day}-{each}" for each in range(number)]
        world.deliver(day, "a", *(event(name, day, "lesson:started", user="usr_a", level=number) for name in names))
    world.build(*DAYS)
    return world


@pytest.fixture
def lessons(lessons_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(lessons_once, tmp_path)


def as_it_is(lessons: pl.LazyFrame) -> pl.LazyFrame:
    """Return the input."""
    return lessons.select("created_date", "event_uuid", "level")


def counted(lessons: pl.LazyFrame) -> pl.LazyFrame:
    """Return a row for each day."""
    return lessons.group_by("created_date").agg(lessons=pl.len().cast(pl.Int64))


def mart(
    make: Make,
    partitions: dg.PartitionsDefinition[Any] | None = PARTITIONS,
    key: dg.AssetKey = MART,
    **asset_in: Any,
) -> dg.AssetsDefinition:
    """Return an asset over the lessons, with the I/O manager that assets get by default."""

    @dg.asset(
        key=key,
        partitions_def=partitions,
        backfill_policy=ONE_RUN if partitions else None,
        ins={"lessons": dg.AssetIn(LESSONS, **asset_in)},
    )
    def learners(lessons: pl.LazyFrame) -> Any:
        assert isinstance(lessons, pl.LazyFrame)
        return make(lessons)

    return learners


def run(
    world: World, asset: dg.AssetsDefinition, first: date | None = None, last: date | None = None, **options: Any
) -> dg.ExecuteInProcessResult:
    """Materialize one asset over a range of days; without days, one without partitions."""
    sources = [] if asset.key == LESSONS else [dg.AssetSpec(LESSONS, partitions_def=PARTITIONS)]
    tags = {"dagster/asset_partition_range_start": f"{first}", "dagster/asset_partition_range_end": f"{last or first}"}
    return dg.materialize(
        [*sources, asset],
        selection=[asset],
        resources=dict(world.definitions().resources or {}),
        tags=tags if first else {},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        **options,
    )


def table(world: World, name: str = "marts/learners") -> list[tuple[Any, ...]]:
    """Return the rows of a table as an analyst would read them, sorted."""
    return sorted(pl.read_delta(f"{world.root}/lake/{name}").rows())


def refused(world: World, asset: dg.AssetsDefinition, first: date = MONDAY, last: date | None = None) -> str:
    """Run an asset that must fail; return the error and its causes."""
    result = run(world, asset, first, last, raise_on_error=False)
    assert not result.success
    (failure,) = result.filter_events(lambda each: each.is_step_failure)
    return str(failure.step_failure_data.error)


def test_a_range_run_reads_and_writes_every_day_of_the_range(lessons: World) -> None:
    """Not the first one alone, and again when the table exists; the other days stay."""
    asset = mart(counted)
    expected = [(MONDAY, 1), (TUESDAY, 2), (WEDNESDAY, 3)]
    assert run(lessons, asset, MONDAY, WEDNESDAY).success
    assert table(lessons) == expected
    assert run(lessons, asset, MONDAY, TUESDAY).success
    assert table(lessons) == expected
    assert run(lessons, asset, TUESDAY).success
    assert table(lessons) == expected
    assert DeltaTable(f"{lessons.root}/lake/marts/learners").version() == 3  # made, and one commit for each run


def test_a_column_may_be_a_map(lessons: World) -> None:
    """As in the tables of the catalog."""

    def mapped(rows: pl.LazyFrame) -> pl.LazyFrame:
        entry = pl.struct(key=pl.col("user"), value=pl.col("level"))
        return (
            rows.group_by("created_date").agg(levels=entry.first()).with_columns(pl.concat_list("levels").list.to_map())
        )

    assert run(lessons, mart(mapped), MONDAY, TUESDAY).success
    assert table(lessons) == [(MONDAY, {"usr_a": 1}), (TUESDAY, {"usr_a": 2})]


def test_a_mapping_over_several_days_reads_all_of_them(lessons: World) -> None:
    """A day and the two before it, for a day and for a range of days."""
    mapping = dg.TimeWindowPartitionMapping(start_offset=-2)
    seen: list[list[date]] = []

    def look(rows: pl.LazyFrame) -> None:
        seen.append(rows.select(pl.col("created_date").unique().sort()).collect()["created_date"].to_list())

    asset = mart(look, partition_mapping=mapping)
    for first, last in ((WEDNESDAY, WEDNESDAY), (TUESDAY, TUESDAY), (MONDAY, WEDNESDAY)):
        assert run(lessons, asset, first, last).success
    assert seen == [DAYS, [MONDAY, TUESDAY], DAYS]


def test_an_asset_without_partitions_reads_all_and_replaces_its_table(lessons: World) -> None:
    """Every time."""
    asset = mart(lambda rows: rows.select(lessons=pl.len().cast(pl.Int64)), partitions=None)
    assert run(lessons, asset).success
    assert table(lessons) == [(6,)]
    lessons.deliver(MONDAY, "b", event("new", name="lesson:started", user="usr_b"))
    lessons.build(MONDAY)
    result = run(lessons, asset)
    assert table(lessons) == [(7,)]
    (materialization,) = result.asset_materializations_for_node("marts__learners")
    figures = ("dagster/row_count", "files_written", "delta_version", "previous_delta_version")
    assert [materialization.metadata[name].value for name in figures] == [1, 1, 2, 1]
    assert lessons.lake.scan("marts/learners").collect().rows() == [(7,)]


def test_an_input_has_the_columns_that_its_metadata_names(lessons: World) -> None:
    """In that order; a missing column is reported together with the existing ones."""
    seen: list[list[str]] = []
    asset = mart(
        lambda rows: seen.append(rows.collect_schema().names()), metadata={"columns": ["level", "created_date"]}
    )
    assert run(lessons, asset, MONDAY).success
    assert seen == [["level", "created_date"]]
    message = refused(lessons, mart(as_it_is, metadata={"columns": ["levle"]}))
    assert "events/lesson_started: no column levle; there are " in message


def test_an_input_reads_no_file_of_other_partitions(lessons: World) -> None:
    """They may as well be gone."""
    for file in lessons.event_table("lesson_started").snapshot().files([MONDAY, WEDNESDAY]):
        Path(file.uri).unlink()
    assert run(lessons, mart(counted), TUESDAY).success
    assert table(lessons) == [(TUESDAY, 2)]


def test_each_partition_has_its_own_rows_in_its_metadata(lessons: World) -> None:
    """Beside the address of the table, its versions, and the files."""
    result = run(lessons, mart(as_it_is), MONDAY, WEDNESDAY)
    materializations = result.asset_materializations_for_node("marts__learners")
    found = {
        materialization.partition: materialization.metadata["dagster/partition_row_count"].value
        for materialization in materializations
    }
    assert found == {"2025-06-02": 1, "2025-06-03": 2, "2025-06-04": 3}
    uri = f"{lessons.root}/lake/marts/learners"
    expected = {"dagster/uri": uri, "delta_version": 1, "previous_delta_version": 0, "files_written": 1}
    for materialization in materializations:
        assert {name: materialization.metadata[name].value for name in expected} == expected
        (file,) = Path(uri).glob(f"created_date={materialization.partition}/*.parquet")
        assert materialization.metadata["bytes_written"].value == file.stat().st_size


def test_the_columns_of_an_output_are_in_its_metadata(lessons: World) -> None:
    """From its table: they are unknown before it is written."""
    result = run(lessons, mart(as_it_is), MONDAY)
    (materialization,) = result.asset_materializations_for_node("marts__learners")
    schema = materialization.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchemaMetadataValue)
    columns = [(column.name, column.type) for column in schema.schema.columns]
    assert columns == [("created_date", "date"), ("event_uuid", "string"), ("level", "long")]


@pytest.mark.parametrize("kind", ["lazy", "eager"])
def test_a_frame_without_rows_empties_the_partitions_of_the_run(lessons: World, kind: str) -> None:
    """And no others."""
    run(lessons, mart(counted), MONDAY, WEDNESDAY)

    def nothing(rows: pl.LazyFrame) -> Any:
        left = counted(rows).filter(pl.col("lessons") < 0)
        return left if kind == "lazy" else left.collect()

    assert run(lessons, mart(nothing), MONDAY, TUESDAY).success
    assert table(lessons) == [(WEDNESDAY, 3)]


def test_an_asset_that_returns_nothing_leaves_its_table_alone(lessons: World) -> None:
    """The asset may have written it itself."""
    run(lessons, mart(counted), MONDAY)
    assert run(lessons, mart(lambda _: None), MONDAY).success
    assert table(lessons) == [(MONDAY, 1)]


def test_a_frame_is_never_collected_as_a_whole(lessons: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written batch by batch; a partition may have several files."""
    monkeypatch.setattr("event_platform.pipeline.own_tables._ROWS_PER_BATCH", 2)
    monkeypatch.delattr(pl.LazyFrame, "collect")
    assert run(lessons, mart(as_it_is), MONDAY, WEDNESDAY).success
    monkeypatch.undo()
    assert [row[0] for row in table(lessons)] == [MONDAY, TUESDAY, TUESDAY, WEDNESDAY, WEDNESDAY, WEDNESDAY]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda rows: as_it_is(rows).with_columns(created_date=pl.lit(TUESDAY + timedelta(days=7))),
            "marts/learners: 1 rows are outside of the partitions of this run: created_date 2025-06-10",
        ),
        (
            lambda rows: as_it_is(rows).with_columns(created_date=pl.lit(None, pl.Date)),
            "marts/learners: 1 rows are outside of the partitions of this run: created_date None",
        ),
        (
            lambda rows: rows.select("level"),
            "marts/learners: expected a Date column created_date, which is the partition of each row; there are level",
        ),
        (
            lambda rows: rows.select(pl.col("created_date").cast(pl.String)),
            "marts/learners: expected a Date column created_date, which is the partition of each row; it is String",
        ),
        (
            lambda rows: rows.group_by("created_date").agg(n=pl.len()),
            "marts/learners: column n: Delta has no UInt32; cast it to one of String, Int64, ",
        ),
        (
            lambda rows: as_it_is(rows).with_columns(nothing=None),
            "marts/learners: column nothing: Delta has no Null; ",
        ),
        (
            lambda rows: as_it_is(rows).with_columns(x=pl.struct(y=pl.col("event_uuid").cast(pl.Categorical))),
            "marts/learners: column x.y: Delta has no Categorical; ",
        ),
        (lambda rows: {"rows": rows}, "marts/learners: got a dict, expected a polars LazyFrame or DataFrame; "),
    ],
    ids=["other day", "no day", "no column", "date as text", "unsigned", "null", "nested categorical", "no frame"],
)
def test_a_frame_that_cannot_be_written_is_an_error_that_names_what_is_wrong(
    lessons: World, make: Make, message: str
) -> None:
    """And nothing is written: the table has no version."""
    assert message in refused(lessons, mart(make))
    assert lessons.lake.own_table("marts/learners", pl.Schema(), None).snapshot().files() == []


def test_a_query_that_fails_leaves_the_table_as_it_was(lessons: World) -> None:
    """Whatever it had written by then."""
    run(lessons, mart(as_it_is), MONDAY, WEDNESDAY)
    before = table(lessons)

    def broken(rows: pl.LazyFrame) -> pl.LazyFrame:
        return as_it_is(rows).with_columns(level=(pl.lit("x") + pl.col("event_uuid")).cast(pl.Int64))

    assert "conversion from `str` to `i64` failed" in refused(lessons, mart(broken), MONDAY, WEDNESDAY)
    assert table(lessons) == before


def test_a_table_that_cannot_be_opened_is_not_taken_for_a_missing_one(lessons: World) -> None:
    """One failed read must not overwrite what is there: it fails the run, and the next one finds everything."""
    run(lessons, mart(counted), MONDAY, WEDNESDAY)
    log = lessons.root / "lake" / "marts" / "learners" / "_delta_log" / "00000000000000000001.json"
    content = log.read_bytes()
    log.write_bytes(b"{damaged")
    assert "marts/learners: the table cannot be opened" in refused(lessons, mart(counted))
    log.write_bytes(content)
    assert table(lessons) == [(MONDAY, 1), (TUESDAY, 2), (WEDNESDAY, 3)]


def test_a_run_that_another_one_was_faster_than_reads_its_inputs_again(lessons: World) -> None:
    """The whole step is repeated, because its inputs may be outdated."""
    seen: list[int] = []

    def interrupted(rows: pl.LazyFrame) -> pl.LazyFrame:
        seen.append(rows.collect().height)
        if len(seen) > 1:
            return counted(rows)

        def other_run(batch: pl.DataFrame) -> pl.DataFrame:
            if batch.height:
                lessons.deliver(MONDAY, "b", event("new", name="lesson:started", user="usr_b"))
                lessons.build(MONDAY)
                run(lessons, mart(counted), MONDAY)
            return batch

        return counted(rows).collect().lazy().map_batches(other_run)

    run(lessons, mart(counted), MONDAY)
    assert run(lessons, mart(interrupted), MONDAY).success
    assert seen == [1, 2]
    assert table(lessons) == [(MONDAY, 2)]


def test_a_column_that_an_asset_gains_is_null_in_older_partitions(lessons: World) -> None:
    """A dropped column stays, and is null in newer partitions."""
    run(lessons, mart(counted), MONDAY, TUESDAY)
    run(lessons, mart(lambda rows: rows.group_by("created_date").agg(users=pl.col("user").first())), TUESDAY)
    assert table(lessons) == [(MONDAY, 1, None), (TUESDAY, None, "usr_a")]


@pytest.mark.parametrize(
    "name", ["raw_events", "events", "events/lesson_started", "events/mine", "marts", "marts/learners/x"]
)
def test_an_asset_cannot_write_a_table_of_the_platform_or_one_within_another(lessons: World, name: str) -> None:
    """The error contains its key, and nothing changes."""
    run(lessons, mart(counted), MONDAY)
    before = {each: lessons.lake.table(each).snapshot().version for each in lessons.lake.names()}
    key = dg.AssetKey(name.split("/"))

    @dg.asset(key=key, partitions_def=PARTITIONS)
    def own() -> pl.DataFrame:
        return pl.DataFrame({"created_date": [MONDAY]})

    assert "give the asset another key" in refused(lessons, own)
    assert {each: lessons.lake.table(each).snapshot().version for each in lessons.lake.names()} == before


def test_an_asset_that_loses_its_partitions_does_not_replace_its_partitioned_table(lessons: World) -> None:
    """Somebody has to decide what becomes of it."""
    run(lessons, mart(counted), MONDAY)
    asset = mart(lambda rows: rows.select("level"), partitions=None)
    result = run(lessons, asset, raise_on_error=False)
    assert not result.success
    assert table(lessons) == [(MONDAY, 1)]


def test_partitions_that_are_no_days_are_refused(lessons: World) -> None:
    """The tables have a partition a day."""
    asset = mart(as_it_is, partitions=dg.StaticPartitionsDefinition(["a"]), partition_mapping=dg.AllPartitionMapping())
    result = run(lessons, asset, raise_on_error=False, partition_key="a")
    assert not result.success
    (failure,) = result.filter_events(lambda each: each.is_step_failure)
    assert "Invalid isoformat string: 'a': expected partition keys such as 2025-06-02" in str(
        failure.step_failure_data.error
    )


@pytest.mark.parametrize("name", ["2025", "marts/2025/x"])
def test_an_asset_cannot_write_a_table_that_nobody_would_find(lessons: World, name: str) -> None:
    """A folder of digits alone is a part of a date, as those of landing are."""

    @dg.asset(key=dg.AssetKey(name.split("/")), partitions_def=PARTITIONS)
    def own() -> pl.DataFrame:
        return pl.DataFrame({"created_date": [MONDAY]})

    assert "a part of digits alone stands for a date; give the asset another key" in refused(lessons, own)


def test_the_table_of_an_asset_is_queried_and_vacuumed_as_all_others(
    lessons: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of its key; it is one of the tables of the lake."""
    for variable, value in variables(lessons).items():
        monkeypatch.setenv(variable, value)
    for _ in range(2):
        run(lessons, mart(counted), MONDAY)
    shown = CliRunner().invoke(main, ["query", "--json", "select lessons from marts.learners"])
    assert json.loads(shown.output) == [{"lessons": 1}]
    folder = lessons.root / "lake" / "marts" / "learners"
    for path in folder.glob("*/*.parquet"):
        os.utime(path, (time.time() - 8 * 86_400,) * 2)
    assert len(list(folder.glob("*/*.parquet"))) == 2
    for vacuumed in vacuum_all(lessons.lake, lessons.catalog, timedelta(0), dry_run=False):
        assert vacuumed.error is None
    assert len(list(folder.glob("*/*.parquet"))) == 1
    assert table(lessons) == [(MONDAY, 1)]


def test_a_field_that_the_catalog_gains_is_read_from_old_and_new_partitions(tmp_path: Path) -> None:
    """Top-level and nested; null where an event is older."""
    world = World(tmp_path)
    world.deliver(MONDAY, "a", event("old", name="lesson:started", device={"os": "ios"}))
    world.build(MONDAY)
    lesson = SCHEMAS["lesson_started"]
    device = {
        "type": "object",
        "properties": {**lesson["properties"]["device"]["properties"], "model": {"type": "string"}},
    }
    shutil.rmtree(world.root / "catalog")
    grown = {**lesson, "properties": {**lesson["properties"], "device": device, "topic": {"type": "string"}}}
    world = World(tmp_path, {**SCHEMAS, "lesson_started": grown})
    late = event("new", TUESDAY, "lesson:started", device={"os": "web", "model": "x"}, topic="verbs")
    world.deliver(TUESDAY, "b", late)
    world.build(TUESDAY)
    read = world.lake.scan("events/lesson_started", columns=["event_uuid", "device", "topic"]).sort("event_uuid")
    assert read.collect().rows() == [
        ("new", {"os": "web", "version": None, "model": "x"}, "verbs"),
        ("old", {"os": "ios", "version": None, "model": None}, None),
    ]
