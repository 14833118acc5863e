"""The SQL for every warehouse: sqlglot reads each statement, whatever the names and comments of the tables are."""

import re
from dataclasses import replace
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import TokenType, exp

from event_platform.cli.commands.export import WAREHOUSE_NAMES
from event_platform.events.errors import SettingError
from event_platform.exporting.dialect import one_line
from event_platform.exporting.relations import Relation, name_clashes
from event_platform.exporting.views import placeholders, refusals, require_readable, views_sql
from event_platform.exporting.warehouses import WAREHOUSES
from event_platform.exporting.warehouses.base import Warehouse, values_of
from event_platform.lake.registry import FILTERED_EVENTS, PLATFORM_TABLES
from event_platform_tests.support.live import PROJECT

PAGES = PROJECT / "docs" / "how-to" / "warehouses"

#: Statements that sqlglot only cuts into tokens.
NOT_PARSED = re.compile(
    "CREATE EXTERNAL SCHEMA|CREATE CATALOG INTEGRATION|CREATE OR REPLACE EXTERNAL TABLE|GRANT USE CATALOG"
)

KNOWN = {"lake": "s3://lake/data", "glue_database": "event_platform_prod", "iceberg_database": "event_platform_prod"}

#: What ends a text, a name, a statement or a comment in one of the dialects, or begins one.
HOSTILE = st.lists(
    st.sampled_from(
        ["'", '"', "`", ";", "--", "/*", "*/", "\\", "\n", "\r\n", "\u2028", "$$", "#", "{{", "{%", "{#", "a", " "]
    )
    | st.characters(exclude_categories=["Cs"]),
    max_size=12,
).map("".join)

TABLES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,12}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,12})?", fullmatch=True)

PLAIN_NAMES = st.from_regex("[a-z_][a-z0-9_]{0,8}", fullmatch=True)

#: Many warehouses refuse names that are not plain: what is asked of a table that is not refused must not be rare.
COLUMNS = [st.lists(st.tuples(names, HOSTILE), min_size=1, max_size=3) for names in (PLAIN_NAMES, HOSTILE)]

RELATIONS = st.builds(
    lambda table, columns, description, holds_records: Relation(
        table, tuple(columns), description, table.replace("/", "_").lower(), holds_records
    ),
    TABLES,
    st.one_of(COLUMNS),
    HOSTILE,
    st.booleans(),
)


def opened(name: str, **options: str) -> Warehouse:
    """Open a warehouse over a lake on S3."""
    return WAREHOUSES[name](values_of(WAREHOUSES[name], KNOWN, options))


def statements_for(warehouse: Warehouse, *relations: Relation) -> list[str]:
    """Return all statements for some tables."""
    return [*warehouse.setup(relations), *(text for relation in relations for text in warehouse.view(relation))]


