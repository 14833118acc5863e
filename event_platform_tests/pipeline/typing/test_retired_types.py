"""A type leaves the catalog: its table stays, its events are counted once, and it can come back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import write_deltalake

from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS
from event_platform.lake.balance import typing_balances
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.typing import step as typed
from event_platform.pipeline.typing.step import UNREGISTERED
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import (
    MONDAY,
    SCHEMAS,
    TUESDAY,
    WEDNESDAY,
    World,
    copy_of,
    event,
    rows,
    write_catalog,
)

RETIRED = "events/lesson_started"


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days with two lessons each, and something else."""
    world = World(tmp_path_factory.mktemp("built"))
    for day in (MONDAY, TUESDAY):
        lessons = [event(f"{day}-{number}", day, "lesson:started", user="usr_1", level=3) for number in range(2)]
        world.deliver(day, "a", *lessons, event(f"{day}-a", day))
    world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


@pytest.fixture
def retired(built: World) -> World:
    """Their schema has left the catalog."""
    (built.root / "catalog" / "lesson_started.yaml").unlink()
    return built


def come_back(world: World) -> None:
    """Put the schema back."""
    write_catalog(world.root / "catalog", {"lesson_started": SCHEMAS["lesson_started"]})


def totals(world: World) -> dict[str, Any]:
    """Return the ledger, which has to balance."""
    lake_sums = lake_totals(world.lake, world.catalog)
    assert lake_sums["balanced"]
    return lake_sums


def rebuild(world: World) -> None:
    """Build what is due."""
    days = due_created_dates(world.lake, world.catalog).days
    world.deduplicate(*days)
    world.type(*days)
    world.report(*days)


def lessons(world: World) -> pl.DataFrame:
    """Return what is in the table of the type, whatever the catalog says."""
    return world.lake.scan(RETIRED).collect()


def test_the_days_that_were_built_stay_as_they_are_and_in_the_books(retired: World) -> None:
    """Nothing is due, and the table can be queried as before."""
    assert due_created_dates(retired.lake, retired.catalog).days == []
    retired_totals = totals(retired)
    assert (retired_totals["typed"], retired_totals["unregistered"], retired_totals["retired_tables"]) == (
        6,
        0,
        {RETIRED: 4},
    )
    assert lessons(retired)["level"].to_list() == [3] * 4


def test_a_day_that_is_built_again_has_its_events_among_the_unregistered_ones(retired: World) -> None:
    """And no longer in the table: nothing is counted twice, by the books or by who reads both tables."""
    retired.deliver(MONDAY, "b", event("late", name="lesson:started", user="usr_2"))
    retired.load(MONDAY)
    rebuild(retired)
    assert lessons(retired)["created_date"].to_list() == [TUESDAY] * 2
    unregistered = rows(retired.lake.unregistered_events, "event_uuid")
    assert unregistered["event_uuid"].to_list() == ["2025-06-02-0", "2025-06-02-1", "late"]
    assert '"level": 3' in unregistered["body"][0]
    lake_sums = totals(retired)
    assert (lake_sums["typed"], lake_sums["unregistered"], lake_sums["retired_tables"]) == (4, 3, {RETIRED: 2})
    assert due_created_dates(retired.lake, retired.catalog).days == []


def test_the_check_of_a_day_passes_before_and_after_it_is_built_again(retired: World) -> None:
    """Conservation is blocking: it must not stop a day for a catalog's sake."""
    selection = dg.AssetSelection.checks(dg.AssetCheckKey(UNREGISTERED_EVENTS, "conservation"))
    for _ in range(2):
        result = retired.materialize(MONDAY, TUESDAY, selection=selection)
        assert [each.passed for each in result.get_asset_check_evaluations()] == [True, True]
        retired.type(MONDAY)


def test_a_run_that_moves_events_tells_what_it_wrote_where_they_are_now(retired: World) -> None:
    """Not what it cleared in the old table, which has no rows of Wednesday."""
    result = retired.materialize(MONDAY, WEDNESDAY, selection=dg.AssetSelection.assets(UNREGISTERED_EVENTS))
    events = result.get_asset_materialization_events()
    materializations = [each.step_materialization_data.materialization for each in events]
    files = {each.partition: each.metadata["files_written"].value for each in materializations}
    assert files == {str(MONDAY): 1, str(TUESDAY): 1, str(WEDNESDAY): 0}
    version = retired.lake.unregistered_events.snapshot().version
    assert {each.metadata["delta_version"].value for each in materializations} == {version}


