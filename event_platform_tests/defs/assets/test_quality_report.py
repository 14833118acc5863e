"""quality_report in Dagster: what its metadata shows, and that nothing in it is markup."""

import base64
import re
from dataclasses import replace
from typing import Any

import dagster as dg

from event_platform.definitions import build_definitions
from event_platform.defs.instance.dagster_internals import open_without_records
from event_platform_tests.support.comparison import OF_THE_RUN
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

REPORT = dg.AssetKey("quality_report")


def metadata(result: dg.ExecuteInProcessResult) -> dict[str | None, dict[str, dg.MetadataValue[Any]]]:
    """Return the metadata of the report, by partition, without what every table has."""
    return {
        each.partition: {name: it for name, it in each.materialization.metadata.items() if name not in OF_THE_RUN}
        for each in result.get_asset_materialization_events()
        if each.asset_key == REPORT
    }


def is_table(value: dg.MetadataValue[Any]) -> bool:
    """Say whether a value is shown as a table."""
    return isinstance(value, dg.TableMetadataValue)


def records(value: dg.MetadataValue[Any]) -> list[Any]:
    """Return the records of a table."""
    assert isinstance(value, dg.TableMetadataValue)
    return [record.data for record in value.records]


def test_each_day_shows_its_figures_plot_and_page(world: World) -> None:
    """In one run over a range."""
    world.deliver(MONDAY, "a", event("u1"), event("u1"), event("u2", level=1), "{broken")
    world.deliver(TUESDAY, "a", event("late"), event("u3", TUESDAY, "ping"))
    by_day = metadata(world.materialize(MONDAY, TUESDAY))
    assert set(by_day) == {"2025-06-02", "2025-06-03"}
    tables = {name: records(value) for name, value in by_day["2025-06-02"].items() if is_table(value)}
    monday = {name: value.value for name, value in by_day["2025-06-02"].items() if not is_table(value)}
    page = monday.pop("report")
    assert page == str(world.root / "lake" / "reports" / "quality" / "2025-06-02.html")
    assert list(by_day["2025-06-02"])[:4] == ["summary", "report", "events_by_hour", "events_by_hour_and_type"]
    summary = str(monday.pop("summary")).splitlines()
    assert summary[2:4] == ["| events | 3 |  |", "| late | 1 | 33.3 % |"]
    thumbnail, plot = str(monday.pop("events_by_hour")), str(monday.pop("events_by_hour_and_type"))
    assert thumbnail.startswith("![Events by hour](data:image/svg+xml;base64,")
    assert plot.startswith("![Events by hour and type](data:image/svg+xml;base64,")
    assert len(thumbnail) < 1_000  # longer ones are not shown before a click
    assert len(plot) < 30_000
    assert monday == {
        "dagster/partition_row_count": 19,
        "events": 3,
        "late": 1,
        "late_percent": 33.333,
        "duplicates": 1,
        "duplicates_percent": 25.0,
        "corrupt": 1,
        "unregistered": 0,
        "unregistered_percent": 0.0,
        "drifted_values": 1,
        "broken_rules": 0,
    }
    assert tables == {
        "lateness": [{"arrived": "in the same hour", "events": 2}, {"arrived": "1 to 6 days later", "events": 1}],
        "corrupt_by_reason": [{"reason": "not_json", "records": 1}],
        "schema_drift": [{"event": "account:created", "field": "level", "why": "not in the schema", "events": 1}],
    }
    assert by_day["2025-06-03"]["unregistered"].value == 1


def test_text_from_events_is_no_markdown_in_the_metadata(world: World) -> None:
    """What is markdown is a picture in base64, whatever events say; tables hold texts, without controls."""
    field = "![x](http://example.com/y)\u202e<script>"
    world.deliver(MONDAY, "a", {**event("u1"), field: 1}, event("u2", MONDAY, "x y"), "<script>")
    (found,) = metadata(world.materialize(MONDAY)).values()
    markdown = [value.value for value in found.values() if isinstance(value, dg.MarkdownMetadataValue)]
    assert len(markdown) == 3
    assert re.fullmatch(r"[a-z0-9 |.,%\n:-]+", str(found["summary"].value))
    for picture in markdown[1:]:
        head, _, coded = str(picture).rstrip(")").partition("](data:image/svg+xml;base64,")
        assert head in {"![Events by hour", "![Events by hour and type"}
        assert base64.b64decode(coded, validate=True).startswith(b"<svg ")
    assert [record["field"] for record in records(found["schema_drift"])] == [
        "![x](http://example.com/y)\\u{202e}<script>"
    ]


def test_the_report_can_be_materialized_alone(world: World) -> None:
    """From the present tables, which it does not change."""
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    version = world.lake.deduplicated_events.snapshot().version
    result = world.materialize(MONDAY, selection=dg.AssetSelection.assets(REPORT))
    assert {each.asset_key for each in result.get_asset_materialization_events()} == {REPORT}
    assert metadata(result)["2025-06-02"]["events"].value == 1
    assert world.lake.deduplicated_events.snapshot().version == version
    assert world.lake.unregistered_events.snapshot().version == -1


def test_a_day_without_anything_has_a_report(world: World) -> None:
    """With zeros, a picture and a page."""
    (found,) = metadata(world.materialize(MONDAY, selection=dg.AssetSelection.assets(REPORT))).values()
    figures = ("events", "late", "duplicates", "corrupt", "unregistered", "drifted_values", "broken_rules")
    assert [found[name].value for name in figures] == [0] * 7
    assert "lateness" not in found


def test_metadata_of_a_table_are_in_the_order_of_their_use(world: World) -> None:
    """The rows of the day first, then what was written, and last what is the same for all days."""
    world.deliver(MONDAY, "a", event("u1"))
    result = world.materialize(MONDAY, selection=dg.AssetSelection.assets("raw_events", "corrupt_events"))
    (raw, _) = (list(each.materialization.metadata) for each in result.get_asset_materialization_events())
    assert raw[0] == "dagster/partition_row_count"
    assert raw.index("records_read") < raw.index("files_written") < raw.index("step_cpu_seconds")
    assert raw[-2:] == ["step_cpu_seconds", "dagster/uri"]


def test_the_page_is_a_link_where_it_is_served(world: World) -> None:
    """A browser opens no file from a page of the UI."""
    environment = replace(world.environment, report_url="https://reports.example/quality")
    definitions = build_definitions(environment, world.catalog)
    result = dg.materialize(
        [*(definitions.assets or [])],  # type: ignore[list-item]
        selection=dg.AssetSelection.assets(REPORT),
        resources=dict(definitions.resources or {}),
        instance=open_without_records(),
        partition_key="2025-06-02",
    )
    (found,) = metadata(result).values()
    assert found["report"] == dg.MetadataValue.url("https://reports.example/quality/2025-06-02.html")


def test_the_report_comes_after_everything_that_it_counts(world: World) -> None:
    """So that a run over all assets reports what it built."""
    graph = world.definitions().resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get(REPORT).parent_keys} == {
        "deduplicated_events",
        "duplicate_events",
        "corrupt_events",
        "unregistered_events",
        "events/account_created",
        "events/lesson_started",
        "events/payment_order_completed",
    }
