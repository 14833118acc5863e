"""Dates that have changed are asked for, whoever changed them, and no others are looked at."""

from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from deltalake import DeltaTable

from event_platform.defs.automation.changed_dates_sensor import version_in
from event_platform_tests.defs.automation.requests.ticking import asked, carry_out, settle, tick
from event_platform_tests.support.world import World, event, write_catalog


def test_rows_that_are_deleted_again_are_brought_back_again(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """The same ones, by a run of its own each time."""
    world.deliver(today, "a", event("u1", today))
    for sensor in ("landing_sensor", "changed_dates_sensor"):
        carry_out(world, tick(world, sensor, instance), instance)
    for _ in range(3):
        DeltaTable(world.event_table("account_created").uri).delete()
        carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
        assert world.events("account_created").height == 1
    for _ in range(3):
        DeltaTable(world.lake.raw_events.uri).delete()
        carry_out(world, tick(world, "landing_sensor", instance), instance)
        assert world.raw().height == 1


def test_a_type_that_is_removed_and_put_back_is_built(world: World, instance: dg.DagsterInstance, today: date) -> None:
    """As often as that happens."""
    world.deliver(today, "a", event("u1", today))
    carry_out(world, tick(world, "landing_sensor", instance), instance)
    carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
    for number in range(2):
        (world.root / "catalog" / "account_created.yaml").unlink()
        world.deliver(today, f"{number}", event(f"v{number}", today))
        world.load(today)
        carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
        write_catalog(world.root / "catalog", world.schemas)
        carry_out(world, tick(world, "changed_dates_sensor", instance), instance)
        assert world.events("account_created").height == number + 2
        assert asked(tick(world, "changed_dates_sensor", instance)) == []


def test_a_day_whose_rows_somebody_deleted_is_asked_for_once_and_told(
    world: World, instance: dg.DagsterInstance, today: date, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is asked for is built; a run that fails on it is left to the daily reconciliation."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    DeltaTable(world.event_table("account_created").uri).delete()
    first, again = (tick(world, "changed_dates_sensor", instance) for _ in range(2))
    assert asked(first) == asked(again) == [(str(today), str(today))]
    assert [request.run_key for request in first.run_requests or []] == [
        request.run_key for request in again.run_requests or []
    ]
    assert "the rows of 1 created date are not those that were written" in capsys.readouterr().err
    carry_out(world, first)
    assert world.events("account_created").height == 1
    assert asked(tick(world, "changed_dates_sensor", instance)) == []


@pytest.mark.parametrize("cursor", ["", "nonsense", '{"version": 1, "raw": 17}'])
def test_the_touched_dates_need_no_cursor(world: World, instance: dg.DagsterInstance, today: date, cursor: str) -> None:
    """Neither a cursor of an older version nor one of a former table changes anything."""
    world.deliver(today, "a", event("u1", today))
    types, _, version = str(tick(world, "changed_dates_sensor", instance).cursor).partition(":")
    assert version.split()[0] == "-1"
    world.load(today)
    assert asked(tick(world, "changed_dates_sensor", instance, f"{types}:999")) == [(str(today), str(today))]
    assert asked(tick(world, "changed_dates_sensor", instance, cursor)) == [(str(today), str(today))]


def test_dates_that_were_up_to_date_are_not_looked_at_again(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Until they gain records; a failing date is requested until it is built.

    Another catalog makes all dates due for a look.
    """
    yesterday = today - timedelta(days=1)
    world.deliver(yesterday, "a", event("u1", yesterday))
    settle(world, instance)
    cursor = tick(world, "changed_dates_sensor", instance).cursor
    world.deliver(today, "b", event("u2", today))
    world.load(today)
    for _ in range(2):  # it is not built meanwhile
        tick_result = tick(world, "changed_dates_sensor", instance, cursor)
        assert (asked(tick_result), tick_result.cursor) == ([(str(today), str(today))], cursor)
    carry_out(world, tick_result)
    later = tick(world, "changed_dates_sensor", instance, cursor)
    assert asked(later) == []
    types, version = str(later.cursor).split()[0].split(":")
    assert int(version) == world.lake.raw_events.snapshot().version
    assert [version_in(each, types) for each in (later.cursor, f"other:{version}", "nonsense", f"{types}:x", None)] == [
        int(version),
        *[0] * 4,
    ]
    write_catalog(world.root / "catalog", {"ping": {"title": "ping", "type": "object"}})
    assert asked(tick(world, "changed_dates_sensor", instance, later.cursor)) == [(str(yesterday), str(today))]


def test_rows_are_counted_every_ten_minutes_where_nothing_is_new(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """Whoever deletes some waits for that; every tick would open every table, day and night."""
    world.deliver(today, "a", event("u1", today))
    settle(world, instance)
    known = tick(world, "changed_dates_sensor", instance).cursor
    DeltaTable(world.event_table("account_created").uri).delete()
    skipped = tick(world, "changed_dates_sensor", instance, known)
    assert (asked(skipped), skipped.cursor) == ([], known)
    assert "nothing new in raw_events" in str(skipped.skip_reason)
    state, _, then = str(known).partition(" ")
    earlier = f"{state} {int(then) - 600}"
    assert asked(tick(world, "changed_dates_sensor", instance, earlier)) == [(str(today), str(today))]


def test_a_change_of_the_catalog_asks_for_the_days_and_tables_that_it_concerns(
    world: World, instance: dg.DagsterInstance, today: date
) -> None:
    """At the next tick, with the report of these days; no other table gets a version."""
    days = [today - timedelta(days=back) for back in range(4)]
    for day in days:
        payload: dict[str, Any] = {"team": 7} if day in days[1:3] else {}
        world.deliver(day, "a", event(f"u{day}", day, **payload), event(f"l{day}", day, "lesson:started"))
    settle(world, instance)
    known = tick(world, "changed_dates_sensor", instance).cursor
    before = {name: world.lake.found_table(name).snapshot().version for name in world.lake.names()}
    schema = {
        **world.schemas["account_created"],
        "properties": {"plan": {"type": "string"}, "team": {"type": "integer"}},
    }
    write_catalog(world.root / "catalog", {"account_created": schema})
    tick_result = tick(world, "changed_dates_sensor", instance, known)
    assert asked(tick_result) == [(str(days[2]), str(days[1]))]
    assert [request.asset_selection for request in tick_result.run_requests or [] if request.asset_selection] == [
        [dg.AssetKey(["events", "account_created"]), dg.AssetKey("quality_report")]
    ]
    carry_out(world, tick_result, instance)
    assert world.events("account_created").sort("created_date")["team"].to_list() == [None, 7, 7, None]
    after = {name: world.lake.found_table(name).snapshot().version for name in world.lake.names()}
    assert {name for name in after if after[name] != before[name]} == {"events/account_created", "quality_report"}
    settled = tick(world, "changed_dates_sensor", instance, known)
    assert (asked(settled), str(settled.cursor).split()[0]) != ([], str(known).split()[0])
    assert asked(settled) == []
