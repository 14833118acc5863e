"""How the work is cut into tasks bounds memory, and changes nothing else."""

import pytest

from event_platform.steps import deduplicated as deduplicated_step
from event_platform.tasks import deduplicated, raw, typed
from event_platform_tests.comparison import contents
from event_platform_tests.world import MONDAY, TUESDAY, World, event


def deliver(world: World) -> None:
    """Land two days of a few types, with duplicates between objects and days."""
    for day in (MONDAY, TUESDAY):
        for name in ("a", "b.gz", "c"):
            events = [event(f"{day}{name}{number}", day, plan="free") for number in range(12)]
            lessons = [event(f"l{number}", day, "lesson:started", user="usr_1", level=number) for number in range(9)]
            world.deliver(day, name, *events, *lessons, event("x", day, "beta:clicked"), "{broken")


def test_however_small_the_tasks_are_the_tables_are_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task for each object, a file or two, a handful of rows, and uuids in buckets that never meet."""
    deliver(world)
    world.build(MONDAY, TUESDAY)
    small = World(world.root / "small")
    deliver(small)
    monkeypatch.setattr(raw, "OBJECTS_PER_TASK", 1)
    monkeypatch.setattr(deduplicated_step, "ROWS_PER_TASK", 5)
    monkeypatch.setattr(deduplicated_step, "ROWS_PER_SEARCH", 10)
    monkeypatch.setattr(typed, "ROWS_PER_TASK", 4)
    monkeypatch.setattr(typed, "ROWS_PER_FILE", 10)
    monkeypatch.setattr(typed, "ROWS_AT_ONCE", 3)
    small.build(MONDAY, TUESDAY)
    files = [len(each.lake.raw_events.snapshot().files()) for each in (world, small)]
    assert files == [2, 6]
    without = ("source_etag",)
    expected = contents(world.lake, world.catalog, without=without)
    assert contents(small.lake, small.catalog, without=without) == expected


def test_equal_uuids_are_in_the_same_bucket(world: World) -> None:
    """And each bucket finds its own share of the keys that occur more than once."""
    deliver(world)
    world.load(MONDAY, TUESDAY)
    files = world.lake.raw_events.snapshot().files()
    storage, days = world.lake.storage, [MONDAY, TUESDAY]
    whole = deduplicated.shared_keys(storage, days, files, [], 0, 1).keys
    shares = [deduplicated.shared_keys(storage, days, files, [], bucket, 4).keys for bucket in range(4)]
    assert len(whole) == 9 + 1
    assert sorted(key for share in shares for key in share) == sorted(whole)
