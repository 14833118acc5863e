"""New objects are requested, wherever they land, and their events are built."""

import os
from datetime import date, timedelta

import dagster as dg
import pytest

from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.landing.folder import FolderLanding
from event_platform.quality.partitions import date_ranges
from event_platform_tests.defs.automation.requests.ticking import (
    asked,
    carry_out,
    fail,
    half_a_minute_later,
    said,
    settle,
    tick,
)
from event_platform_tests.support.world import MONDAY, World, event, ndjson, noon


def test_nothing_is_asked_for_where_nothing_is_due(world: World, instance: dg.DagsterInstance) -> None:
    """Neither before the first object nor after everything is built."""
    assert settle(world, instance) == ([], [])


def test_an_object_that_lands_is_loaded_and_its_date_is_built_by_one_run(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Once: the next ticks ask for nothing."""
    world.deliver(today, "a", event("u1", today))
    assert settle(world, instance) == ([(str(today), str(today))], [])
    assert world.events("account_created").height == 1
    assert settle(world, instance) == ([], [])


def test_a_run_that_is_asked_for_prints_no_line_for_each_event(
    world: World, instance: dg.DagsterInstance, today: date, capfd: pytest.CaptureFixture[str]
) -> None:
    """The run's records have them."""
    world.deliver(today, "a", event("u1", today))
    (request,) = tick(world, "landing_sensor", instance).run_requests or []
    definitions = world.definitions()
    done = dg.materialize(
        [*(definitions.assets or []), *(definitions.asset_checks or [])],  # type: ignore[list-item]
        selection=dg.AssetSelection.assets(RAW_EVENTS, CORRUPT_EVENTS),
        resources=dict(definitions.resources or {}),
        tags=dict(request.tags),
        run_config=request.run_config,
    )
    assert done.success
    printed = "".join(capfd.readouterr())
    assert "DEBUG" not in printed
    assert "STEP_SUCCESS" not in printed


def test_created_dates_of_other_days_are_left_to_the_changed_dates(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """If the object arrives today, its own date is built with it."""
    late = today - timedelta(days=2)
    world.deliver(today, "a", event("u1", today), event("u2", late))
    assert settle(world, instance) == ([(str(today), str(today))], [(str(late), str(late))])
    assert world.events("account_created").height == 2
    assert settle(world, instance) == ([], [])


def test_what_landed_on_an_earlier_day_is_loaded_alone(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """Its events may be of any date: only those that changed are built."""
    yesterday = today - timedelta(days=1)
    world.deliver(yesterday, "a", event("u1", yesterday - timedelta(days=1)))
    world.deliver(today, "b", event("u2", today))
    loads = tick(world, "landing_sensor", instance)
    assert [request.asset_selection for request in loads.run_requests or []] == [[RAW_EVENTS, CORRUPT_EVENTS]]
    assert asked(loads) == [(str(yesterday), str(today))]


def test_a_date_that_cannot_be_built_is_asked_for_without_its_objects(
    world: World, instance: dg.DagsterInstance, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that loaded them fails; its leftovers are due, as after any other run."""
    world.deliver(today, "a", event("u1", today))
    loads = tick(world, "landing_sensor", instance)
    with monkeypatch.context() as broken:
        broken.setattr("event_platform.defs.assets.deduplicated_events.deduplicate", fail)
        carry_out(world, loads, instance)
    assert instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])) == 1
    assert world.raw().height == 1
    assert settle(world, instance) == ([], [(str(today), str(today))])
    assert world.events("account_created").height == 1


def test_an_event_ten_days_late_rebuilds_only_its_own_day(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Whatever else the lake holds."""
    days = [today - timedelta(days=back) for back in (12, 11, 10, 9, 0)]
    for day in days:
        world.deliver(day, "a", event(f"u{day}", day))
    world.build(*days)
    world.deliver(today, "late", event("late", days[2]))
    assert settle(world, instance) == ([(str(today), str(today))], [(str(days[2]), str(days[2]))])


def test_a_changed_object_is_loaded_again(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """It differs in size or etag from what the ledger holds."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    world.deliver(today, "a", event("u1", today), event("u2", today))
    settle(world, instance)
    assert world.events("account_created")["event_uuid"].to_list() == ["u1", "u2"]


def test_history_is_found_at_once(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """Days of years ago that are copied into landing beside a running stream are asked for within half a minute."""
    world.start_date = date(2017, 7, 1)
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    cursor = half_a_minute_later(tick(world, "landing_sensor", instance))
    days = [world.start_date + timedelta(days=number) for number in range(5)]
    for day in days:
        world.deliver(day, "a", event(f"{day}", day))
    tick_result = tick(world, "landing_sensor", instance, cursor)
    assert asked(tick_result) == [(str(days[0]), str(days[-1]))]
    # Until it is loaded: a run may fail.
    again = tick(world, "landing_sensor", instance, half_a_minute_later(tick_result))
    assert asked(again) == asked(tick_result)
    carry_out(world, again)
    later = tick(world, "landing_sensor", instance, half_a_minute_later(again))
    assert (asked(later), said(later)) == ([], "nothing new on 6 of 6 days")


def test_an_object_delivered_late_into_an_old_folder_is_found(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Also where all that was there is loaded."""
    old = today - timedelta(days=17)
    world.deliver(old, "a", event("u1", old))
    settle(world, instance)
    cursor = half_a_minute_later(tick(world, "landing_sensor", instance))
    world.deliver(old, "b", event("u2", old))
    assert asked(tick(world, "landing_sensor", instance, cursor)) == [(str(old), str(old))]


def test_most_ticks_look_at_today_alone(
    world: World, instance: dg.DagsterInstance, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They list no other folder, and find what has landed in today's."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    cursor = tick(world, "landing_sensor", instance).cursor
    world.deliver(today - timedelta(days=1), "late", event("u2", today))
    monkeypatch.setattr(FolderLanding, "survey", fail)
    quiet = tick(world, "landing_sensor", instance, cursor)
    assert (asked(quiet), said(quiet), quiet.cursor) == ([], f"nothing new on {today}", cursor)
    world.deliver(today, "b", event("u3", today))
    tick_result = tick(world, "landing_sensor", instance, cursor)
    assert (asked(tick_result), tick_result.cursor) == ([(str(today), str(today))], cursor)


def test_an_object_without_a_date_in_its_path_is_asked_for_at_once(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Whatever the day of its last change: no folder of that day has to be there."""
    old = today - timedelta(days=17)
    (world.root / "landing" / "export.json").write_bytes(ndjson(event("u1", old)))
    os.utime(world.root / "landing" / "export.json", (noon(old), noon(old)))
    assert asked(tick(world, "landing_sensor", instance)) == [(str(old), str(old))]


@pytest.mark.parametrize(
    "cursor",
    ["", "not a date", '{"version": 1}', "0001-01-01", "9999-12-31", "2025-01-01;x/y", ";", "2025-01-01;2025-01-02/"],
)
def test_a_cursor_that_makes_no_sense_is_ignored(
    world: World, instance: dg.DagsterInstance, today: date, cursor: str
) -> None:
    """The cursor only decides where the rotation continues."""
    world.deliver(today, "a", event("u1", today))
    assert asked(tick(world, "landing_sensor", instance, cursor)) == [(str(today), str(today))]


def test_days_without_a_gap_are_one_run() -> None:
    """A gap is not rebuilt."""
    one, two, four = MONDAY, MONDAY + timedelta(days=1), MONDAY + timedelta(days=3)
    assert date_ranges([four, two, one]) == [(one, two), (four, four)]
    assert date_ranges([]) == []
