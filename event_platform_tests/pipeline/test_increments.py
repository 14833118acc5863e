"""New events of a built day are appended; the rest of the day is rewritten only if necessary."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from event_platform.lake.tables import Table
from event_platform.lake.totals import lake_totals
from event_platform.pipeline import fingerprint as rules
from event_platform.pipeline.sizing import Sizing
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, copy_of, event


def paths(table: Table) -> set[str]:
    """Return the files of Monday."""
    return {file.path for file in table.snapshot().files([MONDAY])}


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Monday with more events than what comes later, and one that Tuesday delivered too."""
    world = World(tmp_path_factory.mktemp("built"))
    world.deliver(MONDAY, "k", *(event(f"m{number}", plan="free") for number in range(9)), event("twice"))
    world.deliver(TUESDAY, "k", event("twice"), event("t", TUESDAY))
    world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def build(world: World) -> World:
    """Bring every table up to date."""
    world.load(MONDAY, TUESDAY, WEDNESDAY)
    world.deduplicate(MONDAY, TUESDAY)
    world.type(MONDAY, TUESDAY)
    world.report(MONDAY, TUESDAY)
    assert lake_totals(world.lake, world.catalog)["balanced"]
    return world


def at_once(world: World) -> dict[str, list[str]]:
    """Return what a lake holds that is built from the same landing at once."""
    fresh = World(world.root / "fresh")
    (fresh.root / "landing").rmdir()
    (fresh.root / "landing").symlink_to(world.root / "landing")
    return contents(build(fresh).lake, fresh.catalog)


@pytest.mark.parametrize(
    "deliver",
    [
        pytest.param(lambda world: world.deliver(MONDAY, "z", event("new"), event("new")), id="new, twice"),
        pytest.param(lambda world: world.deliver(TUESDAY, "z", event("late"), event("m1")), id="late, and a duplicate"),
        pytest.param(lambda world: world.deliver(WEDNESDAY, "a", event("twice", plan="x")), id="a conflict"),
        pytest.param(lambda world: world.deliver(MONDAY, "a", event("early")), id="before what is there"),
        pytest.param(lambda world: world.deliver(MONDAY, "z", event("ping", name="beta:ping")), id="unregistered"),
    ],
)
def test_what_is_new_is_added(built: World, deliver: Callable[[World], object]) -> None:
    """The files of the day stay, and the tables are those of building everything at once."""
    tables = [built.lake.deduplicated_events, built.lake.event_table(built.catalog.by_key["account_created"])]
    before = [paths(table) for table in tables]
    deliver(built)
    build(built)
    assert all(old <= paths(table) for old, table in zip(before, tables, strict=True))
    assert contents(built.lake, built.catalog) == at_once(built)


@pytest.mark.parametrize(
    "deliver",
    [
        pytest.param(lambda world: world.deliver(MONDAY, "a", event("m1", plan="pro")), id="a survivor before it"),
        pytest.param(lambda world: world.deliver(MONDAY, "k", event("other")), id="an object that changed"),
        pytest.param(
            lambda world: world.deliver(MONDAY, "z", *(event(f"n{number}") for number in range(20))), id="most is new"
        ),
    ],
)
def test_a_day_whose_verdicts_change_is_built_anew(built: World, deliver: Callable[[World], object]) -> None:
    """None of its files stays."""
    before = paths(built.lake.deduplicated_events)
    deliver(built)
    build(built)
    assert not before & paths(built.lake.deduplicated_events)
    assert contents(built.lake, built.catalog) == at_once(built)


def test_another_release_builds_a_day_anew_when_it_grows(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rules may be other ones, and a partition has rows of one kind."""
    tables = [built.lake.deduplicated_events, built.lake.event_table(built.catalog.by_key["account_created"])]
    before = [paths(table) for table in tables]
    monkeypatch.setattr(rules, "release", lambda: "another")
    built.deliver(MONDAY, "z", event("new"))
    build(built)
    assert not any(old & paths(table) for old, table in zip(before, tables, strict=True))
    assert contents(built.lake, built.catalog) == at_once(built)


def test_who_asks_for_a_day_that_is_up_to_date_gets_it_anew(built: World) -> None:
    """Somebody has a reason to ask."""
    before = paths(built.lake.deduplicated_events)
    build(built)
    assert not before & paths(built.lake.deduplicated_events)


@pytest.fixture
def few_files(built: World) -> None:
    """Three files become one, however young they are."""
    built.sizing = Sizing(files_per_compaction=3, compaction_age=timedelta())


def test_small_files_are_put_together_while_a_day_grows(built: World, few_files: None) -> None:
    """In every table of records, and nobody takes them for new rows."""
    tables = [
        built.lake.deduplicated_events,
        built.lake.duplicate_events,
        built.lake.event_table(built.catalog.by_key["account_created"]),
    ]
    for number in range(7):
        built.deliver(MONDAY, f"z{number}", event(f"new{number}"), event("m1", plan=f"{number}"))
        build(built)
        assert all(len(paths(table)) <= 4 for table in tables)
    assert len(built.lake.raw_events.snapshot().files([MONDAY])) <= 4
    assert contents(built.lake, built.catalog) == at_once(built)


def test_files_that_were_put_together_unread_are_read_with_the_rest_of_the_day(built: World, few_files: None) -> None:
    """Who comes too late to tell what was new builds the day anew."""
    for number in range(5):
        built.deliver(MONDAY, f"z{number}", event(f"new{number}"), event("m1", plan=f"{number}"))
        built.load(MONDAY)
        if number % 2:
            built.deduplicate(MONDAY)
    build(built)
    assert contents(built.lake, built.catalog) == at_once(built)
