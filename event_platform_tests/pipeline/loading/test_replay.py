"""Replay: what is loaded is read again as the rules are now, exactly once, and what that changes is due."""

import os
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from event_platform.lake.totals import lake_totals
from event_platform.pipeline.due import due_created_dates
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, copy_of, event, noon, write_catalog

SUNDAY = MONDAY - timedelta(days=1)


def sent_event(uuid: str, day: date, sent_at: date) -> dict[str, object]:
    """Return an event with two times, of which the envelope names one."""
    return {**event(uuid, day), "sent_at": noon(sent_at)}


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three days that were built by a rule which took the wrong time for that of creation."""
    world = World(tmp_path_factory.mktemp("built"))
    world.deliver(MONDAY, "a", sent_event("u1", MONDAY, SUNDAY), sent_event("u2", MONDAY, MONDAY), "{broken")
    world.deliver(MONDAY, "b", sent_event("u1", MONDAY, MONDAY))
    world.deliver(TUESDAY, "a", sent_event("u2", TUESDAY, TUESDAY), sent_event("u3", TUESDAY, TUESDAY))
    world.deliver_bytes(TUESDAY, "empty", b"\n")
    world.deliver(WEDNESDAY, "a", sent_event("u4", WEDNESDAY, WEDNESDAY))
    world.build(MONDAY, TUESDAY, WEDNESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def mend_rule(world: World) -> None:
    """Take the other time."""
    write_catalog(
        world.root / "catalog", {}, {"event_uuid": "event_uuid", "event_name": "event_name", "created_at": "sent_at"}
    )


def build_due(world: World) -> None:
    """Build what is due."""
    days = due_created_dates(world.lake, world.catalog).days
    world.deduplicate(*days)
    world.type(*days)
    world.report(*days)


def test_a_replay_gives_what_loading_for_the_first_time_would(built: World) -> None:
    """In one commit."""
    mend_rule(built)
    version = built.lake.raw_events.snapshot().version
    built.load(MONDAY, TUESDAY, WEDNESDAY, replay=True)
    assert built.lake.raw_events.snapshot().version == version + 1
    assert due_created_dates(built.lake, built.catalog).days == [SUNDAY, MONDAY, TUESDAY, WEDNESDAY]
    build_due(built)
    fresh = World(built.root / "fresh")
    (fresh.root / "landing").rmdir()
    (fresh.root / "landing").symlink_to(built.root / "landing")
    mend_rule(fresh)
    fresh.build(SUNDAY, MONDAY, TUESDAY, WEDNESDAY)
    assert contents(built.lake, built.catalog) == contents(fresh.lake, fresh.catalog)
    assert lake_totals(built.lake, built.catalog)["balanced"]


def test_a_date_that_no_record_has_any_more_is_emptied(built: World) -> None:
    """The rule is mended back: what was of Sunday is of Monday again."""
    mend_rule(built)
    built.load(MONDAY, replay=True)
    build_due(built)
    assert built.events("account_created")["created_date"].to_list().count(SUNDAY) == 1
    (built.root / "catalog" / "envelope.yaml").unlink()
    built.load(MONDAY, replay=True)
    assert due_created_dates(built.lake, built.catalog).days == [SUNDAY, MONDAY, TUESDAY]  # u2 arrives there again
    build_due(built)
    assert SUNDAY not in built.events("account_created")["created_date"].to_list()
    assert lake_totals(built.lake, built.catalog)["balanced"]


def test_a_replay_without_a_reason_changes_no_row(built: World) -> None:
    """However often: it is one commit each time, and every object is in the ledger once."""
    before = contents(built.lake, built.catalog)
    for _ in range(2):
        reports = built.load(MONDAY, TUESDAY, WEDNESDAY, replay=True)
        build_due(built)
    assert contents(built.lake, built.catalog) == before
    assert [(reports[day].objects, reports[day].known_objects) for day in (MONDAY, TUESDAY)] == [(2, 0), (2, 0)]
    assert built.load(TUESDAY)[TUESDAY].known_objects == 2


def test_rows_of_objects_that_left_landing_stay(built: World) -> None:
    """Retention in landing is no deletion of events, and a replay none either."""
    os.remove(built.root / "landing" / "2025/06/02/12/b")  # noqa: PTH107 - a path in one piece
    rows = built.raw().height
    built.load(MONDAY, replay=True)
    assert built.raw().height == rows
    build_due(built)
    assert lake_totals(built.lake, built.catalog)["balanced"]


def test_the_asset_replays_when_its_run_is_configured_to(built: World) -> None:
    """As the launchpad of the UI and `dagster asset materialize --config-json` do it."""
    mend_rule(built)
    definitions = built.definitions()

    def sound_on_sunday(config: dict[str, bool]) -> int:
        dg.materialize(
            list(definitions.assets or []),  # type: ignore[arg-type]
            selection=["raw_events", "corrupt_events"],
            resources=dict(definitions.resources or {}),
            partition_key=str(MONDAY),
            run_config={
                "ops": {"raw_events": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
        return built.raw()["created_date"].to_list().count(SUNDAY)

    assert sound_on_sunday({}) == 0
    assert sound_on_sunday({"replay": True}) == 1
