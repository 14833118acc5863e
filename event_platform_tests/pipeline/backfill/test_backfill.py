"""After a change of the catalog exactly the days are due whose rows would differ, and only these are written."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

import pytest

from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.pipeline import fingerprint
from event_platform.pipeline.backfill import find
from event_platform.pipeline.backfill.rows import RowExaminer
from event_platform.pipeline.backfill.verdicts import VERDICTS
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.due_dates import DueDates
from event_platform.pipeline.typing.step import UNREGISTERED
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event, write_catalog

DAYS = [MONDAY + timedelta(days=number) for number in range(5)]
LESSONS, ACCOUNTS = "events/lesson_started", "events/account_created"

#: The payload of the lesson of each day.
LESSON: list[dict[str, Any]] = [
    {"user": "usr_1", "level": 1},
    {"user": "usr_1", "app_build": 7, "device": {"os": "ios", "model": "x"}},
    {"user": "usr_1", "answers": [{"id": 1, "took": 3}], "skills": ["a"]},
    {"user": "usr_1", "app_build": 8, "anything": []},
    {"user": "usr_1", "device": {"os": "ios"}},
]


@pytest.fixture
def five(world: World) -> World:
    """Five days that are built, with a lesson and an account on each."""
    for day, lesson in zip(DAYS, LESSON, strict=True):
        world.deliver(
            day, "a", event(f"l{day}", day, "lesson:started", **lesson), event(f"a{day}", day, plan="pro", team=1)
        )
    world.build(*DAYS)
    return world


def change(world: World, key: str, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the schema of a type."""
    schema = deepcopy(SCHEMAS[key])
    edit(schema)
    write_catalog(world.root / "catalog", {key: schema})


def add(key: str, **properties: Any) -> Callable[[dict[str, Any]], object]:
    """Add properties to the schema, or to what is below the property `key` of it."""

    def edit(schema: dict[str, Any]) -> None:
        below = schema["properties"].get(key, schema)
        below.get("items", below)["properties"].update(properties)

    return edit


def due(world: World, rows: int | None = None) -> DueDates:
    """Return what is due."""
    return due_created_dates(world.lake, world.catalog, rows_examined=rows)


def versions(lake: Lake) -> dict[str, int]:
    """Return the version of each table."""
    return {name: lake.found_table(name).snapshot().version for name in lake.names()}


def files(world: World) -> Mapping[date, list[str]]:
    """Return the files of the lessons by day."""
    return world.event_table("lesson_started").snapshot().paths_by_date()


def is_balanced(world: World) -> bool:
    """Return whether the totals balance."""
    return bool(lake_totals(world.lake, world.catalog)["balanced"])


INTEGER, NUMBER, STRING = {"type": "integer"}, {"type": "number"}, {"type": "string"}
CHANGES = [
    pytest.param(add("", app_build=INTEGER), [1, 3], id="a property"),
    pytest.param(add("", app_build={"type": "boolean"}), [], id="a property of another type than its values"),
    pytest.param(add("", nobody=INTEGER), [], id="a property without values"),
    pytest.param(add("device", model=STRING), [1], id="a nested property"),
    pytest.param(add("answers", took=INTEGER), [2], id="a property of an array's items"),
    pytest.param(add("", anything={"type": "array", "items": STRING}), [3], id="an array that was empty"),
    pytest.param(
        add("", skills={**SCHEMAS["lesson_started"]["properties"]["skills"], "x-column": "s"}), [2], id="x-column"
    ),
    pytest.param(lambda schema: schema["properties"].pop("level"), [0], id="removed"),
    pytest.param(lambda schema: schema["properties"].pop("hard"), [], id="removed, and never used"),
    pytest.param(lambda schema: schema.update({"description": "…", "required": []}), [], id="description and rules"),
    pytest.param(add("", level={**INTEGER, "maximum": 3, "description": "…"}), [], id="those of a property"),
]


@pytest.mark.parametrize(("edit", "expected"), CHANGES)
def test_exactly_the_days_whose_rows_would_differ_are_due(
    five: World, edit: Callable[[dict[str, Any]], object], expected: list[int]
) -> None:
    """Only their table is written, and of it only these days; the totals balance before and after."""
    change(five, "lesson_started", edit)
    days = [DAYS[number] for number in expected]
    due_dates, old_versions, old_files = due(five), versions(five.lake), files(five)
    assert {table: sorted(each) for table, each in due_dates.backfills.due.items()} == ({LESSONS: days} if days else {})
    assert due_dates.days == []
    assert is_balanced(five)
    if days:
        five.type(*days, keys=["lesson_started"])
    new_versions, new_files = versions(five.lake), files(five)
    assert {name for name in new_versions if new_versions[name] != old_versions[name]} == ({LESSONS} if days else set())
    assert [day for day in DAYS if new_files[day] != old_files[day]] == days
    assert due(five).backfills == find.Backfills()
    assert is_balanced(five)
    assert set(days) <= due(five).reports.keys()
    five.report(*DAYS)
    assert not due(five).all_days


