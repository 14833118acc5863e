"""The metadata of a table before it is materialized: columns, lineage, example query and code version."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import deltalake
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleCauseCategory
from dagster._core.loader import LoadingContextForTest
from deltalake import DeltaTable
from markdown_it import MarkdownIt

from event_platform.cli.query import run_query
from event_platform.defs.partitions import FOLLOW_LATE_DATA, daily_partitions
from event_platform.defs.resources.platform import FolderLakeResource
from event_platform.lake.tables import Table
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, copy_of, event, write_catalog

LESSON = dg.AssetKey(["events", "lesson_started"])
DEDUPLICATED = dg.AssetKey("deduplicated_events")
FOREIGN = "# <b>x</b> *y* [z](http://example.com) ![i](http://example.com/i)\n\n```\n- www.example.com {0}"


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Every table has rows, of sound and of bad records."""
    world = World(tmp_path_factory.mktemp("built"))
    lesson = event("l1", name="lesson:started", user="usr_1", skills=["a"], device={"os": "ios"}, unknown=1)
    world.deliver(MONDAY, "a", lesson, event("a1", plan="pro"), event("p", name="payment:order:completed"), "{broken")
    world.deliver(TUESDAY, "b", event("a1", plan="pro"), event("a1", plan="free"), event("n", name="ping"))
    world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def specs(world: World) -> dict[dg.AssetKey, dg.AssetSpec]:
    """Return what the code location says of each asset."""
    return {spec.key: spec for spec in world.definitions().resolve_all_asset_specs()}


def schema_of(spec: dg.AssetSpec) -> dg.TableSchema:
    """Return the columns that the UI shows of an asset."""
    value = spec.metadata["dagster/column_schema"]
    return value.schema if isinstance(value, dg.TableSchemaMetadataValue) else value


def tables(world: World) -> Iterator[tuple[dg.AssetSpec, Table]]:
    """Yield each asset with its table."""
    by_key = specs(world)
    for table in world.lake.tables(world.catalog.event_types):
        yield by_key[dg.AssetKey(table.name.split("/"))], table


def test_the_columns_that_are_shown_are_those_of_the_table(built: World) -> None:
    """With the types and the comments that other readers of Delta see."""
    for spec, table in tables(built):
        assert spec.metadata["dagster/uri"] == table.uri
        fields = DeltaTable(table.uri).schema().fields
        shown = schema_of(spec).columns
        assert [column.name for column in shown] == [field.name for field in fields]
        assert [column.description or "" for column in shown] == [field.metadata.get("comment", "") for field in fields]
        types = dict(zip([column.name for column in shown], [column.type for column in shown], strict=True))
        assert types["created_date"] == "date"
    lesson = {column.name: column.type for column in schema_of(specs(built)[LESSON]).columns}
    assert lesson["level"] == "long"
    assert lesson["device"] == "struct<os: string, version: long>"
    assert lesson["answers"] == "array<struct<id: long, right: boolean>>"


def test_what_is_said_to_be_filled_and_unique_is(built: World) -> None:
    """In rows of every kind."""
    for spec, table in tables(built):
        rows = pl.read_delta(table.uri)
        assert rows.height > 0, spec.key
        filled = [column.name for column in schema_of(spec).columns if not column.constraints.nullable]
        assert {name: rows[name].null_count() for name in filled} == dict.fromkeys(filled, 0), spec.key
        assert rows.select(table.spec.primary_key).is_unique().all(), spec.key
        constraints = schema_of(spec).constraints
        assert constraints is not None
        assert constraints.other[0] == f"unique: {', '.join(table.spec.primary_key)}"


