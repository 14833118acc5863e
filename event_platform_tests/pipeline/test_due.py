"""What is due is read off the tables' own logs: neither more nor less, and whatever was interrupted."""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from event_platform.events.catalog import EventType
from event_platform.lake.lake import Lake
from event_platform.lake.listing import LakeListing
from event_platform.lake.tables import Table
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.due_arrivals import due_arrival_dates
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.step import load
from event_platform.pipeline.typing.step import UNREGISTERED
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event, write_catalog


def due(world: World) -> list[date]:
    """Return the created_dates that are due, of all tables or of one."""
    due_dates = due_created_dates(world.lake, world.catalog)
    return sorted({*due_dates.days, *due_dates.backfills.days})


def test_nothing_is_due_in_an_empty_lake(world: World) -> None:
    """Nor does asking make a table."""
    assert due(world) == due_arrival_dates(world.lake) == []
    assert not (world.root / "lake").exists()


def test_files_that_come_after_the_listing_are_not_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run may commit before the tables are opened."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    listing = Lake.list_files

    def list_early(lake: Lake, event_types: Sequence[EventType]) -> LakeListing:
        listed = listing(lake, event_types)
        world.deliver(MONDAY, "b", event("u2"))
        world.build(MONDAY)
        return listed

    monkeypatch.setattr(Lake, "list_files", list_early)
    assert not due_created_dates(world.lake, world.catalog, look_for_files=True).all_days


