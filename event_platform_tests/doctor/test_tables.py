"""The check of the lake's tables: files are looked for, and no row is read."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from event_platform.doctor.finding import Finding, Verdict
from event_platform.doctor.settings import read_settings
from event_platform.doctor.tables import check_tables
from event_platform_tests.support.command import variables
from event_platform_tests.support.mending import write_functions
from event_platform_tests.support.world import MONDAY, World, event, noon


@pytest.fixture
def built(world: World) -> World:
    """A day in every table."""
    world.deliver(MONDAY, "a", event("u1"), event("u2"))
    world.build(MONDAY)
    return world


def look(world: World) -> Finding:
    """Check the tables of a world."""
    return check_tables(read_settings(variables(world)))


def test_tables_that_are_whole_are_counted(built: World) -> None:
    """Those that have no file yet as well."""
    finding = look(built)
    files = sum("reports" not in path.parts for path in (built.root / "lake").rglob("*.parquet"))
    message = f"{files} files of 9 tables exist, as the platform wrote them"
    assert (finding.verdict, finding.found) == (Verdict.GOOD, message)


def test_a_file_that_is_missing_and_a_commit_of_somebody_else_are_told(built: World) -> None:
    """With the table, and what to do."""
    (file,) = built.lake.deduplicated_events.snapshot().files()
    Path(file.uri).unlink()
    DeltaTable(built.event_table("account_created").uri).delete("event_uuid = 'u1'")
    finding = look(built)
    assert finding.verdict is Verdict.BAD
    assert finding.found.startswith("2 faults in ")
    assert "such as deduplicated_events on 2025-06-02: the file" in finding.found
    assert "event-platform run" in finding.remedy


def test_a_table_that_cannot_be_opened_is_told(built: World) -> None:
    """All is not well: its days cannot be built, and nothing can be counted."""
    commit = max(Path(built.lake.deduplicated_events.uri).glob("_delta_log/*.json"))
    commit.write_bytes(commit.read_bytes()[:100])
    finding = look(built)
    assert finding.verdict is Verdict.BAD
    assert "deduplicated_events: the table cannot be opened, as its log is damaged" in finding.found
    assert "move the folder of the table out of the lake" in finding.remedy


def test_days_that_wait_to_be_mended_are_told(built: World) -> None:
    """With the command."""
    built.deliver(MONDAY, "b", {**event("u3"), "created_at": 1000 * noon(MONDAY)})
    built.build(MONDAY)
    write_functions(built)
    finding = look(built)
    assert finding.found == "1 day loaded with other functions than catalog/mend has"
    assert finding.remedy == "event-platform mend"


def test_an_empty_lake_has_nothing_to_look_for(world: World) -> None:
    """Nothing is made by looking."""
    assert look(world).verdict is Verdict.GOOD
    assert not (world.root / "lake").exists()
