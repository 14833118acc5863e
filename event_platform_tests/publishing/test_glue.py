"""Tables in the Glue Data Catalog: found as they are, kept as they become, and written only where something changed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.schema import Field, PrimitiveType, StructType, VariantType

from event_platform.events.catalog import EventType, load_catalog
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.glue import GlueDatabase, GlueError, Outcome, hive_type, open_glue
from event_platform.publishing.names import glue_name
from event_platform_tests.support.world import SCHEMAS, World, write_catalog

LONG = "A description that goes on: " + "ä" * 200


@pytest.fixture
def lake(bucket: str) -> Lake:
    """An empty lake in a bucket."""
    return open_lake(f"s3://{bucket}/lake")


@pytest.fixture
def database(lake: Lake) -> Iterator[GlueDatabase]:
    """An empty database."""
    opened = open_glue(f"events_{lake.storage.root.split('/')[2].partition('-')[2]}")
    opened.client.create_database(DatabaseInput={"Name": opened.name})
    yield opened
    opened.client.delete_database(Name=opened.name)


def event_type(world: World, **properties: dict[str, Any]) -> EventType:
    """Return the event type lesson:started, with more properties than it has otherwise."""
    schema = SCHEMAS["lesson_started"]
    grown = {**schema, "description": LONG, "properties": {**schema["properties"], **properties}}
    return load_catalog(write_catalog(world.root / "catalog", {"lesson_started": grown})).by_key["lesson_started"]


def calls_of(database: GlueDatabase) -> list[str]:
    """Return a list that grows by the name of each call that is made from now on."""
    calls: list[str] = []
    database.client.meta.events.register("before-call.glue", lambda model, **_: calls.append(model.name))
    return calls


def described(database: GlueDatabase, name: str) -> Any:
    """Return a table as Glue has it."""
    return database.client.get_table(DatabaseName=database.name, Name=name)["Table"]


def columns(database: GlueDatabase, name: str) -> dict[str, str]:
    """Return the columns of a table as Glue has them, with their types."""
    return {each["Name"]: each["Type"] for each in described(database, name)["StorageDescriptor"]["Columns"]}


def outcomes(database: GlueDatabase, *tables: Table, **how: bool) -> list[Outcome]:
    """Register tables and return what became of each."""
    return [each.outcome for each in database.register(tables, **how)]


def test_a_table_is_described_as_athena_itself_describes_one(lake: Lake, database: GlueDatabase, world: World) -> None:
    """Natively: by what it is and where, with the columns of its log, and without a manifest."""
    table = lake.event_table(event_type(world, answer={"type": "string", "description": f"{LONG}\n\nmore"}))
    delta = table.snapshot_to_write().delta
    assert delta is not None
    assert outcomes(database, table) == [Outcome.CREATED]
    entry = described(database, "events_lesson_started")
    assert entry["TableType"] == "EXTERNAL_TABLE"
    assert entry["Parameters"].items() >= {
        ("EXTERNAL", "TRUE"),
        ("table_type", "delta"),
        ("spark.sql.sources.provider", "delta"),
        ("classification", "delta"),
    }
    assert entry["PartitionKeys"] == []
    storage = entry["StorageDescriptor"]
    assert storage["Location"] == storage["SerdeInfo"]["Parameters"]["path"] == f"{table.uri}/"
    assert entry["Description"] == LONG
    comments = {each["Name"]: each["Comment"] for each in storage["Columns"]}
    assert comments["created_date"] == "Day (UTC) on which the event was created"
    assert len(comments["answer"].encode()) <= 255
    assert comments["answer"].startswith("A description that goes on: äää")
    assert list(comments) == [each.name for each in delta.schema().fields]
    # What Athena, Spark and others can read: no feature that a reader has to know.
    assert (delta.protocol().min_reader_version, delta.protocol().reader_features) == (1, None)


def test_every_kind_of_column_has_its_type_in_hives_words(lake: Lake, database: GlueDatabase, world: World) -> None:
    """Objects and arrays too, however deep, and names in lower case."""
    deep = {"type": "array", "items": {"type": "object", "properties": {"At": {"type": "string", "format": "date"}}}}
    counts = {"type": "object", "x-map": True, "additionalProperties": {"type": "array", "items": deep["items"]}}
    table = lake.event_table(event_type(world, appVersion={"type": "string"}, deep=deep, counts=counts))
    table.snapshot_to_write()
    assert outcomes(database, table) == [Outcome.CREATED]
    types = columns(database, "events_lesson_started")
    assert {name: types[name] for name in types if name not in {"event_uuid", "event_name", "event_type"}} == {
        "created_at": "double",
        "created_datetime": "timestamp",
        "created_date": "date",
        "event_subtype": "string",
        "user": "string",
        "level": "bigint",
        "score": "double",
        "hard": "boolean",
        "due": "timestamp",
        "birthday": "date",
        "mode": "string",
        "device": "struct<os:string,version:bigint>",
        "skills": "array<string>",
        "answers": "array<struct<id:bigint,right:boolean>>",
        "appversion": "string",
        "deep": "array<struct<at:date>>",
        "counts": "map<string,array<struct<at:date>>>",
        "_rescued": "string",
    }


@pytest.mark.parametrize(
    ("delta", "hive"),
    [
        *[("integer", "int"), ("short", "smallint"), ("byte", "tinyint"), ("float", "float"), ("binary", "binary")],
        *[("decimal(10, 2)", "decimal(10,2)"), ("timestamp_ntz", "timestamp")],
    ],
)
def test_the_other_types_of_delta_have_theirs(delta: str, hive: str) -> None:
    """Of tables that people add."""
    assert hive_type("x", PrimitiveType(delta)) == hive


def test_a_type_that_hive_lacks_is_told_with_its_column() -> None:
    """Rather than guessed."""
    with pytest.raises(TableError, match="column x: the Glue Data Catalog has no"):
        hive_type("x", VariantType())


def test_all_tables_of_the_platform_are_registered_once_and_then_left_alone(
    lake: Lake, database: GlueDatabase, world: World
) -> None:
    """One listing for all of them; if nothing changed, no log is read."""
    tables = lake.tables(world.catalog.event_types)
    for table in tables:
        table.snapshot_to_write()
    assert set(outcomes(database, *tables)) == {Outcome.CREATED}
    calls = calls_of(database)
    unreachable = [replace(table, storage=replace(table.storage, options={"endpoint": "none"})) for table in tables]
    assert set(outcomes(database, *unreachable)) == {Outcome.UNCHANGED}
    assert calls == ["GetTables"]
    assert set(outcomes(database, *tables, from_the_logs=True)) == {Outcome.UNCHANGED}
    names = {entry["Name"] for entry in database.client.get_tables(DatabaseName=database.name)["TableList"]}
    assert {"raw_events", "corrupt_events", "quality_report", "events_account_created"} < names
    assert names == set(map(glue_name, tables))


def test_a_column_that_a_table_gains_is_added(lake: Lake, database: GlueDatabase, world: World) -> None:
    """As the log has it after the commit; of the others nothing is written."""
    before = lake.event_table(event_type(world))
    before.snapshot_to_write()
    lake.raw_events.snapshot_to_write()
    assert outcomes(database, before, lake.raw_events) == [Outcome.CREATED, Outcome.CREATED]
    after = lake.event_table(event_type(world, streak={"type": "integer", "description": "Days in a row"}))
    delta = DeltaTable(after.uri, storage_options=dict(after.storage.options))
    delta.alter.add_columns([Field("streak", PrimitiveType("long"))])
    calls = calls_of(database)
    assert outcomes(database, after, lake.raw_events) == [Outcome.UPDATED, Outcome.UNCHANGED]
    assert calls == ["GetTables", "UpdateTable"]
    assert list(columns(database, "events_lesson_started"))[-2:] == ["_rescued", "streak"]
    assert outcomes(database, after) == [Outcome.UNCHANGED]
    # A property less: the column stays in the log, and in the catalog.
    assert outcomes(database, before) == [Outcome.UNCHANGED]
    assert outcomes(database, before, from_the_logs=True) == [Outcome.UPDATED]  # without the words of the schema
    assert columns(database, "events_lesson_started")["streak"] == "bigint"


def test_a_comment_that_changes_is_changed_there(lake: Lake, database: GlueDatabase, world: World) -> None:
    """And what others have noted of the table stays."""
    table = lake.event_table(event_type(world))
    table.snapshot_to_write()
    assert outcomes(database, table) == [Outcome.CREATED]
    required_keys = {
        name: described(database, glue_name(table))[name] for name in ("Name", "StorageDescriptor", "TableType")
    }
    table_input: Any = {**required_keys, "Parameters": {"owner": "learning"}}
    database.client.update_table(DatabaseName=database.name, TableInput=table_input)
    columns = [
        replace(column, comment="From one to nine" if column.name == "level" else column.comment)
        for column in table.spec.columns
    ]
    changed_table = replace(table, spec=replace(table.spec, columns=tuple(columns)))
    assert outcomes(database, changed_table) == [Outcome.UPDATED]
    entry = described(database, glue_name(table))
    assert entry["Parameters"]["owner"] == "learning"
    assert entry["Parameters"]["table_type"] == "delta"
    (level,) = [each for each in entry["StorageDescriptor"]["Columns"] if each["Name"] == "level"]
    assert level["Comment"] == "From one to nine"


def test_a_table_that_is_not_there_yet_and_one_that_left_the_catalog_are_left_alone(
    lake: Lake, database: GlueDatabase, world: World
) -> None:
    """Unreadable tables are not registered, and readable ones are not removed."""
    table = lake.event_table(event_type(world))
    assert outcomes(database, table) == [Outcome.NO_TABLE_YET]
    table.snapshot_to_write()
    assert outcomes(database, table) == [Outcome.CREATED]
    platform_tables = lake.tables([])
    assert set(outcomes(database, *platform_tables)) == {Outcome.NO_TABLE_YET}
    assert columns(database, "events_lesson_started")


def test_a_table_of_somebody_else_is_not_replaced(lake: Lake, database: GlueDatabase) -> None:
    """Such as another environment's in the same database; the other tables are registered."""
    other: Any = {"Name": "raw_events", "StorageDescriptor": {"Location": "s3://elsewhere/raw_events", "Columns": []}}
    database.client.create_table(DatabaseName=database.name, TableInput=other)
    lake.raw_events.snapshot_to_write()
    lake.quality_report.snapshot_to_write()
    raw_events, quality_report = database.register([lake.raw_events, lake.quality_report])
    assert (raw_events.outcome, quality_report.outcome) == (Outcome.FAILED, Outcome.CREATED)
    assert "another table of this name, at s3://elsewhere/raw_events" in raw_events.reason
    assert described(database, "raw_events")["StorageDescriptor"]["Location"] == "s3://elsewhere/raw_events"


def test_a_name_is_no_more_than_a_name_in_the_type_of_a_column() -> None:
    """Names of a catalog are plain; those of a table that somebody else made need not be."""
    odd = StructType([Field("a:int,b", PrimitiveType("long"))])
    with pytest.raises(TableError, match="x: the column 'a:int,b' cannot be a column in Hive"):
        hive_type("x", odd)


def test_a_run_at_the_same_time_may_be_first(
    lake: Lake, database: GlueDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen the same log."""
    lake.raw_events.snapshot_to_write()
    assert outcomes(database, lake.raw_events) == [Outcome.CREATED]
    monkeypatch.setattr(GlueDatabase, "_tables", lambda _: {})
    assert outcomes(database, lake.raw_events) == [Outcome.UNCHANGED]


def test_a_database_that_is_not_there_is_told_with_what_to_do(lake: Lake) -> None:
    """By the name of the variable."""
    with pytest.raises(GlueError, match=r"EVENT_PLATFORM_GLUE_DATABASE: nowhere: EntityNotFound.*create the database"):
        open_glue("nowhere").register([lake.raw_events])