def test_comments_and_rules_of_the_catalog_are_shown_with_its_columns(tmp_path: Path) -> None:
    """The comment as plain text, whatever it holds."""
    properties = {
        "user": {"type": "string", "description": "Who did it", "pattern": "^usr_"},
        "level": {"type": "integer", "description": FOREIGN, "minimum": 1, "enum": [1, 2]},
    }
    lesson = {"title": "lesson:started", "required": ["user"], "properties": properties}
    spec = specs(World(tmp_path, {"lesson_started": lesson}))[LESSON]
    columns = {column.name: column for column in schema_of(spec).columns}
    assert columns["user"].description == "Who did it"
    assert columns["user"].constraints.other == ["required", "pattern: ^usr_"]
    assert columns["user"].constraints.nullable  # an event without it is kept, and counted
    assert columns["level"].constraints.other == ["enum: 1, 2", "minimum: 1"]
    assert columns["event_uuid"].constraints == dg.TableColumnConstraints(nullable=False)
    assert tokens(columns["level"].description or "") == {"paragraph_open", "inline", "paragraph_close", "text"}


def tokens(markdown: str) -> set[str]:
    """Return what a Markdown text consists of; a mark that is written out is text."""
    parsed = MarkdownIt("commonmark").parse(markdown)
    kinds = {child.type for token in parsed for child in [token, *(token.children or [])]}
    return {"text" if kind == "text_special" else kind for kind in kinds}


def test_the_words_of_the_catalog_are_no_markup_in_a_description(tmp_path: Path) -> None:
    """Nor do they fill in what is left open, or end a block."""
    plain = {"title": "lesson:started", "description": "Plain words.", "properties": {}}
    expected = specs(World(tmp_path / "plain", {"lesson_started": plain}))[LESSON].description
    spec = specs(World(tmp_path / "foreign", {"lesson_started": {**plain, "description": FOREIGN}}))[LESSON]
    assert expected is not None
    assert spec.description is not None
    assert "Plain words." in expected
    assert tokens(spec.description) == tokens(expected)
    assert "{0}" in spec.description
    assert spec.description.count("\n\n") == expected.count("\n\n")


def test_every_column_of_an_event_table_comes_from_one_of_the_deduplicated_events(built: World) -> None:
    """The common ones from those of the same name, the others from the body."""
    lineage = specs(built)[LESSON].metadata["dagster/column_lineage"].deps_by_column
    assert list(lineage) == built.events("lesson_started").columns
    found = {name: [(dep.asset_key, dep.column_name) for dep in deps] for name, deps in lineage.items()}
    assert found["event_uuid"] == [(DEDUPLICATED, "event_uuid")]
    assert found["level"] == found["_rescued"] == [(DEDUPLICATED, "body")]


def test_lineage_leads_to_columns_that_are_there(built: World) -> None:
    """Of assets that the table is made of."""
    known = {spec.key: (spec, table) for spec, table in tables(built)}
    for spec, table in known.values():
        if "dagster/column_lineage" not in spec.metadata:
            assert spec.key.to_user_string() in {"raw_events", "quality_report"}
            continue
        lineage = spec.metadata["dagster/column_lineage"].deps_by_column
        assert set(lineage) == set(table.schema)
        for dep in [dep for deps in lineage.values() for dep in deps]:
            assert dep.asset_key in {each.asset_key for each in spec.deps}
            assert dep.column_name in known[dep.asset_key][1].schema


