"""Derived columns in tables: read back, made by workers, due after a change, and never the end of a type."""

from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from event_platform.checks.conformance import check_dates
from event_platform.checks.faults import Fault
from event_platform.compute.dask import cluster
from event_platform.compute.pool import local_pool
from event_platform.defs.metadata import COLUMN_LINEAGE, COLUMN_SCHEMA
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.sizing import Sizing
from event_platform.pipeline.typing.step import UNREGISTERED, type_all
from event_platform_tests.support import duckdb_delta
from event_platform_tests.support.dask_cluster import dask_cluster
from event_platform_tests.support.html import Seen
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

PAID, KEY = "order:paid", "order_paid"
DERIVE: dict[str, Any] = {
    "total": "price * quantity",
    "week": {"sql": "date_trunc('week', created_datetime)", "type": "string", "format": "date-time"},
    "domain": {"sql": "split_part(email, '@', 2)", "type": "string", "description": "Domain of the mail."},
    "segment": {"function": "segments:of_user", "columns": ["user"], "type": "string"},
    "country_name": {"lookup": "countries.csv", "by": "country", "value": "name"},
    "number": {"sql": "cast(code as bigint)", "type": "integer"},
}
SEGMENTS = """
import polars as pl

def of_user(frame: pl.DataFrame) -> pl.Expr:
    return pl.when(pl.col("user").str.starts_with("staff_")).then(pl.lit("staff")).otherwise(pl.lit("customer"))
"""
COUNTRIES = "country,name\nde,Germany\nfr,France\n"
YOUNG_FILES = Sizing(files_per_compaction=2, compaction_age=timedelta())


