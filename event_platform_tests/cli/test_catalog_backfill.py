"""`catalog backfill`: what a change of the catalog makes due is shown, and built, and nothing else is."""

import json
from datetime import timedelta
from typing import Any

import pytest

from event_platform_tests.support.command import call, use
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, WEDNESDAY, World, event, rows, write_catalog

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
    document: dict[str, Any] = json.loads(call("catalog", "backfill", "--plan", "--json").splitlines()[-1])
    return document


def test_a_plan_is_shown_and_built(built: World) -> None:
    """By the command and by `run`; two days of one table, and their reports, get a version."""
    assert "nothing is due: every day has the rows" in call("catalog", "backfill", "--plan")
    add(built, team={"type": "integer"})
    before = versions(built)
    output = " ".join(call("catalog", "backfill", "--plan").split())
    assert "2 days of 1 table, 2 rows, and 2 quality reports" in output
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


@pytest.mark.parametrize("command", [("run",), ("catalog", "backfill")])
def test_a_table_that_gets_a_wider_type_is_rebuilt_once(built: World, command: tuple[str, ...]) -> None:
    """Also where another table is due on some of its days; and each report once, after it."""
    friday = WEDNESDAY + timedelta(days=2)
    for day in (WEDNESDAY, friday):
        built.deliver(day, "b", event(f"b{day}", day), event(f"m{day}", day, "lesson:started", user="usr_1", more=1))
    call("run")
    add(built, plan={"x-variant": True})
    lesson = SCHEMAS["lesson_started"]
    more = {"lesson_started": {**lesson, "properties": {**lesson["properties"], "more": {"type": "integer"}}}}
    write_catalog(built.root / "catalog", more)
    before = versions(built)
    assert "balanced: nothing is lost" in call(*command)
    after = versions(built)
    assert after[ACCOUNTS] == before[ACCOUNTS] + 1
    assert after["quality_report"] == before["quality_report"] + 4  # of four days
    assert built.events("lesson_started")["more"].drop_nulls().to_list() == [1, 1]
    assert (planned()["tables"], planned()["reports"]) == ([], 0)
    assert "due" not in call("status")


def test_new_events_are_left_to_run(built: World) -> None:
    """And a day that they make due as a whole."""
    add(built, team={"type": "integer"})
    built.deliver(WEDNESDAY, "late", event("late", TUESDAY, team=9))
    built.load(WEDNESDAY)
    assert "not balanced yet" in call("catalog", "backfill")  # until the day is deduplicated
    counts = dict(built.events("account_created").group_by("created_date").len().iter_rows())
    assert counts == dict.fromkeys((MONDAY, TUESDAY, WEDNESDAY), 1)
    assert built.events("account_created")["team"].drop_nulls().to_list() == [WEDNESDAY.day]
    call("run")
    assert sorted(built.events("account_created")["team"].drop_nulls()) == [TUESDAY.day, WEDNESDAY.day, 9]


def test_the_days_of_a_new_type_are_due_and_nothing_else_is(built: World) -> None:
    """What other types lack is shown and built beside it; a day without events of the type gets no report."""
    built.deliver(TUESDAY, "new", event("n", TUESDAY, "goal:set", goal=1))
    call("run")
    write_catalog(built.root / "catalog", {"goal": {"title": "goal:set", "properties": {"goal": {"type": "integer"}}}})
    add(built, team={"type": "integer"})
    plan = planned()
    days = {table["table"]: (table["days"], table["rows"]) for table in plan["tables"]}
    assert days == {
        ACCOUNTS: ([str(TUESDAY), str(WEDNESDAY)], 2),
        "events/goal_set": ([str(MONDAY), str(TUESDAY), str(WEDNESDAY)], 1),
        "unregistered_events": ([str(TUESDAY)], 1),
    }
    assert plan["reports"] == 2
    assert "events/goal_set: due on 3 days, such as 2025-06-02 (the catalog has the type since" in call("status")
    before = versions(built)
    call("catalog", "backfill")
    after = versions(built)
    assert {name for name, version in before.items() if after[name] != version} == {
        ACCOUNTS,
        "unregistered_events",
        "quality_report",
    }
    assert built.events("goal_set").select("created_date", "goal").rows() == [(TUESDAY, 1)]
    assert (planned()["tables"], rows(built.lake.unregistered_events).height) == ([], 0)
    call("run")
    assert versions(built) == after


def test_a_file_that_is_missing_keeps_nobody_from_a_new_type(built: World) -> None:
    """That its events cannot be counted makes the day due, which builds the file again."""
    built.deliver(TUESDAY, "new", event("n", TUESDAY, "goal:set"), event("o", TUESDAY, "other:set"))
    call("run")
    write_catalog(built.root / "catalog", {"goal": {"title": "goal:set", "properties": {}}})
    for path in (built.root / "lake" / "unregistered_events").glob("created_date=*/*.parquet"):
        path.unlink()
    assert {table["table"]: table["rows"] for table in planned()["tables"]}["events/goal_set"] == 2
    assert "events/goal_set: due on 3 days" in call("status")
    assert "balanced: nothing is lost" in call("catalog", "backfill")
    assert built.events("goal_set")["event_uuid"].to_list() == ["n"]
    assert rows(built.lake.unregistered_events)["event_uuid"].to_list() == ["o"]