def test_what_a_description_says_how_to_query_works(built: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Word for word, for every table."""
    names: dict[str, Any] = {
        "lake": FolderLakeResource(folder=str(built.root / "lake")),
        "polars": pl,
        "deltalake": deltalake,
    }
    for spec, table in tables(built):
        (sql,) = re.findall(r"```sql\n-- event-platform query\n(.*?)\n```", spec.description or "", re.DOTALL)
        run_query(built.environment, sql, "json")
        assert capsys.readouterr().out.startswith("[{"), sql
        (code,) = re.findall(r"```python\n(.*?)\n```", spec.description or "", re.DOTALL)
        scan, delta, old = (eval(line, names) for line in code.splitlines() if line[0] != "#")  # noqa: S307 - it is our own
        assert scan.collect_schema() == delta.collect_schema() == table.schema
        assert scan.collect().height <= delta.collect().height > 0
        assert old.version() == 0


def test_a_name_of_any_length_has_a_tag(tmp_path: Path) -> None:
    """Shortened to Dagster's limit, with the characters that it accepts."""
    title = "a very.long-name " + "x" * 100 + ":happened"
    (spec,) = [spec for spec in specs(World(tmp_path, {"x": {"title": title}})).values() if "event_type" in spec.tags]
    assert spec.tags["event_type"] == ("a_very_long_name_" + "x" * 100)[:63]


def test_a_type_whose_name_begins_with_a_digit_is_queried_too(tmp_path: Path) -> None:
    """Its name is in quotes."""
    world = World(tmp_path, {"x": {"title": "2fa:enabled", "properties": {}}})
    world.deliver(MONDAY, "a", event("u", name="2fa:enabled"))
    world.build(MONDAY)
    (sql,) = re.findall(r"select .*", specs(world)[dg.AssetKey(["events", "2fa_enabled"])].description or "")
    run_query(world.environment, sql, "csv")
    assert 'from "events.2fa_enabled" where' in sql


def changed(world: World, **schema: Any) -> dict[dg.AssetKey, str | None]:
    """Change the schema of lesson:started; return the code version of each asset."""
    write_catalog(world.root / "catalog", {"lesson_started": {**SCHEMAS["lesson_started"], **schema}})
    return {key: spec.code_version for key, spec in specs(world).items()}


def test_a_schema_that_changes_the_table_changes_the_version_of_its_code_alone(world: World) -> None:
    """What only describes or judges the values does not, nor does the order of the properties."""
    properties = SCHEMAS["lesson_started"]["properties"]
    before = changed(world)
    described = {**properties, "level": {"type": "integer", "description": "Reached", "maximum": 3}}
    assert changed(world, description="Lessons", required=[], properties=described) == before
    assert changed(world, properties=dict(reversed(properties.items()))) == before
    for other in (
        {**properties, "new": {"type": "string"}},
        {**properties, "level": {"type": "number"}},
        {**properties, "level": {"type": "integer", "x-column": "stage"}},
        {**properties, "skills": {"type": "array", "items": {"type": "integer"}}},
        {**properties, "device": {"type": "object", "properties": {"os": {"type": "string"}}}},
    ):
        after = changed(world, properties=other)
        assert {key for key in after if after[key] != before[key]} == {LESSON}


def test_the_envelope_is_part_of_how_raw_events_are_made(tmp_path: Path) -> None:
    """Another one makes other rows of the same objects."""
    envelope = {"event_uuid": "id", "event_name": "name", "created_at": "at"}
    one, other = (specs(World(tmp_path / f"{each}", envelope=each)) for each in (None, envelope))
    assert {key for key in one if one[key].code_version != other[key].code_version} == {dg.AssetKey("raw_events")}


def stale(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dict[dg.AssetKey, set[StaleCauseCategory]]:
    """Return which assets the UI shows as out of date on Monday, and why."""
    graph = definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    found = {key: resolver.get_stale_causes(key, str(MONDAY)) for key in graph.get_all_asset_keys()}
    return {key: {cause.category for cause in causes} for key, causes in found.items() if causes}


def test_a_new_schema_marks_its_table_as_out_of_date_and_materializes_nothing(world: World) -> None:
    """The user decides; automation for late data has no new data to follow."""
    partitions = daily_partitions(world.start_date)

    @dg.asset(deps=[LESSON], partitions_def=partitions, automation_condition=FOLLOW_LATE_DATA)
    def follower() -> None:
        """Do nothing."""

    def definitions() -> dg.Definitions:
        return dg.Definitions.merge(world.definitions(), dg.Definitions([follower]))

    world.deliver(MONDAY, "a", event("l1", name="lesson:started"), event("a1"))
    with dg.DagsterInstance.ephemeral() as instance:
        world.materialize(MONDAY, instance=instance)
        sources = dg.AssetSpec(LESSON, partitions_def=partitions)
        dg.materialize([sources, follower], selection=[follower], instance=instance, partition_key=str(MONDAY))
        first = dg.evaluate_automation_conditions(definitions(), instance)
        assert stale(definitions(), instance) == {}
        changed(world, properties={**SCHEMAS["lesson_started"]["properties"], "new": {"type": "string"}})
        second = dg.evaluate_automation_conditions(definitions(), instance, cursor=first.cursor)
        assert (first.total_requested, second.total_requested) == (0, 0)
        assert stale(definitions(), instance) == {LESSON: {StaleCauseCategory.CODE}}