def parsed(statement: str, dialect: str) -> Any:
    """Parse one statement; what is known to be beyond sqlglot is only cut into tokens."""
    (expression,) = sqlglot.parse(statement, dialect=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    assert not isinstance(expression, exp.Command) or NOT_PARSED.match(statement), statement
    return expression


def created_view(warehouse: Warehouse, relation: Relation) -> exp.Create:
    """Return the statement that creates a view."""
    expressions = [parsed(each, warehouse.dialect.name) for each in warehouse.view(relation)]
    (view,) = (each for each in expressions if isinstance(each, exp.Create) and each.kind == "VIEW")
    return view


def count_statements(warehouse: Warehouse, sql: str) -> int:
    """Return how many statements a file has. One for Athena is read as Hive's or as Trino's, and each by itself."""
    dialect = "mysql" if warehouse.dialect.name == "athena" else warehouse.dialect.name
    return sum(token.token_type is TokenType.SEMICOLON for token in sqlglot.tokenize(sql, dialect))


def texts(statements: list[str], dialect: str) -> set[str]:
    """Return the texts in statements, without their quotes."""
    tokens = (token for each in statements for token in sqlglot.tokenize(each, dialect))
    return {token.text for token in tokens if token.token_type is TokenType.STRING}


@pytest.fixture(params=WAREHOUSE_NAMES)
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """Each warehouse."""
    return opened(request.param)


PLAIN = Relation(
    "events/lesson_started",
    (("event_uuid", "The id"), ("order", "It's a \\ reserved word; -- and a comment"), ("_rescued", "")),
    "A learner's lesson",
    "events_lesson_started",
)
RAW = Relation("raw_events", (("body", "The record"),), "", "raw_events", holds_records=True)


def test_the_command_knows_every_warehouse() -> None:
    """The choices of `--for` are the warehouses that there are."""
    assert list(WAREHOUSE_NAMES) == list(WAREHOUSES)


def test_statements_are_of_the_dialect(warehouse: Warehouse) -> None:
    """Each is parsed by sqlglot, except those that it is known not to support."""
    statements = statements_for(warehouse, RAW, PLAIN)
    assert all(parsed(each, warehouse.dialect.name) for each in statements)
    sql = views_sql(warehouse, [RAW, PLAIN], {"events/x": "it was not written yet"})
    assert [f"{each};" for each in statements if f"{each};\n" not in sql] == []
    assert count_statements(warehouse, sql) == len(statements)


def test_a_view_has_the_columns_in_their_order(warehouse: Warehouse) -> None:
    """In the order of the catalog, each under its own name in the case of the warehouse, a reserved word as well."""
    view = created_view(warehouse, PLAIN)
    assert _selected(view) == [warehouse.fold(name) for name, _ in PLAIN.columns]
    target = view.this if isinstance(view.this, exp.Table) else view.this.this
    assert [part.name for part in target.parts] == list(warehouse.view_path(PLAIN))


def test_comments_arrive(warehouse: Warehouse) -> None:
    """Word for word; Athena has none, and Redshift none of columns."""
    every = {PLAIN.description, *(comment for _, comment in PLAIN.columns if comment)}
    expected = {"athena": set[str](), "redshift": {PLAIN.description}}.get(warehouse.dialect.name, every)
    assert every & texts(statements_for(warehouse, PLAIN), warehouse.dialect.name) == expected


def test_whole_records_are_for_engineers(warehouse: Warehouse) -> None:
    """Analysts are granted the events, and not the records; where the warehouse grants nothing, nobody is."""
    sql = {relation.table: "\n".join(warehouse.view(relation)) for relation in (RAW, PLAIN)}
    if "analysts" not in warehouse.values:
        assert "GRANT" not in "".join(sql.values())
        return
    analysts, engineers = (warehouse.fold(warehouse.values[name]) for name in ("analysts", "engineers"))
    assert (analysts in sql[RAW.table], engineers in sql[RAW.table]) == (False, True)
    assert (analysts in sql[PLAIN.table], engineers in sql[PLAIN.table]) == (True, True)


@pytest.mark.parametrize("name", WAREHOUSE_NAMES)
@settings(max_examples=20)
@given(relation=RELATIONS)
def test_names_and_comments_never_become_sql(name: str, relation: Relation) -> None:
    """A table that is not refused gives as many statements as one with plain names, with exactly its own names."""
    warehouse = opened(name)
    if reasons := refusals(warehouse, [relation]):
        assert reasons[relation.table].isprintable()
        return
    statements = statements_for(warehouse, relation)
    assert all(parsed(each, name) for each in statements)
    sql = views_sql(warehouse, [relation], {relation.table: relation.description})
    assert count_statements(warehouse, sql) == len(statements)
    assert _selected(created_view(warehouse, relation)) == [warehouse.fold(column) for column, _ in relation.columns]
    comments = {one_line(text)[:1_024] for text in (relation.description, *(text for _, text in relation.columns))}
    values = {folded for value in warehouse.values.values() for folded in (value, warehouse.fold(value))}
    constants = {relation.table, f"{warehouse.values.get('lake')}/{relation.table}", "DELTA_LAKE"}
    assert texts(statements, name) <= comments | values | constants


@pytest.mark.parametrize("name", ["redshift", "snowflake"])
@settings(max_examples=10)
@given(text=HOSTILE)
def test_a_client_may_know_of_backslashes_or_not(name: str, text: str) -> None:
    """It cuts the file into the same statements: psql goes by a setting of the server."""
    warehouse = opened(name)
    sql = views_sql(warehouse, [replace(PLAIN, description=text)], {})
    tokens = sqlglot.tokenize(sql, "postgres")
    assert sum(token.token_type is TokenType.SEMICOLON for token in tokens) == count_statements(warehouse, sql)


@pytest.mark.parametrize("name", WAREHOUSE_NAMES)
@settings(max_examples=10)
@given(value=HOSTILE)
def test_values_of_an_account_never_become_sql(name: str, value: str) -> None:
    """A value is quoted as it is, or refused."""
    plain = statements_for(opened(name), PLAIN)
    for variable in WAREHOUSES[name].variables:
        try:
            statements = statements_for(opened(name, **{variable.name: value}), PLAIN)
        except SettingError:
            continue
        assert len(statements) == len(plain)
        assert all(parsed(each, name) for each in statements)


def _selected(view: exp.Create) -> list[str]:
    select = view.find(exp.Select)
    assert select is not None
    return list(select.named_selects)


@pytest.mark.parametrize(
    ("name", "relation", "reason"),
    [
        ("redshift", Relation("events/" + "k" * 113, (("a", ""),), "", "events_" + "k" * 113), "127"),
        ("redshift", Relation("t", tuple((f"c{n}", "") for n in range(1_601)), "", "t"), "1,600"),
        ("snowflake", Relation("t", (("\u0131", ""), ("i", "")), "", "t"), "two columns"),
        ("athena", Relation("t", (("größe", ""),), "", "t"), "größe"),
        ("athena", Relation("t", (("a", ""),), "", "t", fields=("b", "größe")), "größe"),
        ("trino", Relation("a-b", (("a", ""),), "", "a-b"), "a-b"),
        ("trino", Relation("t", (("2a", ""),), "", "t"), "2a"),
        ("bigquery", Relation("t", (("größe", ""),), "", "t"), "größe"),
        ("bigquery", Relation("t", (("_partitiondate", ""),), "", "t"), "reserved"),
        ("databricks", Relation("t", (("a b", ""),), "", "t"), "a b"),
        ("databricks", Relation("tables/x", (("a", ""),), "", "tables_x"), "another key"),
        ("duckdb", Relation("t", (("a\nb", ""),), "", "t"), "a b"),
        ("duckdb", Relation("t", (("a", ""), ("A", "")), "", "t"), "two columns"),
    ],
)
def test_what_a_warehouse_cannot_have_is_refused(name: str, relation: Relation, reason: str) -> None:
    """With the limit and the name, before any statement is written."""
    assert reason in refusals(opened(name), [relation, PLAIN])[relation.table]
    assert refusals(opened(name), [PLAIN, Relation("events/2fa", PLAIN.columns, "", "events_2fa")]) == {}


def test_two_tables_of_one_name_are_one_too_many() -> None:
    """The second one is refused: names are in lower case, and dots and dashes become underscores."""
    columns = (("a", ""),)
    tables = [Relation(name, columns) for name in ("a/b-c", "A/b.c", "a_b/c", "platform/raw_events", "raw_events")]
    assert list(name_clashes(tables)) == ["A/b.c", "a_b/c", "raw_events"]


def test_a_lake_has_to_be_where_the_warehouse_reads() -> None:
    """A folder of this machine is none for a warehouse; an address in its own words is."""
    with pytest.raises(SettingError, match="redshift reads a lake at s3://…"):
        require_readable(opened("redshift"), "/data/lake")
    with pytest.raises(SettingError, match="--set lake="):
        require_readable(opened("databricks", lake="az://c/lake"), "az://c/lake")
    require_readable(opened("databricks", lake="abfss://c@account.dfs.core.windows.net/lake"), "az://c/lake")


def test_a_value_is_written_as_it_is_or_refused() -> None:
    """An address with a line break in it would be another address without."""
    with pytest.raises(SettingError, match="invisible characters"):
        list(opened("duckdb", lake="a\nb").view(PLAIN))
    with pytest.raises(SettingError, match="expected a value"):
        opened("duckdb", lake="")
    assert opened("redshift", table_prefix="").source(PLAIN) == ("event_platform_external", "events_lesson_started")


def test_redshift_has_whole_records_in_a_schema_of_their_own() -> None:
    """A user of an external schema may read all its tables: analysts use a schema whose role cannot read records."""
    warehouse = opened("redshift", iam_role="arn:events", records_iam_role="arn:records")
    assert (warehouse.source(RAW)[0], warehouse.source(PLAIN)[0]) == (
        "event_platform_records",
        "event_platform_external",
    )
    setup = [" ".join(each.split()) for each in warehouse.setup([RAW, PLAIN])]
    for schema, role in (("event_platform_external", "arn:events"), ("event_platform_records", "arn:records")):
        created = f"EXTERNAL SCHEMA IF NOT EXISTS \"{schema}\" FROM DATA CATALOG DATABASE 'event_platform_prod'"
        assert f"CREATE {created} IAM_ROLE '{role}'" in setup
    granted = {each for each in setup if each.startswith("GRANT") and '"event_analysts"' in each}
    used = ("event_platform_external", "platform", "events")
    assert granted == {f'GRANT USAGE ON SCHEMA "{schema}" TO ROLE "event_analysts"' for schema in used}


def test_pages_keep_all_whole_records_from_analysts() -> None:
    """For warehouses that grant nothing or read with an AWS role, the pages name all tables with records."""
    records = [spec.name for spec in (*PLATFORM_TABLES, FILTERED_EVENTS) if "body" in spec.schema]
    trino, redshift, index = (
        (PAGES / f"{name}.md").read_text(encoding="utf-8") for name in ("trino", "redshift", "index")
    )
    (pattern,) = re.findall(r'"table": "(.*?)"', trino)
    assert [name for name in records if not re.fullmatch(pattern, name)] == []
    assert [name for name in records if f"/lake/{name}/*" not in redshift or f"`{name}`" not in index] == []


def test_what_has_to_be_set_is_listed() -> None:
    """Until it is set; a value that the warehouse does not have is an error."""
    assert placeholders(opened("redshift")) == ["iam_role", "records_iam_role"]
    role = "arn:aws:iam::1:role/r"
    assert placeholders(opened("redshift", iam_role=role, records_iam_role=role)) == []
    with pytest.raises(SettingError, match="iam_rule: redshift has no such value; it has iceberg_database"):
        opened("redshift", iam_rule="x")
