"""Late data: each arrival makes exactly those days due that it changes."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from event_platform.lake.totals import lake_totals
from event_platform.pipeline.due import due_created_dates
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, copy_of, event

pytestmark = pytest.mark.xdist_group("late data")  # for what they share to be built once

NEXT_MONDAY, NEXT_TUESDAY = MONDAY + timedelta(days=7), MONDAY + timedelta(days=8)
DAYS = [MONDAY, TUESDAY, WEDNESDAY, NEXT_MONDAY, NEXT_TUESDAY]

#: What landed before: an event a day, and one uuid that was created on Tuesday and again on Wednesday.
BEFORE: list[tuple[date, str, list[dict[str, object]]]] = [
    *((day, "b", [event(f"u-{day}", day)]) for day in DAYS),
    (TUESDAY, "m", [event("again", TUESDAY)]),
    (WEDNESDAY, "m", [event("again", WEDNESDAY)]),
]


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with all earlier objects in its tables; tests use copies of it."""
    world = World(tmp_path_factory.mktemp("built"))
    for day, name, records in BEFORE:
        world.deliver(day, name, *records)
    world.build(*DAYS)
    assert due_created_dates(world.lake, world.catalog).days == []
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def deliver(day: date, name: str, *records: dict[str, object]) -> Callable[[World], object]:
    """Return a delivery."""
    return lambda world: world.deliver(day, name, *records)


@pytest.mark.parametrize(
    ("delivery", "day", "due"),
    [
        pytest.param(deliver(WEDNESDAY, "z", event("new", WEDNESDAY)), WEDNESDAY, [WEDNESDAY], id="of its own day"),
        pytest.param(deliver(NEXT_MONDAY, "z", event("new", MONDAY)), NEXT_MONDAY, [MONDAY], id="a week late"),
        pytest.param(
            deliver(MONDAY, "z", event("again", MONDAY)), MONDAY, [MONDAY, TUESDAY, WEDNESDAY], id="before both others"
        ),
        pytest.param(deliver(TUESDAY, "z", event("again", TUESDAY)), TUESDAY, [TUESDAY, WEDNESDAY], id="in between"),
        pytest.param(deliver(WEDNESDAY, "z", event("again", WEDNESDAY)), WEDNESDAY, [WEDNESDAY], id="after both"),
        pytest.param(
            deliver(WEDNESDAY, "a", event("again", MONDAY)), WEDNESDAY, [MONDAY, WEDNESDAY], id="same day, name before"
        ),
        pytest.param(deliver(WEDNESDAY, "n", event("again", MONDAY)), WEDNESDAY, [MONDAY], id="same day, name behind"),
        pytest.param(
            deliver(MONDAY, "z", event(f"u-{NEXT_MONDAY}")), MONDAY, [MONDAY, NEXT_MONDAY], id="on the window's edge"
        ),
        pytest.param(deliver(MONDAY, "z", event(f"u-{NEXT_TUESDAY}")), MONDAY, [MONDAY], id="beyond the window"),
        pytest.param(deliver(WEDNESDAY, "b", event("other", MONDAY)), WEDNESDAY, [MONDAY, WEDNESDAY], id="changed"),
        pytest.param(
            deliver(TUESDAY, "m", event("other", TUESDAY)), TUESDAY, [TUESDAY, WEDNESDAY], id="the first one goes"
        ),
        pytest.param(deliver(WEDNESDAY, "z"), WEDNESDAY, [], id="nothing new"),
    ],
)
def test_exactly_the_days_that_a_delivery_changes_are_due(
    built: World, delivery: Callable[[World], object], day: date, due: list[date]
) -> None:
    """And building them gives what building everything from the start would give."""
    delivery(built)
    built.load(day)
    assert due_created_dates(built.lake, built.catalog).days == due
    rebuild(built, due)
    if reports := due_created_dates(built.lake, built.catalog).reports:  # of the day that it arrived on
        built.report(*reports)
    assert lake_totals(built.lake, built.catalog)["balanced"]
    assert contents(built.lake, built.catalog) == from_the_start(built)


def rebuild(world: World, days: list[date]) -> None:
    """Build the days downstream of raw_events."""
    if days:
        world.deduplicate(*days)
        world.type(*days)
        world.report(*days)


def from_the_start(world: World) -> dict[str, list[str]]:
    """Return what a lake holds that is built from the same landing at once."""
    fresh = World(world.root / "fresh")
    (fresh.root / "landing").rmdir()
    (fresh.root / "landing").symlink_to(world.root / "landing")
    fresh.build(*DAYS)
    return contents(fresh.lake, fresh.catalog)


def test_neighbours_of_a_changed_object_are_not_due(world: World) -> None:
    """Their rows are rewritten with it, in one file, but are unchanged."""
    world.deliver(WEDNESDAY, "a", event("u1", TUESDAY))
    world.deliver(WEDNESDAY, "b", event("u2", WEDNESDAY))
    world.build(MONDAY, TUESDAY, WEDNESDAY)
    assert len(world.lake.raw_events.snapshot().files()) == 1
    world.deliver(WEDNESDAY, "a", event("u3", TUESDAY))
    world.load(WEDNESDAY)
    assert due_created_dates(world.lake, world.catalog).days == [TUESDAY]


def test_a_survivor_that_goes_makes_the_days_of_its_duplicates_due(world: World) -> None:
    """Also on the same day in another object, and where a new object that comes last is loaded with it."""
    world.deliver(WEDNESDAY, "b", event("u1", MONDAY))
    world.load(WEDNESDAY)
    world.deliver(WEDNESDAY, "c", event("u1", TUESDAY))
    world.load(WEDNESDAY)
    rebuild(world, [MONDAY, TUESDAY])
    world.deliver_bytes(WEDNESDAY, "b", b"\n")
    world.deliver(WEDNESDAY, "z", event("u2", WEDNESDAY))
    world.load(WEDNESDAY)
    assert due_created_dates(world.lake, world.catalog).days == [MONDAY, TUESDAY, WEDNESDAY]
    rebuild(world, [MONDAY, TUESDAY, WEDNESDAY])
    assert world.events("account_created")["created_date"].to_list() == [TUESDAY, WEDNESDAY]


def test_a_record_that_arrives_earlier_takes_the_verdict_of_a_day_that_was_built(world: World) -> None:
    """The formerly unique record becomes a duplicate: its day is due, and the rebuild reports it."""
    world.deliver(WEDNESDAY, "a", event("u1", WEDNESDAY, plan="late"))
    world.build(WEDNESDAY)
    assert world.events("account_created")["plan"].to_list() == ["late"]
    world.deliver(TUESDAY, "a", event("u1", TUESDAY, plan="early"))
    world.load(TUESDAY)
    assert due_created_dates(world.lake, world.catalog).days == [TUESDAY, WEDNESDAY]
    rebuild(world, [TUESDAY, WEDNESDAY])
    assert world.events("account_created")["plan"].to_list() == ["early"]
    duplicates = world.lake.duplicate_events.snapshot().scan().collect()
    assert duplicates.select("kind", "survivor_arrival_date").rows() == [("conflict", TUESDAY)]
