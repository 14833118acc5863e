"""Streams as people have them, day by day: what changes is accepted in one round, and only what the plan says is built.

At the end every row is that of a lake that the last catalog has built alone.
"""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from event_platform.pipeline.typing.step import UNREGISTERED
from event_platform_tests.support.command import call, use
from event_platform_tests.support.comparison import contents, rebuilt
from event_platform_tests.support.world import MONDAY, World, noon

Record = dict[str, Any]
DAYS = [MONDAY + timedelta(number) for number in range(4)]


def track(event: str, properties: Record, **around: Any) -> Record:
    """An event as of Segment: an array of objects, and an event name that libraries spell in their own ways."""
    return {"event": event, "properties": properties, "context": {"library": {"version": "4.1"}}, **around}


def row(table: str, operation: str, before: Any, after: Any) -> Record:
    """A change of a row as of Debezium: one side is null for days."""
    return {"event": table, "op": operation, "before": before, "after": after, "source": {"db": "shop"}}


HISTORIES: dict[str, list[list[Record]]] = {
    "tracking": [
        [
            track(
                "Order Completed", {"total": 10, "products": [{"sku": "a", "price": 5}], "coupon": None, "extra": {}}
            ),
            track("Signed Up", {"plan": "free", "address": {"city": "Bonn"}, "tags": []}),
        ],
        [
            track(
                "Order Completed",
                {"total": 10.5, "products": [{"sku": "a", "price": 5.25, "size": "L"}], "coupon": "x"},
            ),
            track("order_completed", {"total": 7, "currency": "EUR", "extra": {"a": []}}),
            track("Signed Up", {"plan": ["free", "trial"], "address": {"city": "Bonn", "zip": 53111}, "tags": "a"}),
        ],
        [
            track(
                "Order Completed", {"total": "10.50", "products": [{"sku": 7, "price": "5.25"}], "extra": {"a": [1]}}
            ),
            track(
                "OrderCompleted", {"total": 7, "Total": 8}, context={"library": {"version": 5}, "device": {"os": "x"}}
            ),
            track("Signed Up", {"plan": "free", "address": "Bonn", "tags": {"a": 1}, "created.at": "2025-06-04"}),
        ],
        [
            track(
                "Order Completed", {"total": {"amount": 10}, "products": {"a": 1}, "日本": "x", "a b": 1, "A B": True}
            ),
            track("Order Refunded", {"total": 3}),
            track("order:refunded", {"total": 3.5, "reason": "x"}),
            track("Signed Up", {"created.at": "2025-06-05T10:00:00Z", "address": None}),
        ],
    ],
    "rows of tables": [
        [row("orders", "c", None, {"id": 1, "total": "AAo=", "status": "new"})],
        [row("orders", "u", {"id": 1, "total": "AAo=", "status": "new"}, {"id": 1, "total": 10.5, "status": "paid"})],
        [
            row("orders", "d", {"id": "1", "total": 10.5, "status": 2}, None),
            row("customers", "c", None, {"id": 1, "mail": "a"}),
        ],
        [row("Customers", "u", {"id": 1, "mail": "a"}, {"id": "gid://1", "mail": ["a"], "address": {"zip": 1}})],
    ],
    "readings": [
        [{"event": "reading", "temp": 20, "sensor": {"id": 1, "fw": "1.0"}, "up": 3600, "scores": {}}],
        [
            {
                "event": "reading",
                "temp": 68.5,
                "sensor": {"id": 1, "fw": 2},
                "up": 3600000,
                "big": 2**60,
                "values": [1, None],
            }
        ],
        [{"event": "reading", "temp": "NaN", "sensor": "s1", "up": 1.5, "big": 1.5, "values": [1.5, "x"], "on": True}],
        [
            {
                "event": "reading",
                "values": {"a": [1]},
                "on": "true",
                "up": {"s": 1},
                "scores": {f"user_{number:04}": number / 2 for number in range(150)},
                "deep": [{"l": [{"m": [{"n": 1, "o": "x"}]}]}],
            }
        ],
    ],
}


def accept(code: int) -> dict[str, Any]:
    """Accept all differences, or say what would be accepted."""
    found: dict[str, Any] = json.loads(call("catalog", "accept", "--json", *(["--dry-run"] if code else []), code=code))
    return found


def build_planned(world: World) -> None:
    """Build the days of the tables that the plan names, and these alone."""
    keys = {world.lake.event_table(each).name: each.key for each in world.catalog.event_types}
    plan = json.loads(call("catalog", "backfill", "--plan", "--json").splitlines()[-1])
    for day in map(date.fromisoformat, sorted({day for table in plan["tables"] for day in table["days"]})):
        tables = [table["table"] for table in plan["tables"] if day.isoformat() in table["days"]]
        world.type(day, keys=[keys.get(name, UNREGISTERED) for name in tables])


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_what_changes_is_accepted_in_one_round(
    history: list[list[Record]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog is drafted from the first day, and follows the others."""
    envelope = {"event_uuid": "id", "event_name": "event", "created_at": {"field": "at", "unit": "s"}}
    world = World(tmp_path / "world", schemas={}, envelope=envelope)
    use(monkeypatch, world)
    for number, (day, records) in enumerate(zip(DAYS, history, strict=True)):
        world.deliver(day, "a", *({"id": f"{day}:{each}", "at": noon(day), **of} for each, of in enumerate(records)))
        if number == 0:
            call("catalog", "draft")
        world.build(day)
        accept(code=0)
        build_planned(world)
        world.report(*DAYS[: number + 1])
        left = accept(code=0)
        assert (left["files"], {each["finding"] for each in left["remaining"]} - {"broken rule"}) == ([], set())
    assert call("catalog", "backfill", "--plan").splitlines()[-1].startswith("nothing is due")
    alone = rebuilt(world, tmp_path / "alone", DAYS)
    events = [f"events/{each.key}" for each in world.catalog.event_types]
    built, expected = contents(world.lake, world.catalog), contents(alone.lake, alone.catalog)
    assert [built[name] for name in [*events, "unregistered_events"]] == [
        expected[name] for name in [*events, "unregistered_events"]
    ]
