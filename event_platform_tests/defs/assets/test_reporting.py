"""The metadata of every materialization: the table, its versions, the written rows and the cost."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from deltalake import DeltaTable

from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

RAW, DEDUPLICATED = dg.AssetKey("raw_events"), dg.AssetKey("deduplicated_events")


@pytest.fixture
def delivered(world: World) -> World:
    """Two days of something for every table."""
    for day in (MONDAY, TUESDAY):
        names = ["account:created", "lesson:started", "payment:order:completed", "ping"]
        world.deliver(day, "a", *(event(f"{day}-{name}", day, name) for name in names), "{broken")
        world.deliver(day, "b", event(f"{day}-ping", day, "ping"))
    return world


def told(result: dg.ExecuteInProcessResult) -> dict[tuple[dg.AssetKey, str], dict[str, Any]]:
    """Return the metadata of each materialization, by asset and partition."""
    found = {}
    for each in result.get_asset_materialization_events():
        assert each.asset_key is not None
        assert each.partition is not None
        metadata = each.materialization.metadata
        found[each.asset_key, each.partition] = {name: value.value for name, value in metadata.items()}
    return found


def files(uri: str, version: int, partition: str) -> set[str]:
    """Return the files of a partition in a version of a table."""
    return {path for path in DeltaTable(uri, version=version).file_uris() if f"={partition}/" in path}


def test_every_materialization_tells_its_table_and_exactly_what_it_wrote(delivered: World) -> None:
    """The files and bytes that its partition has in this version and had not in the one before."""
    delivered.materialize(MONDAY, TUESDAY)
    delivered.deliver(TUESDAY, "c", *(event(f"new-{name}", name=name) for name in ("account:created", "ping")), "[]")
    texts = told(delivered.materialize(MONDAY, TUESDAY))
    assert len(texts) == 2 * (6 + 3)
    for (key, partition), metadata in texts.items():
        uri = metadata["dagster/uri"]
        assert uri == f"{delivered.root}/lake/{key.to_user_string()}"
        version, before = metadata["delta_version"], metadata["previous_delta_version"]
        new = files(uri, version, partition) - files(uri, before, partition)
        size = sum(Path(path).stat().st_size for path in new)
        assert (metadata["files_written"], metadata["bytes_written"]) == (len(new), size), key


def test_the_version_before_is_the_table_before_the_run(delivered: World) -> None:
    """So that the two can be laid side by side."""
    delivered.materialize(MONDAY, TUESDAY)
    delivered.deliver(TUESDAY, "c", event("late", MONDAY))
    raw = told(delivered.materialize(TUESDAY, selection=dg.AssetSelection.groups("raw")))[RAW, "2025-06-03"]
    later = dg.AssetSelection.assets("deduplicated_events", "duplicate_events").without_checks()
    deduplicated = told(delivered.materialize(MONDAY, selection=later))[DEDUPLICATED, "2025-06-02"]
    for metadata in (raw, deduplicated):
        versions = ("delta_version", "previous_delta_version")
        after, before = (pl.read_delta(metadata["dagster/uri"], version=metadata[name]) for name in versions)
        assert set(after["event_uuid"]) - set(before["event_uuid"]) == {"late"}


def test_a_load_that_finds_nothing_new_has_written_nothing(delivered: World) -> None:
    """The table keeps its version, and so does its data."""
    raw = dg.AssetSelection.groups("raw")
    first = delivered.materialize(MONDAY, selection=raw)
    again = delivered.materialize(MONDAY, selection=raw)
    metadata = told(again)[RAW, "2025-06-02"]
    version = delivered.lake.raw_events.snapshot().version
    figures = ("files_written", "bytes_written", "delta_version", "previous_delta_version")
    assert [metadata[name] for name in figures] == [0, 0, version, version]
    assert versions(again, DATA_VERSION_TAG)[RAW] == versions(first, DATA_VERSION_TAG)[RAW]


def versions(result: dg.ExecuteInProcessResult, tag: str) -> dict[dg.AssetKey | None, str]:
    """Return what Dagster takes for the version of each asset's data, or of its code."""
    found = result.get_asset_materialization_events()
    return {each.asset_key: (each.materialization.tags or {})[tag] for each in found}


def test_new_rows_are_new_data_for_dagster(delivered: World) -> None:
    """Though the same code made them: what is built from them is then shown as out of date."""
    first = versions(delivered.materialize(MONDAY), DATA_VERSION_TAG)
    delivered.deliver(MONDAY, "new", event("new"))
    second = versions(delivered.materialize(MONDAY), DATA_VERSION_TAG)
    assert [key for key in first if first[key] == second[key]] == []


def test_the_version_of_the_code_is_recorded(delivered: World) -> None:
    """With each materialization, as the definition has it."""
    graph = delivered.definitions().resolve_asset_graph()
    found = versions(delivered.materialize(MONDAY), CODE_VERSION_TAG)
    assert found == {key: graph.get(key).code_version for key in graph.get_all_asset_keys()}


def test_the_cpu_time_of_the_step_is_told_once_for_all_its_tables(delivered: World) -> None:
    """The same one for each table and partition of a step."""
    result = delivered.materialize(MONDAY, TUESDAY)
    steps: dict[str | None, set[Any]] = {}
    for each in result.get_asset_materialization_events():
        seconds = each.materialization.metadata["step_cpu_seconds"].value
        steps.setdefault(each.step_key, set()).add(seconds)
    assert set(steps) == {"raw_events", "deduplicated_events", "typed_events", "quality_report"}
    for (seconds,) in steps.values():
        assert 0 < seconds < 60
