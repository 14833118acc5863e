"""The views for DuckDB are made in DuckDB, and show the rows of the tables."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from event_platform.exporting.reading import describe_lake
from event_platform.pipeline.opening import open_lake
from event_platform.pipeline.own_tables import write_frame
from event_platform_tests.exporting.worlds import HOSTILE, build_world, lesson, use_copy
from event_platform_tests.support.command import call, use
from event_platform_tests.support.duckdb_delta import connect
from event_platform_tests.support.world import MONDAY, World


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake that no test changes."""
    return build_world(tmp_path_factory.mktemp("exporting"))


@pytest.fixture(scope="module")
def sql(built: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The views of that lake, as the command writes them."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, built)
        call("export", "views", "--for", "duckdb", "--to", str(folder))
    return (folder / "duckdb.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def database(sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the views, made twice."""
    with connect() as connection:
        connection.execute(sql)
        connection.execute(sql)
        yield connection


@pytest.mark.parametrize(
    ("view", "table"),
    [
        ("platform.raw_events", "raw_events"),
        ("platform.corrupt_events", "corrupt_events"),
        ("platform.deduplicated_events", "deduplicated_events"),
        ("events.lesson_started", "events/lesson_started"),
        ("events.account_created", "events/account_created"),
        ("marts.daily_users", "marts/daily.users"),
    ],
)
def test_views_show_the_rows_of_the_tables(
    built: World, database: duckdb.DuckDBPyConnection, view: str, table: str
) -> None:
    """All of them, structs and lists as well, with the same columns in the order of the catalog."""
    expected = built.lake.found_table(table).snapshot().scan().collect()
    frame = database.sql(f"from {view}").pl()
    assert expected.height
    assert_frame_equal(frame, expected.select(frame.columns), check_row_order=False, check_dtypes=False)
    assert set(frame.columns) == set(expected.columns)


def test_fields_of_objects_are_known_at_any_depth(tmp_path: Path) -> None:
    """In arrays and maps as well: some warehouses cannot have all names."""
    world = World(tmp_path)
    field = pl.Struct({"größe": pl.Int64()})
    by_key = pl.Map(pl.String(), pl.Struct({"x": field}))
    schema = pl.Schema({"a": pl.List(pl.List(field)), "m": by_key, "n": pl.Int64()})
    write_frame(world.lake, "own/nested", pl.LazyFrame(schema=schema), None)
    (relation,) = describe_lake(world.lake, []).relations
    assert relation.fields == ("größe", "x")


def test_comments_of_the_catalog_arrive(database: duckdb.DuckDBPyConnection) -> None:
    """Whatever characters they have."""
    assert database.sql("select comment from duckdb_views() where view_name = 'lesson_started'").fetchone() == (
        f"A lesson began. {HOSTILE}",
    )
    comments = database.sql("select column_name, comment from duckdb_columns() where table_name = 'lesson_started'")
    assert {("order", HOSTILE), ("user", "Who"), ("größe", None)} <= set(comments.fetchall())


def test_a_table_that_is_not_there_yet_is_left_out(sql: str) -> None:
    """A view of it could not be made: the head of the file says so."""
    assert "--   events/payment_failed: it was not written yet\n" in sql
    assert '"payment_failed"' not in sql


def test_an_export_of_the_same_tables_changes_nothing(
    built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes, whatever was appended since: CI can compare them."""
    world = use_copy(monkeypatch, built, tmp_path / "world")
    export = ("export", "views", "--for", "duckdb", "--to", str(tmp_path / "out"))
    assert "created: " in call(*export, code=0)
    world.deliver(MONDAY, "2.json", lesson("d"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY, keys=["lesson_started"])
    assert "0 files would change" in call(*export, "--check", code=0)


def test_a_change_of_the_catalog_is_shown(built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --check nothing is written, and the exit code is 1: a new comment, and a column once the table has it."""
    world = use_copy(monkeypatch, built, tmp_path / "world")
    export = ("export", "views", "--for", "duckdb", "--to", str(tmp_path / "out"))
    call(*export, code=0)
    assert "0 files would change" in call(*export, "--check", code=0)
    schema = yaml.safe_load((world.root / "catalog" / "account_created.yaml").read_text(encoding="utf-8"))
    schema["properties"] = {"coupon": {"type": "string"}, "plan": {"type": "string", "description": "New"}}
    (world.root / "catalog" / "account_created.yaml").write_text(yaml.safe_dump(schema), encoding="utf-8")
    diff = call(*export, "--check", code=1)
    assert """+COMMENT ON COLUMN "events"."account_created"."plan" IS 'New';""" in diff
    assert "coupon" not in diff
    world.type(MONDAY)
    assert '+  "coupon",' in call(*export, "--check", code=1)
    assert "changed: " in call(*export, code=0)
    sql = (tmp_path / "out" / "duckdb.sql").read_text(encoding="utf-8")
    assert '  "coupon",\n  "plan",\n' in sql  # the order of the catalog; in the table the new column is the last
    assert "0 files written" in call(*export, code=0)


def test_a_table_that_cannot_be_read_stops_no_other(
    built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out with the reason, and the exit code is 1."""
    world = use_copy(monkeypatch, built, tmp_path / "world")
    for commit in (world.root / "lake" / "events" / "account_created" / "_delta_log").glob("*.json"):
        commit.write_text("{", encoding="utf-8")
    output = call("export", "views", "--for", "duckdb", "--to", str(tmp_path / "out"), code=1)
    assert "events/account_created: left out: " in output
    sql = (tmp_path / "out" / "duckdb.sql").read_text(encoding="utf-8")
    assert ('"events"."lesson_started"' in sql, '"events"."account_created"' in sql) == (True, False)


def test_an_unknown_value_is_an_error(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a warehouse that cannot read a folder: nothing is written."""
    use(monkeypatch, built)
    assert "--set rolle: duckdb has no such value" in call(
        "export", "views", "--for", "duckdb", "--set", "rolle=x", code=2
    )
    assert "expected <name>=<value>" in call("export", "views", "--for", "duckdb", "--set", "rolle", code=2)
    assert "redshift reads a lake at s3://…" in call("export", "views", "--for", "redshift", code=2)


def test_a_lake_on_s3_is_read_where_it_is(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warehouse gets its address, and what has to be set is said."""
    lake = f"s3://{bucket}/lake"
    write_frame(open_lake(lake), "marts/users", pl.LazyFrame({"id": [1]}), None)
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", lake)
    out = call("export", "views", "--for", "bigquery", "--set", "project=p", "--to", str(tmp_path), code=0)
    assert "to run the statements, give --set location=… --set connection=…" in out
    sql = (tmp_path / "bigquery.sql").read_text(encoding="utf-8")
    assert f"uris = ['{lake}/marts/users']" in sql
    assert "CREATE OR REPLACE VIEW `p`.`event_platform_marts`.`users` (\n  `id`\n) AS" in sql


@pytest.mark.parametrize(
    ("iceberg", "table"),
    [("glue", "iceberg_marts_users"), ("glue namespace=other", "marts_users"), (None, "iceberg_marts_users")],
)
def test_redshift_reads_what_is_published(
    iceberg: str | None, table: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database and the names are those of EVENT_PLATFORM_ICEBERG; without it, the database has to be given."""
    lake = f"s3://{bucket}/lake"
    write_frame(open_lake(lake), "marts/users", pl.LazyFrame({"id": [1]}), None)
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", lake)
    monkeypatch.setenv("EVENT_PLATFORM_GLUE_DATABASE", "shared")
    if iceberg is not None:
        monkeypatch.setenv("EVENT_PLATFORM_ICEBERG", iceberg)
    out = call("export", "views", "--for", "redshift", "--to", str(tmp_path), code=0)
    sql = (tmp_path / "redshift.sql").read_text(encoding="utf-8")
    database = {"glue": "shared", None: "<iceberg_database>"}.get(iceberg, "other")
    assert f"FROM DATA CATALOG DATABASE '{database}'" in sql
    assert f'FROM "event_platform_external"."{table}"' in sql
    assert ("--set iceberg_database=…" in out) == (iceberg is None)