def test_files_that_come_while_they_are_listed_are_not_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run may commit after the log was listed and before the files are: folders have no order."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    walk, table, listed_folders = os.walk, Path(world.lake.deduplicated_events.uri), list[str]()

    def backwards(root: Path, onerror: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for path, folders, names in walk(str(root), onerror=onerror):
            folders.sort(reverse=True)
            yield path, folders, names
            if Path(path).parent == table and not listed_folders:
                listed_folders.append(path)
                world.deliver(MONDAY, "b", event("u2"))
                world.build(MONDAY)

    monkeypatch.setattr(os, "walk", backwards)
    assert not due_created_dates(world.lake, world.catalog, look_for_files=True).all_days
    assert listed_folders


def test_the_created_dates_of_new_records_are_due_until_they_are_built(world: World) -> None:
    """Of sound records alone: a corrupt one belongs to no created_date."""
    world.deliver(WEDNESDAY, "a", event("u1", MONDAY), event("u2", WEDNESDAY), "{broken")
    world.load(WEDNESDAY)
    assert due(world) == [MONDAY, WEDNESDAY]
    world.deduplicate(MONDAY, WEDNESDAY)
    world.type(MONDAY)
    world.report(MONDAY)
    assert due(world) == [WEDNESDAY]
    world.type(WEDNESDAY)
    world.report(WEDNESDAY)
    assert due(world) == []


def test_late_data_makes_its_days_due_and_no_others(world: World) -> None:
    """Tuesday and Wednesday are left alone when a record of Monday arrives on Wednesday."""
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        world.deliver(day, "a", event(f"u-{day}", day))
    world.build(MONDAY, TUESDAY, WEDNESDAY)
    world.deliver(WEDNESDAY, "late", event("u-late", MONDAY))
    world.load(WEDNESDAY)
    assert due(world) == [MONDAY]


def test_a_load_without_anything_new_makes_nothing_due(world: World) -> None:
    """Objects that are known make no commit."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    version = world.lake.raw_events.snapshot().version
    world.load(MONDAY)
    assert world.lake.raw_events.snapshot().version == version
    assert due(world) == []


@pytest.mark.parametrize("key", ["account_created", "lesson_started", UNREGISTERED])
def test_a_day_is_due_until_every_event_table_has_it(world: World, key: str) -> None:
    """Tables without a row on that day, too: that there is none has to be known."""
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY, keys=[each for each in [*world.catalog.by_key, UNREGISTERED] if each != key])
    world.report(MONDAY)
    due_dates = due_created_dates(world.lake, world.catalog)
    assert due_dates.all_days == {MONDAY}
    # A table that never had the day is due by itself, as that of a type that the catalog has since.
    assert due_dates.days == [MONDAY] * (key != "lesson_started")
    world.type(MONDAY, keys=[key])
    due_dates = due_created_dates(world.lake, world.catalog)
    assert (due_dates.days, due_dates.backfills.due) == ([], {})


def test_a_day_is_due_when_it_was_deduplicated_again_but_not_typed(world: World) -> None:
    """As a run leaves it that was stopped in between."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    world.deliver(MONDAY, "b", event("u2"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    assert due(world) == [MONDAY]


def test_a_type_that_the_catalog_gains_makes_its_days_due(world: World) -> None:
    """Its events are among the unregistered ones, and move to their table; no other table is due."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"u-{day}", day, name="beta:clicked"), event(f"v-{day}", day))
    world.build(MONDAY, TUESDAY)
    schema = {"title": "beta:clicked", "type": "object", "properties": {"button": {"type": "string"}}}
    write_catalog(world.root / "catalog", {"beta_clicked": schema})
    due_dates = due_created_dates(world.lake, world.catalog)
    assert (due_dates.days, due_dates.reports) == ([], {})
    assert {table: sorted(days) for table, days in due_dates.backfills.due.items()} == {
        "events/beta_clicked": [MONDAY, TUESDAY],
        "unregistered_events": [MONDAY, TUESDAY],
    }
    world.type(MONDAY, TUESDAY, keys=["beta_clicked", UNREGISTERED])
    assert world.events("beta_clicked").height == 2
    assert due_created_dates(world.lake, world.catalog).backfills.due == {}
    assert due(world) == []


def test_corrupt_events_are_due_until_they_are_written(world: World) -> None:
    """A run that was stopped between the two tables leaves the second one due."""
    world.deliver(MONDAY, "a", "{broken")
    world.load(MONDAY)
    assert due_arrival_dates(world.lake) == []
    world.deliver(TUESDAY, "b", "{broken")
    with world.pipeline() as context:
        load(context, ObjectSource(world.landing, world.catalog.envelope, world.start_date), [TUESDAY], 7)
    assert due_arrival_dates(world.lake) == [TUESDAY]


@pytest.mark.parametrize(
    "table",
    [
        lambda world: world.event_table("account_created"),
        lambda world: world.lake.unregistered_events,
        lambda world: world.lake.deduplicated_events,
    ],
)
def test_a_day_whose_rows_somebody_deleted_is_due(world: World, table: Callable[[World], Table]) -> None:
    """The source versions say that all is built; the rows do not add up. Building it brings them back."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"a{day}", day), event(f"x{day}", day, name="beta:new"))
    world.build(MONDAY, TUESDAY)
    before = contents(world.lake, world.catalog)
    DeltaTable(table(world).uri).delete("created_date = '2025-06-02'")
    due_dates = due_created_dates(world.lake, world.catalog)
    assert (due_dates.days, due_dates.stale) == ([MONDAY], frozenset())
    (warning,) = due_dates.warnings
    assert warning.startswith("the rows of 1 created date are not those that were written, such as 2025-06-02 (")
    world.build(*due_dates.days)
    assert contents(world.lake, world.catalog) == before
    assert due_created_dates(world.lake, world.catalog).warnings == []


def test_a_day_is_overdue_by_its_oldest_records_that_are_not_built(world: World) -> None:
    """Newer records do not hide that the day keeps failing."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    for name in ("b", "c"):
        world.deliver(MONDAY, name, event(name))
        world.load(MONDAY)
        world.deduplicate(MONDAY)
    commits = world.lake.raw_events.snapshot().commits_since(0)
    times = [datetime.fromtimestamp(each["timestamp"] / 1000, UTC) for each in commits if each.get("created_dates")]
    assert due_created_dates(world.lake, world.catalog).loaded_at == {MONDAY: times[1]}
    world.build(MONDAY)
    assert due_created_dates(world.lake, world.catalog).loaded_at == {MONDAY: times[2]}


def test_a_version_that_somebody_restored_is_due(world: World) -> None:
    """Marks are not taken back with the rows; a table of older rows is built again."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    version = world.event_table("account_created").snapshot().version
    world.deliver(MONDAY, "b", event("u2"))
    world.build(MONDAY)
    DeltaTable(world.event_table("account_created").uri).restore(version)
    assert world.events("account_created")["event_uuid"].to_list() == ["u1"]
    assert due(world) == [MONDAY]
    world.type(MONDAY)
    assert world.events("account_created")["event_uuid"].to_list() == ["u1", "u2"]


def test_a_restored_ledger_loads_what_it_has_forgotten(world: World) -> None:
    """And what it holds in an older form, once."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    version = world.lake.raw_events.snapshot().version
    world.deliver(MONDAY, "a", event("u1", plan="pro"))
    world.deliver(MONDAY, "b", event("u2"))
    world.build(MONDAY)
    before = contents(world.lake, world.catalog)
    DeltaTable(world.lake.raw_events.uri).restore(version)
    assert world.raw().height == 1
    world.build(MONDAY)
    assert contents(world.lake, world.catalog) == before