def test_reports_follow_where_no_row_does(built: World) -> None:
    """They name the fields without a place, and so depend on the catalog; also after a back-fill that was killed."""
    built.deliver(MONDAY, "more", event("m", MONDAY, city="x"))
    call("run")
    add(built, team={"type": "integer"})
    assert ([len(table["days"]) for table in planned()["tables"]], planned()["reports"]) == ([2], 3)
    call("catalog", "backfill")
    assert "balanced: nothing is lost" in call("status")
    add(built, team={"type": "integer"}, city={"type": "string"})
    built.type(MONDAY, TUESDAY, WEDNESDAY)
    assert (planned()["tables"], planned()["reports"]) == ([], 3)
    assert "and 3 quality reports to build: event-platform catalog backfill" in call("catalog", "backfill", "--plan")
    call("catalog", "backfill")
    assert (planned()["tables"], planned()["reports"]) == ([], 0)
    assert "balanced: nothing is lost" in call("status")


def test_a_name_that_becomes_a_type_leaves_the_table_that_had_it(built: World) -> None:
    """Its events were never in unregistered_events. If a type returns, days that it has not missed are kept."""
    schema, goal = SCHEMAS["account_created"], {"title": "goal:set", "properties": {}}
    built.deliver(TUESDAY, "new", event("n", TUESDAY, "goal:set"))
    write_catalog(built.root / "catalog", {"account_created": {**schema, "x-names": ["goal:set"]}})
    call("run")
    assert built.events("account_created").filter(event_name="goal:set").height == 1
    write_catalog(built.root / "catalog", {"account_created": schema, "goal": goal})
    assert {table["table"] for table in planned()["tables"]} == {ACCOUNTS, "events/goal_set", "unregistered_events"}
    assert "balanced: nothing is lost" in call("catalog", "backfill")
    assert built.events("goal_set")["event_uuid"].to_list() == ["n"]
    (built.root / "catalog" / "goal.yaml").unlink()
    built.deliver(TUESDAY, "more", event("m", TUESDAY, "goal:set"))
    call("run")
    assert rows(built.lake.unregistered_events)["event_uuid"].sort().to_list() == ["m", "n"]
    write_catalog(built.root / "catalog", {"goal": goal})
    days = {table["table"]: table["days"] for table in planned()["tables"]}
    assert days == {"events/goal_set": [str(TUESDAY)], "unregistered_events": [str(TUESDAY)]}
    assert "balanced: nothing is lost" in call("catalog", "backfill")
    assert sorted(built.events("goal_set")["event_uuid"]) == ["m", "n"]


@pytest.mark.parametrize("command", [("run",), ("catalog", "backfill")])
def test_a_type_with_another_title_takes_its_events_from_its_earlier_table(
    built: World, command: tuple[str, ...]
) -> None:
    """In one rebuild: no event is in both tables, or counted twice."""
    opened = SCHEMAS["account_created"] | {"title": "account:opened", "x-names": ["account:created"]}
    write_catalog(built.root / "catalog", {"account_created": opened})
    (table, unregistered) = planned()["tables"]
    assert (table["table"], table["rows"], len(table["days"])) == ("events/account_opened", 3, 3)
    assert (unregistered["table"], unregistered["days"]) == ("unregistered_events", table["days"])
    assert "balanced: nothing is lost" in call(*command)
    assert built.events("account_opened").height == 3
    assert built.lake.found_table(ACCOUNTS).snapshot().rows_by_date() == {}
    assert planned()["tables"] == []


def test_days_that_are_due_anyway_are_said_to_be(built: World) -> None:
    """After a killed run, for example: the plan does not compare these days, and does not claim that nothing is due."""
    add(built, team={"type": "integer"})
    built.deliver(TUESDAY, "more", event("m", TUESDAY, team=1))
    built.load(TUESDAY)
    output = " ".join(call("catalog", "backfill", "--plan").split())
    assert f"not compared: 1 day, such as {TUESDAY} (newer events have landed): event-platform run builds" in output
    assert (planned()["left"], planned()["tables"][0]["days"]) == ([str(TUESDAY)], [str(WEDNESDAY)])
    add(built)
    output = " ".join(call("catalog", "backfill", "--plan").split())
    assert "nothing is due: every other day has the rows that the catalog gives it not compared: 1 day" in output


def test_a_table_that_cannot_be_built_is_named(built: World) -> None:
    """With what to do; exit code 1, also of the commands that build."""
    add(built, plan={"type": "integer"})
    output = call("catalog", "backfill", "--plan", code=1)
    assert "account_created.plan: the table has string, the catalog says long" in output
    assert "nothing else is due" in output
    for command in (["catalog", "backfill"], ["run"]):
        assert "account_created.plan: the table has string" in call(*command, code=1)
    completeness = json.loads(call("status", "--json").splitlines()[-1])["completeness"]
    assert (completeness["complete"], [*completeness["due"]["failing"]]) == (False, [ACCOUNTS])
    assert call("catalog", "backfill", "--json", code=2)
