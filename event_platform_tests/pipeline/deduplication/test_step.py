"""raw_events → deduplicated_events and duplicate_events, day by day or many days at once."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from event_platform.lake.files import DataFile
from event_platform.lake.lake import Lake
from event_platform.pipeline.deduplication import step
from event_platform.pipeline.deduplication.candidates import SharedKeys, may_share, new_shared_keys
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, copy_of, event

DAYS = [MONDAY, TUESDAY, WEDNESDAY]


def deliver_week(world: World) -> None:
    """Land three days with redeliveries, conflicts and late records between them."""
    for number, day in enumerate(DAYS):
        world.deliver(day, "a", *(event(f"u{number}-{each}", day) for each in range(20)), "{broken")
        world.deliver(
            day, "b.gz", event("u0-1", MONDAY), event("u0-2", day, plan=f"plan {number}"), event(f"x{number}")
        )
        world.deliver(day, "c", event(f"beta{number}", day, name="beta:clicked"), event("u2-1", WEDNESDAY))


def test_the_record_that_arrived_first_survives(world: World) -> None:
    """Redeliveries and conflicts are quarantined, each with the place of its survivor."""
    world.deliver(MONDAY, "a", event("u1", plan="free"), event("u1", plan="free"))
    world.deliver(MONDAY, "b", event("u1", plan="pro"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    assert world.lake.deduplicated_events.snapshot().scan().collect()["source_offset"].to_list() == [0]
    duplicates = pl.scan_delta(world.lake.duplicate_events.uri).sort("source_object", "source_offset").collect()
    assert duplicates.select("kind", "survivor_source_object", "survivor_source_offset").rows() == [
        ("redelivery", "2025/06/02/12/a", 0),
        ("conflict", "2025/06/02/12/a", 0),
    ]


def test_figures_are_reported_for_each_day(world: World) -> None:
    """Days without records, too."""
    deliver_week(world)
    world.load(*DAYS)
    reports = world.deduplicate(*DAYS, WEDNESDAY.replace(day=9))
    assert {day: report.unique for day, report in reports.items()} == {
        MONDAY: 20 + 3 + 1,  # its own, x0 to x2, beta0
        TUESDAY: 20 + 1,
        WEDNESDAY: 20 + 1,
        WEDNESDAY.replace(day=9): 0,
    }


@pytest.fixture(scope="module")
def range_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The week, built at once."""
    world = World(tmp_path_factory.mktemp("range"))
    deliver_week(world)
    world.build(*DAYS)
    return world


@pytest.mark.parametrize("order", [DAYS, DAYS[::-1], [TUESDAY, WEDNESDAY, MONDAY]], ids=["forth", "back", "mixed"])
def test_day_by_day_in_any_order_gives_what_a_range_gives(world: World, range_world: World, order: list[date]) -> None:
    """Also where later days are there already when earlier ones are loaded."""
    deliver_week(world)
    for day in order:
        world.build(day)
    for day in order:  # what an earlier day has changed for the others
        world.deduplicate(day)
        world.type(day)
        world.report(day)
    without = ("source_etag",)
    expected = contents(range_world.lake, range_world.catalog, without=without)
    assert contents(world.lake, world.catalog, without=without) == expected


def test_building_a_day_again_changes_nothing(range_world: World, tmp_path: Path) -> None:
    """A partition can be materialized as often as one likes."""
    world = copy_of(range_world, tmp_path)
    before = contents(world.lake, world.catalog)
    world.build(TUESDAY)
    world.build(*DAYS)
    assert contents(world.lake, world.catalog) == before


def test_an_empty_day_has_no_rows_and_is_done(world: World) -> None:
    """Its source version says that it was built, so that it is not due for ever."""
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    snapshot = world.lake.deduplicated_events.snapshot()
    assert snapshot.scan().collect().is_empty()
    assert snapshot.source_version(MONDAY) == world.lake.raw_events.snapshot().version


def bounded(name: str, least: str | None, greatest: str | None) -> DataFile:
    """Return a file whose statistics have these bounds of the uuids."""
    return DataFile(name, name, MONDAY, 1, 1, 0, {"event_uuid": least}, {"event_uuid": greatest}, {})


@pytest.mark.parametrize(
    ("bounds_of_new", "names"),
    [
        pytest.param([("c", "d")], "bce", id="those that reach into the range"),
        pytest.param([("a", "a"), ("e", "e")], "abce", id="of all files together"),
        pytest.param([("x", "z")], "e", id="none of them, but of one nothing is known"),
        pytest.param([("x", None)], "abce", id="all where nothing is known of the new ones"),
        pytest.param([], "e", id="there is nothing new"),
    ],
)
def test_files_without_a_uuid_in_the_range_of_the_new_ones_are_left_out(
    bounds_of_new: list[tuple[str, str | None]], names: str
) -> None:
    """The bounds themselves are in a range."""
    files = [bounded("a", "a", "b"), bounded("b", "b", "c"), bounded("c", "d", "f"), bounded("e", None, None)]
    shared = may_share(files, [bounded("new", *bounds) for bounds in bounds_of_new])
    assert "".join(file.path for file in shared) == names


def test_of_uuids_that_rise_nothing_that_arrived_before_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a redelivery is found all the same: with its object, the range of the new ones reaches back."""
    file_counts: list[int] = []

    def count_files(
        lake: Lake, dates: list[date], new: list[DataFile], early: list[DataFile], old: list[DataFile]
    ) -> SharedKeys:
        file_counts.append(len(old))
        return new_shared_keys(lake, dates, new, early, old)

    monkeypatch.setattr(step, "new_shared_keys", count_files)
    for number, uuids in enumerate((range(100, 200), range(200, 300), [299, 300, 301], [150, 302])):
        world.deliver(MONDAY, f"o{number}", *(event(f"{uuid}") for uuid in uuids))
        world.build(MONDAY)
    assert file_counts == [0, 1, 3]
    assert world.lake.deduplicated_events.snapshot().rows_by_date() == {MONDAY: 203}
    assert world.lake.duplicate_events.snapshot().rows_by_date() == {MONDAY: 2}
