"""Events under another name of a type: their fields are proposed, and accepted, together with the name."""

import json
from pathlib import Path
from typing import Any

import pytest

from event_platform_tests.support.command import call, use
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, rows

SCHEMA = {"title": "order:completed", "properties": {"total": {"type": "integer"}}}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A type with one event, and events under three other names, two of them with a field that the type lacks."""
    world = World(tmp_path, schemas={"order": SCHEMA})
    world.deliver(
        TUESDAY,
        "a.json",
        event("a", MONDAY, "order:completed", total=1),
        event("b", MONDAY, "Order Completed", total=1.5, coupon="x"),
        event("c", TUESDAY, "OrderCompleted", total=2, size={"x": 1}),
        event("d", TUESDAY, "order:complted", total=2, note="y"),
    )
    world.build(MONDAY, TUESDAY)
    use(monkeypatch, world)
    return world


def differences(code: int = 1) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the differences of `catalog diff`, by kind and field."""
    rows = json.loads(call("catalog", "diff", "--json", code=code))["differences"]
    return {(each["finding"], each["path"]): each for each in rows}


def test_what_another_name_brings_is_accepted_with_it(world: World) -> None:
    """Names that differ in case or separators bring their fields; after one rebuild no difference remains."""
    proposals = differences()
    assert list(proposals) == [
        ("like a known name", "Order Completed"),
        ("like a known name", "OrderCompleted"),
        ("like a known name", "order:complted"),
        ("new field", "coupon"),
        ("new field", "size"),
        ("changed type", "total"),
    ]
    coupon = proposals["new field", "coupon"]
    assert (coupon["events"], coupon["first"], coupon["names"]) == (1, "2025-06-02", ["Order Completed"])
    assert proposals["like a known name", "OrderCompleted"]["action"].startswith(
        "it differs in case and separators alone"
    )
    call("catalog", "accept", code=0)
    assert ("new field", "note") not in differences()
    world.type(MONDAY, TUESDAY)
    assert list(differences()) == [("like a known name", "order:complted")]
    typed = world.events("order_completed").select("event_uuid", "total", "coupon", "size", "_rescued")
    assert typed.rows() == [
        ("a", 1.0, None, None, None),
        ("b", 1.5, "x", None, None),
        ("c", 2.0, None, {"x": 1}, None),
    ]


def test_a_name_that_is_accepted_by_itself_brings_its_fields(world: World) -> None:
    """Fields of other events are not accepted."""
    accepted = json.loads(call("catalog", "accept", "order:complted", "--json", code=0))
    assert [(each["finding"], each["path"]) for each in accepted["accepted"]] == [
        ("like a known name", "order:complted"),
        ("new field", "note"),
    ]
    assert ("new field", "coupon") in differences()
    call("catalog", "accept", code=0)
    world.type(MONDAY, TUESDAY)
    assert differences(code=0) == {}
    assert rows(world.lake.unregistered_events).is_empty()


def test_a_name_that_is_like_a_known_one_may_be_another_event(world: World) -> None:
    """It gets its own schema and table, even if it differs only in separators, unless the table is the same."""
    call("catalog", "accept", "--new", code=2)
    call("catalog", "accept", "order:complted", "OrderCompleted", "--new", code=0)
    world.type(MONDAY, TUESDAY)
    assert world.events("order_complted").select("event_uuid", "note", "_rescued").rows() == [("d", "y", None)]
    assert world.events("OrderCompleted").select("event_uuid", "size", "_rescued").rows() == [("c", {"x": 1}, None)]
    assert [each for each in differences() if each[0] == "like a known name"] == [
        ("like a known name", "Order Completed")
    ]
    assert "Order Completed" in call("catalog", "accept", "Order Completed", "--new", code=2)


def test_names_that_are_in_the_catalog_already_are_looked_at_before_their_days_are_rebuilt(world: World) -> None:
    """For example when a user wrote the name into the schema."""
    (world.root / "catalog" / "order.yaml").write_text(
        json.dumps(SCHEMA | {"x-names": ["order:complted"]}), encoding="utf-8"
    )
    assert differences()["new field", "note"]["names"] == ["order:complted"]


def test_new_names_with_one_table_are_drafted_together(world: World) -> None:
    """The schema has the fields of all these names."""
    world.deliver(
        TUESDAY,
        "b.json",
        event("e", TUESDAY, "cart:opened", a=1),
        event("f", TUESDAY, "cart:opened", a=2),
        event("g", TUESDAY, "Cart Opened", a=2.5, b="x"),
    )
    world.build(MONDAY, TUESDAY)
    call("catalog", "accept", code=0)
    world.type(MONDAY, TUESDAY)
    assert [each for each in differences() if each[0] not in {"broken rule", "like a known name"}] == []
    typed = world.events("cart_opened").select("event_uuid", "a", "b", "_rescued")
    assert typed.rows() == [("e", 1.0, None, None), ("f", 2.0, None, None), ("g", 2.5, "x", None)]


def test_names_that_differ_in_an_id_are_one_difference(world: World) -> None:
    """Regardless of their number: none of them becomes a table."""
    world.deliver(TUESDAY, "b.json", *(event(f"i{number}", TUESDAY, f"page:{number}") for number in range(30)))
    world.build(MONDAY, TUESDAY)
    proposal = differences()["new name", ""]
    assert (proposal["event_type"], proposal["events"], proposal["edits"]) == ("page:…", 30, [])
    assert proposal["action"].startswith("30 names that differ in an id alone")
    assert not [each for each in json.loads(call("catalog", "accept", "--json"))["files"] if each["is_new"]]