def test_a_type_that_comes_back_has_its_events_again(retired: World, tmp_path: Path) -> None:
    """Exactly the days that were built without it are due; the tables are as if it had never been away."""
    for name, day in (("b", MONDAY), ("c", TUESDAY)):
        retired.deliver(MONDAY, name, event(f"late-{name}", day, "lesson:started", user="usr_2"))
        retired.load(MONDAY)
        rebuild(retired)
    come_back(retired)
    assert due_created_dates(retired.lake, retired.catalog).all_days == {MONDAY, TUESDAY}
    retired.type(MONDAY, TUESDAY)
    retired.report(MONDAY, TUESDAY)
    lake_sums = totals(retired)
    assert (lake_sums["typed"], lake_sums["unregistered"], lake_sums["retired_tables"]) == (8, 0, {})
    fresh = World(tmp_path / "fresh")
    (fresh.root / "landing").rmdir()
    (fresh.root / "landing").symlink_to(retired.root / "landing")
    fresh.build(MONDAY, TUESDAY)
    assert contents(retired.lake, retired.catalog) == contents(fresh.lake, fresh.catalog)


def test_a_type_that_comes_back_leaves_the_days_alone_that_never_lost_it(retired: World) -> None:
    """Tuesday was not built meanwhile."""
    retired.type(MONDAY)
    come_back(retired)
    due = due_created_dates(retired.lake, retired.catalog).backfills.due
    assert {table: list(days) for table, days in due.items()} == {RETIRED: [MONDAY], "unregistered_events": [MONDAY]}


def test_one_event_table_alone_moves_nothing(retired: World) -> None:
    """Only who writes unregistered_events takes the events out of the old table."""
    retired.type(MONDAY, keys=["account_created"])
    assert totals(retired)["retired_tables"] == {RETIRED: 4}


def test_a_run_killed_in_the_middle_of_a_move_leaves_the_day_due(
    retired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events are in both tables then, which their counts give away."""
    with monkeypatch.context() as killed:
        killed.setattr(typed, "_move_out", lambda *_: None)
        retired.type(MONDAY)
    assert not lake_totals(retired.lake, retired.catalog)["balanced"]
    due = due_created_dates(retired.lake, retired.catalog)
    assert (due.stale, due.uneven) == (
        frozenset(),
        {MONDAY: "3 deduplicated, 5 in event tables and unregistered_events"},
    )
    rebuild(retired)
    assert totals(retired)["retired_tables"] == {RETIRED: 2}


def test_a_retired_table_that_cannot_be_opened_stops_only_what_would_move_from_it(retired: World) -> None:
    """The event tables are built; unregistered_events is as it was, and says which table is in the way."""
    for entry in (retired.root / "lake" / RETIRED / "_delta_log").iterdir():
        entry.write_text("{broken", encoding="utf-8")
    reports = retired.type(MONDAY)
    assert {key for key, report in reports.items() if report.error} == {UNREGISTERED}
    assert f"{RETIRED}: the table cannot be opened" in str(reports[UNREGISTERED].error)
    assert retired.lake.unregistered_events.snapshot().scan().collect().is_empty()


@pytest.mark.parametrize(
    "put",
    [
        lambda folder: (folder / "_trash").mkdir(),
        lambda folder: (folder / "left_over").mkdir(),
        lambda folder: write_deltalake(folder / "theirs", pl.DataFrame({"n": [1]})),
    ],
    ids=["a hidden folder", "a folder without a table", "a table without days"],
)
def test_what_no_type_ever_wrote_is_no_retired_table(built: World, put: Callable[[Path], object]) -> None:
    """It is nobody's business here."""
    put(built.root / "lake" / "events")
    assert built.lake.retired_tables(built.catalog.event_types) == []


def test_each_day_has_its_own_balance_with_a_retired_type(retired: World) -> None:
    """Typed events are those of all event tables that there are."""
    retired.type(TUESDAY)
    lake_sums = typing_balances(retired.lake, retired.catalog)
    assert [(day.deduplicated, day.unregistered, day.typed) for day in lake_sums] == [(3, 0, 3), (3, 2, 1)]