def test_what_was_rescued_leaves_rescued_for_its_column(five: World) -> None:
    """And why a day is due is said."""
    change(five, "lesson_started", add("", app_build=INTEGER))
    assert due(five).sentences[0] == (
        f"{LESSONS}: due on 2 days, such as {DAYS[1]} (app_build has values in _rescued that fit its column)"
    )
    five.type(*due(five).backfills.due[LESSONS], keys=["lesson_started"])
    rows = five.events("lesson_started").sort("created_date")
    assert rows["app_build"].to_list() == [None, 7, None, 8, None]
    assert rows["_rescued"].to_list() == [
        *(None, '{"device":{"model":"x"}}', '{"answers":[{"id": 1, "took": 3}]}', None, None)
    ]


def test_nothing_is_looked_at_where_the_rules_are_the_same(five: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor after an upgrade: the log has the rules of each build. The page of the type is drawn again."""
    monkeypatch.delattr(RowExaminer, "examine")
    change(five, "lesson_started", lambda schema: schema.update({"description": "…"}))
    monkeypatch.setattr(fingerprint, "release", lambda: "99.0")
    assert due(five).all_days == due(five).reports.keys() == {DAYS[-1]}
    assert due(five).backfills == find.Backfills()


def test_a_lake_that_does_not_say_its_rules_is_compared(five: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rules of the first releases, unless the catalog is the one that built it."""
    monkeypatch.setattr(find, "rules_in", lambda _: {})
    assert due(five).backfills == find.Backfills()
    monkeypatch.setattr(fingerprint, "release", lambda: "99.0")
    assert due(five).backfills == find.Backfills()
    change(five, "lesson_started", add("", app_build=INTEGER))
    assert {table: sorted(days) for table, days in due(five).backfills.due.items()} == {LESSONS: [DAYS[1], DAYS[3]]}


def test_of_the_envelope_what_rows_have_of_it_is_compared(five: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields that are no payload any more, or again. In what way records are read is a matter of loading them."""
    with monkeypatch.context() as patch:
        patch.delattr(RowExaminer, "examine")
        write_catalog(five.root / "catalog", {}, {"created_at": {"field": "created_at", "unit": "auto"}})
        assert due(five).backfills == find.Backfills()
    write_catalog(five.root / "catalog", {}, {"event_uuid": ["event_uuid", "event_name"]})
    assert {table: sorted(days) for table, days in due(five).backfills.due.items()} == {LESSONS: DAYS, ACCOUNTS: DAYS}
    five.type(*DAYS, keys=["account_created"])
    assert five.events("account_created")["_rescued"][0].startswith('{"event_uuid":')
    write_catalog(five.root / "catalog", {}, {"path_columns": ["tenant"]})
    assert {table: sorted(days) for table, days in due(five).backfills.due.items()} == {ACCOUNTS: DAYS}


def test_a_run_that_was_killed_between_tables_leaves_the_rest_due(five: World) -> None:
    """Each table is one commit, after each of which the totals balance."""
    change(five, "lesson_started", add("", app_build=INTEGER))
    change(five, "account_created", add("", team=INTEGER))
    assert {table: len(days) for table, days in due(five).backfills.due.items()} == {LESSONS: 2, ACCOUNTS: 5}
    five.type(*DAYS[:3], keys=["account_created"])
    assert is_balanced(five)
    assert {table: sorted(days) for table, days in due(five).backfills.due.items()} == {
        LESSONS: [DAYS[1], DAYS[3]],
        ACCOUNTS: DAYS[3:],
    }
    five.type(DAYS[1], DAYS[3], keys=["lesson_started"])
    assert is_balanced(five)
    assert {table: sorted(days) for table, days in due(five).backfills.due.items()} == {ACCOUNTS: DAYS[3:]}
    five.type(*DAYS[3:], keys=["account_created"])
    assert due(five).backfills == find.Backfills()


def test_a_day_that_gains_late_events_meanwhile_is_built_whole(five: World) -> None:
    """All of its tables are due then, and its old rows get the new column with the new ones."""
    change(five, "lesson_started", add("", app_build=INTEGER))
    five.deliver(DAYS[4], "late", event("late", DAYS[1], "lesson:started", app_build=9))
    five.load(DAYS[4])
    due_dates = due(five)
    assert (due_dates.days, sorted(due_dates.backfills.due[LESSONS])) == ([DAYS[1]], [DAYS[3]])
    five.type(DAYS[3], keys=["lesson_started"])
    five.build(DAYS[1])
    assert five.events("lesson_started")["app_build"].drop_nulls().sort().to_list() == [7, 8, 9]
    assert due(five).backfills == find.Backfills()
    assert is_balanced(five)


def test_days_with_the_same_rows_can_be_appended_to_again(five: World) -> None:
    """The next commit to the table gives them the rules of now: they are not rebuilt for a late event."""
    change(five, "lesson_started", add("", app_build=INTEGER))
    five.type(DAYS[1], keys=["lesson_started"])
    old_files = files(five)
    five.deliver(DAYS[4], "late", event("late", DAYS[0], "lesson:started", app_build=9))
    five.build(DAYS[4], DAYS[0])
    assert set(files(five)[DAYS[0]]) > set(old_files[DAYS[0]])
    assert five.events("lesson_started")["app_build"].drop_nulls().sort().to_list() == [7, 9]
    assert sorted(due(five).backfills.due[LESSONS]) == [DAYS[3]]


def test_events_of_a_name_that_a_type_gains_move_to_its_table(five: World) -> None:
    """Due are the days that have any, of both tables."""
    five.deliver(DAYS[2], "b", event("p", DAYS[2], "profile:created", plan="pro"))
    five.build(DAYS[2])
    change(five, "account_created", lambda schema: schema.update({"x-names": ["profile:created"]}))
    due_days = due(five).backfills.due
    assert {table: list(days) for table, days in due_days.items()} == {
        ACCOUNTS: [DAYS[2]],
        "unregistered_events": [DAYS[2]],
    }
    five.type(DAYS[2], keys=["account_created", UNREGISTERED])
    assert five.events("account_created").height == 6
    assert due(five).backfills == find.Backfills()
    assert is_balanced(five)


def test_a_table_that_cannot_get_a_column_is_named_and_not_due(five: World) -> None:
    """To build it would fail each time."""
    change(five, "lesson_started", add("", level={"type": "boolean"}))
    due_dates = due(five)
    assert due_dates.backfills.due == {}
    assert "lesson_started.level: the table has long, the catalog says boolean" in due_dates.sentences[-1]


def test_a_wider_type_makes_every_day_of_its_table_due(five: World) -> None:
    """Until one of them is built: all are rebuilt in that commit."""
    change(five, "lesson_started", add("", level=NUMBER))
    assert due(five).backfills.due == {LESSONS: dict.fromkeys(DAYS, "a wider type: level: long → double")}
    five.type(DAYS[1], keys=["lesson_started"])
    assert due(five).backfills == find.Backfills()
    assert is_balanced(five)


def test_events_move_to_a_table_that_gets_a_wider_type(five: World) -> None:
    """The one commit takes them: both tables are due on their day, also where the table has no row."""
    moved = DAYS[4] + timedelta(days=1)
    five.deliver(moved, "b", event("p", moved, "level:reached", user="usr_1", level=2.5))
    five.build(moved)

    def edit(schema: dict[str, Any]) -> None:
        schema["x-names"] = ["level:reached"]
        schema["properties"]["level"] = NUMBER

    change(five, "lesson_started", edit)
    due_days = due(five).backfills.due
    assert {table: sorted(days) for table, days in due_days.items()} == {
        LESSONS: [*DAYS, moved],
        "unregistered_events": [moved],
    }
    five.type(moved, keys=["lesson_started", UNREGISTERED])
    assert five.events("lesson_started")["level"].drop_nulls().to_list() == [1.0, 2.5]
    assert due(five).backfills == find.Backfills()
    assert is_balanced(five)


def test_as_many_rows_as_allowed_are_looked_at(five: World) -> None:
    """The newest days first; the next look goes on with the others."""
    VERDICTS.clear()
    change(five, "lesson_started", add("", app_build=INTEGER))
    first = due(five, rows=2_000).backfills
    assert (sorted(first.due[LESSONS]), sorted(first.unexamined[LESSONS])) == ([DAYS[3]], DAYS[:3])
    assert f"{LESSONS}: 3 days built before the catalog changed" in due(five, rows=0).sentences[-1]
    assert sorted(due(five, rows=2_000).backfills.due[LESSONS]) == [DAYS[1], DAYS[3]]
    assert due(five, rows=2_000).backfills.unexamined == {}