def schemas(derive: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return two types, of which one has derived columns."""
    text = {"type": "string"}
    order = {
        "title": PAID,
        "properties": {
            "price": {"type": "number"},
            "quantity": {"type": "integer"},
            "email": {"type": "string", "x-personal": True},
            **dict.fromkeys(("user", "country", "code"), text),
        },
    }
    return {
        KEY: order | ({"x-derive": derive} if derive else {}),
        "page": {"title": "page", "properties": {"url": text}},
    }


def paid(number: int, **fields: Any) -> dict[str, Any]:
    """Return an event with what columns are derived from."""
    values = {"price": 2.5, "quantity": number, "email": f"a@mail{number}.example", "user": "staff_1", "country": "fr"}
    return event(f"u{number}", MONDAY, PAID, **values | {"code": str(number)} | fields)


@pytest.fixture
def orders(tmp_path: Path) -> World:
    """A world of two types, with three days of nothing else."""
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "segments.py").write_text(SEGMENTS, encoding="utf-8")
    (tmp_path / "catalog" / "countries.csv").write_text(COUNTRIES, encoding="utf-8")
    world = World(tmp_path, schemas=schemas(DERIVE))
    world.deliver(
        MONDAY, "a", paid(1), paid(2, user="x", country="xx"), paid(3, quantity=None), event("p", name="page")
    )
    return world


def rewrite(world: World, derive: dict[str, Any]) -> None:
    """Change what the catalog derives."""
    path = world.root / "catalog" / f"{KEY}.yaml"
    path.write_text(yaml.safe_dump(schemas(derive)[KEY], sort_keys=False), encoding="utf-8")


def page_of(world: World) -> str:
    """Return the page of the type that derives."""
    (path,) = (world.root / "lake" / "reports").rglob(f"{KEY}.html")
    return path.read_text(encoding="utf-8")


def outdated(world: World) -> dict[str, list[Any]]:
    """Return which partitions of which types are due for a change of the catalog."""
    due = due_created_dates(world.lake, world.catalog).backfills.due
    return {table.removeprefix("events/"): list(days) for table, days in due.items()}


def test_they_are_columns_like_others(orders: World) -> None:
    """For polars and DuckDB; a key without a value, and a value that is null, give null."""
    orders.build(MONDAY)
    names = list(DERIVE)
    monday = datetime(2025, 6, 2, tzinfo=UTC)
    expected = [
        (2.5, monday, "mail1.example", "staff", "France", 1),
        (5.0, monday, "mail2.example", "customer", None, 2),
        (None, monday, "mail3.example", "staff", "France", 3),
    ]
    assert orders.events(KEY).select(names).rows() == expected
    table = orders.event_table(KEY)
    with duckdb_delta.connect() as connection:
        rows = (
            connection.sql(f"from delta_scan('{table.uri}') order by event_uuid").project(", ".join(names)).fetchall()
        )
    assert rows == expected
    comments = {field.name: field.metadata.get("comment") for field in table.snapshot().delta.schema().fields}  # type: ignore[union-attr]
    assert comments["domain"] == "Domain of the mail. Derived: split_part(email, '@', 2)"
    assert comments["country_name"] == "Derived: name of countries.csv by country"


def test_a_division_by_zero_is_what_polars_makes_of_it(orders: World) -> None:
    """Infinity, which Delta's statistics cannot hold: readers find the rows all the same."""
    rewrite(orders, {"ratio": "price / quantity", "rest": "cast(price as bigint) % quantity"})
    orders.deliver(MONDAY, "b", paid(4, quantity=0), paid(5, quantity=0, price=0))
    orders.build(MONDAY)
    table = orders.event_table(KEY)
    rows = pl.scan_delta(table.uri).filter(pl.col("ratio") > 100).select("event_uuid", "ratio", "rest").collect().rows()
    assert ("u4", float("inf"), None) in rows
    with duckdb_delta.connect() as connection:
        values = (
            connection.sql(f"from delta_scan('{table.uri}')").filter("isinf(ratio)").project("event_uuid").fetchall()
        )
    assert values == [("u4",)]


def test_a_commit_names_the_version_of_each_reference_table(orders: World) -> None:
    """By its SHA-256; the table of a type without one says nothing."""
    orders.build(MONDAY)
    (info,) = [each for each in orders.event_table(KEY).snapshot().commits_since(0) if "reference_tables" in each]
    assert info["reference_tables"] == {"countries.csv": sha256(COUNTRIES.encode()).hexdigest()}
    assert not any("reference_tables" in each for each in orders.event_table("page").snapshot().commits_since(0))


def test_what_fails_is_null_counted_and_shown_and_the_type_is_there(orders: World) -> None:
    """In the check, on the page of the type, and after files are compacted."""
    orders.deliver(MONDAY, "b", paid(4, code="x<b>y"), paid(5))
    orders.build(MONDAY)
    orders.deliver(MONDAY, "c", paid(6, code="z"))
    orders.build(MONDAY)
    assert dict(orders.events(KEY).select("event_uuid", "number").rows())["u4"] is None
    assert orders.events(KEY)["number"].null_count() == 2
    event_type, table = orders.catalog.by_key[KEY], orders.event_table(KEY)

    def check() -> dict[str, Any]:
        ((_, result),) = check_dates(event_type, table.snapshot(), [MONDAY])
        assert result.faults == {Fault.FAILED_DERIVATIONS: 2}
        assert result.description.startswith("1 x not derived: number: InvalidOperationError: conversion from `str`")
        assert result.metadata["values_not_derived"] == 2
        return dict(result.metadata["failed_derivations"])

    before = check()
    page = Seen(page_of(orders).encode())
    assert "number: InvalidOperationError: conversion from `str` to `i64`" in page.text
    assert "could not be derived" in page.text
    assert len(table.snapshot().files()) == 2
    orders.sizing = YOUNG_FILES
    orders.deliver(MONDAY, "d", paid(7))
    orders.build(MONDAY)
    assert len(table.snapshot().files()) == 2  # the two are one, beside the new one
    assert check() == before


def test_personal_values_are_masked_in_what_is_derived_from_them(orders: World) -> None:
    """On pages; in the table they are as they are."""
    orders.build(MONDAY)
    page = page_of(orders)
    assert "mail1.example" not in page
    assert "France" in page
    rewrite(orders, DERIVE | {"domain": DERIVE["domain"] | {"x-personal": False}})
    orders.deliver(MONDAY, "b", paid(4))
    orders.build(MONDAY)
    page = page_of(orders)
    assert "mail1.example" in page


def test_a_change_concerns_the_table_that_derives(orders: World) -> None:
    """Of an expression, a function's source and a reference table; what was due is rebuilt, and then nothing is."""
    rewrite(orders, {})
    orders.build(MONDAY)
    assert outdated(orders) == {}
    rewrite(orders, DERIVE)
    assert outdated(orders) == {KEY: [MONDAY]}
    orders.type(MONDAY)
    assert outdated(orders) == {}
    assert orders.events(KEY)["total"].to_list() == [2.5, 5.0, None]
    described = {name: {"sql": rule} if isinstance(rule, str) else rule for name, rule in DERIVE.items()}
    rewrite(orders, {name: rule | {"description": "Words."} for name, rule in described.items()})
    assert outdated(orders) == {}
    for change in (
        lambda: rewrite(orders, DERIVE | {"total": "price * quantity * 2"}),
        lambda: (orders.root / "catalog" / "segments.py").write_text(SEGMENTS.replace("customer", "buyer")),
        lambda: (orders.root / "catalog" / "countries.csv").write_text(COUNTRIES + "xx,Nowhere\n"),
    ):
        change()
        assert outdated(orders) == {KEY: [MONDAY]}
        page = orders.event_table("page").snapshot().version
        orders.type(MONDAY, keys=[KEY])
        assert outdated(orders) == {}
        assert orders.event_table("page").snapshot().version == page
    rows = orders.events(KEY).select("total", "segment", "country_name").rows()
    assert rows == [(5.0, "staff", "France"), (10.0, "buyer", "Nowhere"), (None, "staff", "France")]


def test_a_day_is_appended_to_only_with_the_same_definitions(orders: World) -> None:
    """No table has rows of two kinds in one partition."""
    orders.build(MONDAY)
    rewrite(orders, DERIVE | {"total": "price * 100"})
    orders.deliver(MONDAY, "b", paid(4))
    orders.build(MONDAY)
    assert orders.events(KEY)["total"].to_list() == [250.0] * 4
    orders.deliver(MONDAY, "c", paid(5))
    orders.build(MONDAY)
    assert orders.events(KEY)["total"].to_list() == [250.0] * 5
    assert len(orders.event_table(KEY).snapshot().files([MONDAY])) == 2
    assert outdated(orders) == {}
    rewrite(orders, {})
    assert outdated(orders) == {KEY: [MONDAY]}  # as a property that leaves the schema
    orders.type(MONDAY)
    assert outdated(orders) == {}


def _type_elsewhere(world: World, executor: Executor) -> None:
    """Type in other processes, which find no file of the catalog."""
    catalog = world.catalog
    for name in ("segments.py", "countries.csv", f"{KEY}.yaml"):
        (world.root / "catalog" / name).unlink()
    context = PipelineContext(world.lake, executor, sizing=Sizing(small_rows=0))
    reports = type_all(context, catalog, [*catalog.by_key, UNREGISTERED], [MONDAY, TUESDAY])
    assert [each.error for each in reports.values()] == [None] * 3
    rows = pl.read_delta(world.lake.event_table(catalog.by_key[KEY]).uri).sort("event_uuid")
    assert rows["segment"].to_list() == ["staff", "customer", "staff"]
    assert rows["country_name"].to_list() == ["France", None, "France"]
    assert rows["total"].to_list() == [2.5, 5.0, None]


def test_workers_of_a_pool_get_functions_and_tables_with_the_task(orders: World) -> None:
    """The source is sent, so that every worker runs what the driver has read."""
    orders.load(MONDAY)
    orders.deduplicate(MONDAY)
    with local_pool(1) as executor:
        _type_elsewhere(orders, executor)


@pytest.mark.xdist_group("dask")
def test_workers_of_a_cluster_get_functions_and_tables_with_the_task(orders: World, tmp_path: Path) -> None:
    """As those of a pool."""
    orders.load(MONDAY)
    orders.deduplicate(MONDAY)
    with dask_cluster(tmp_path / "dask") as started:
        started.start_scheduler()
        started.start_worker()
        with cluster(started.address) as executor:
            _type_elsewhere(orders, executor)


def test_dagster_knows_their_types_words_and_sources(orders: World) -> None:
    """And another code version where they are derived in another way."""

    def spec() -> Any:
        graph = orders.definitions().resolve_asset_graph()
        return next(each.to_asset_spec() for each in graph.asset_nodes if each.key.path[-1] == KEY)

    before = spec()
    columns = {each.name: each for each in before.metadata[COLUMN_SCHEMA].columns}
    assert columns["total"].type == "double"
    assert columns["total"].description == "Derived: price \\* quantity"
    lineage = before.metadata[COLUMN_LINEAGE].deps_by_column
    assert [dep.column_name for dep in lineage["total"]] == ["body"]
    assert [dep.column_name for dep in lineage["week"]] == ["created_datetime"]
    (orders.root / "catalog" / "countries.csv").write_text(COUNTRIES + "xx,Nowhere\n")
    assert spec().code_version != before.code_version
