"""`catalog backfill`: what a change of the catalog makes due is shown, and built, and nothing else is."""

import json
from typing import Any

import pytest

from event_platform_tests.support.command import call, use
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, WEDNESDAY, World, event, write_catalog

ACCOUNTS = "events/account_created"


@pytest.fixture
def built(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three days, the last two with a field that the catalog lacks."""
    use(monkeypatch, world)
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        payload: dict[str, Any] = {} if day == MONDAY else {"team": day.day, "city": "x"}
        world.deliver(day, "a", event(f"u{day}", day, **payload), event(f"l{day}", day, "lesson:started", user="usr_1"))
    call("run")
    return world


def add(world: World, **properties: Any) -> None:
    """Write the schema of accounts with more properties."""
    schema = SCHEMAS["account_created"]
    properties = {**schema["properties"], **properties}
    write_catalog(world.root / "catalog", {"account_created": {**schema, "properties": properties}})


def versions(world: World) -> dict[str, int]:
    """Return the version of each table."""
    return {name: world.lake.found_table(name).snapshot().version for name in world.lake.names()}


def planned() -> dict[str, Any]:
    """Return the plan as JSON."""
    found: dict[str, Any] = json.loads(call("catalog", "backfill", "--plan", "--json").splitlines()[-1])
    return found


def test_a_plan_is_shown_and_built(built: World) -> None:
    """By the command and by `run`; two days of one table, and their reports, get a version."""
    assert "nothing is due: every day has the rows" in call("catalog", "backfill", "--plan")
    add(built, team={"type": "integer"})
    before = versions(built)
    shown = " ".join(call("catalog", "backfill", "--plan").split())
    assert "2 days of 1 table, 2 rows, and 2 quality reports" in shown
    (table,) = planned()["tables"]
    assert (table["table"], table["days"], table["rows"]) == (ACCOUNTS, [str(TUESDAY), str(WEDNESDAY)], 2)
    assert table["reasons"] == ["team has values in _rescued that fit its column"]
    assert table["cpu_seconds"] > 0
    assert f"{ACCOUNTS}: due on 2 days, such as {TUESDAY} (team has values" in call("status")
    assert versions(built) == before
    assert "balanced: nothing is lost" in call("catalog", "backfill")
    after = versions(built)
    assert {name for name in after if after[name] != before[name]} == {ACCOUNTS, "quality_report"}
    assert built.events("account_created").sort("created_date")["team"].to_list() == [None, 3, 4]
    assert (planned()["tables"], planned()["reports"]) == ([], 0)
    add(built, team={"type": "integer"}, city={"type": "string"})
    assert "balanced: nothing is lost" in call("run")
    assert built.events("account_created").sort("created_date")["city"].to_list() == [None, "x", "x"]
    assert {name for name, version in versions(built).items() if version != after[name]} == {ACCOUNTS, "quality_report"}
    assert built.events("account_created")["_rescued"].null_count() == 3


def test_new_events_are_left_to_run(built: World) -> None:
    """And a day that they make due as a whole."""
    add(built, team={"type": "integer"})
    built.deliver(WEDNESDAY, "late", event("late", TUESDAY, team=9))
    built.load(WEDNESDAY)
    assert "not balanced yet" in call("catalog", "backfill")  # until the day is deduplicated
    rows = dict(built.events("account_created").group_by("created_date").len().iter_rows())
    assert rows == dict.fromkeys((MONDAY, TUESDAY, WEDNESDAY), 1)
    assert built.events("account_created")["team"].drop_nulls().to_list() == [WEDNESDAY.day]
    call("run")
    assert sorted(built.events("account_created")["team"].drop_nulls()) == [TUESDAY.day, WEDNESDAY.day, 9]


def test_a_table_that_cannot_be_built_is_named(built: World) -> None:
    """With what to do; exit code 1."""
    add(built, plan={"type": "integer"})
    shown = call("catalog", "backfill", "--plan", code=1)
    assert "account_created.plan: the table has string, the catalog says long" in shown
    assert "nothing else is due" in shown
    assert call("catalog", "backfill", "--json", code=2)
