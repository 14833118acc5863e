"""A producer adds a field, changes a type, renames an event and sends milliseconds for a day: the lake follows.

The story of docs/tutorial-changes.md. After each command the totals balance, and of the tables only the days are
written that the change concerns.
"""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from event_platform.lake.totals import lake_totals
from event_platform_tests.support.command import build_by_run, call, use
from event_platform_tests.support.mending import all_rows, write_functions
from event_platform_tests.support.world import MONDAY, World, rows

DAYS = [MONDAY + timedelta(number) for number in range(5)]
CART, ORDER, UNREGISTERED, REPORT = "events/cart_opened", "events/order_placed", "unregistered_events", "quality_report"

ENVELOPE = {"event_uuid": "id", "event_name": "event", "created_at": {"field": "at", "unit": "s"}}
SCHEMAS: dict[str, dict[str, Any]] = {
    "cart_opened": {"title": "cart:opened", "properties": {"customer": {"type": "string"}}},
    "order_placed": {
        "title": "order:placed",
        "properties": {"customer": {"type": "string"}, "total": {"type": "integer"}},
    },
}

#: What differs from day to day: the unit of carts, a cart, the name of orders, the total of an order.
STORY: list[tuple[int, dict[str, Any], str, float]] = [
    (1, {}, "order:placed", 42),
    (1, {}, "order:placed", 7),
    (1, {"coupon": "SUMMER"}, "order:placed", 19.5),
    (1, {"coupon": "TEA"}, "Order Placed", 8.25),
    (1000, {"coupon": "SUMMER"}, "Order Placed", 12),
]

FUNCTION = """
import json

from event_platform.events.mending import DeadLetter, MendedRecord, mends


@mends(reason="created_at_out_of_range", name="cart:opened")
def milliseconds(record: DeadLetter) -> MendedRecord:
    event = json.loads(record.body)
    return {**event, "at": event["at"] / 1000}
"""


class TableState(NamedTuple):
    """The version of a table, and its files by day."""

    version: int
    files: Mapping[date, list[str]]


def deliver(world: World, number: int) -> None:
    """Land the events of a day: a cart, a minute later its order, and the order once more."""
    unit, cart, name, total = STORY[number]
    day = DAYS[number]
    seconds = int(datetime(day.year, day.month, day.day, 9, tzinfo=UTC).timestamp())
    order = {"id": f"o{number}", "event": name, "at": seconds + 60, "customer": "ada", "total": total}
    opened = {"id": f"c{number}", "event": "cart:opened", "at": seconds * unit, "customer": "ada", **cart}
    world.deliver(day, "events", opened, order, order)


def state(world: World) -> dict[str, TableState]:
    """Return the state of each table."""
    snapshots = {name: world.lake.found_table(name).snapshot() for name in world.lake.names()}
    return {name: TableState(snapshot.version, snapshot.paths_by_date()) for name, snapshot in snapshots.items()}


def written(before: Mapping[str, TableState], after: Mapping[str, TableState]) -> dict[str, set[date]]:
    """Return the tables that have another version, each with the days that have other files."""
    return {
        name: {day for day in {*old.files, *new.files} if old.files.get(day) != new.files.get(day)}
        for name, new in after.items()
        if (old := before[name]).version != new.version
    }


def is_balanced(world: World) -> bool:
    """Return whether the totals balance."""
    return bool(lake_totals(world.lake, world.catalog)["balanced"])


def last_object(*command: str, code: int | None = None) -> dict[str, Any]:
    """Return the object that a command prints with `--json`."""
    document: dict[str, Any] = json.loads(call(*command, "--json", code=code).splitlines()[-1])
    return document


def landed(world: World) -> dict[Path, bytes]:
    """Return what is in landing."""
    return {path: path.read_bytes() for path in (world.root / "landing").rglob("*") if path.is_file()}


@pytest.fixture
def arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The five days, loaded with the catalog of the first."""
    world = World(tmp_path / "shop", SCHEMAS, ENVELOPE)
    use(monkeypatch, world)
    for number in range(len(DAYS)):
        deliver(world, number)
        if number == 0:
            call("run", code=0)
    call("run", code=3)
    return world


def test_the_story(arrived: World, tmp_path: Path) -> None:
    """Diff, accept, plan, back-fill, mend: only the affected tables are written, and every value has its column."""
    objects, at_first = landed(arrived), state(arrived)
    assert is_balanced(arrived)

    document = last_object("catalog", "diff", code=1)["differences"]
    assert {(each["finding"], each["event_type"], each["path"]) for each in document} == {
        ("new field", "cart:opened", "coupon"),
        ("changed type", "order:placed", "total"),
        ("like a known name", "order:placed", "Order Placed"),
    }
    assert not last_object("catalog", "accept", "--dry-run", code=1)["written"]
    assert call("catalog", "diff", code=1)
    assert "3 differences accepted in 2 files" in call("catalog", "accept", code=0)
    plan = last_object("catalog", "backfill", "--plan")
    assert state(arrived) == at_first
    assert is_balanced(arrived)

    concerned = {CART: {*DAYS[2:4]}, ORDER: {*DAYS}, UNREGISTERED: {*DAYS[3:]}}
    assert {table["table"]: {*map(date.fromisoformat, table["days"])} for table in plan["tables"]} == concerned
    assert "balanced: nothing is lost" in call("catalog", "backfill", code=3)  # a corrupt record is left
    followed = state(arrived)
    assert written(at_first, followed) == {**concerned, REPORT: {*DAYS}}
    assert is_balanced(arrived)
    assert arrived.events("order_placed")["total"].to_list() == [42.0, 7.0, 19.5, 8.25, 12.0]
    assert arrived.events("cart_opened")["coupon"].to_list() == [None, None, "SUMMER", "TEA"]
    assert call("run", code=3)
    assert state(arrived) == followed

    write_functions(arrived, FUNCTION)
    assert "1 record of 1 object on 1 day: 1 would be sound" in call("mend", "--dry-run")
    assert state(arrived) == followed
    assert is_balanced(arrived)
    call("mend", code=0)
    mended = state(arrived)
    days = {day for table in written(followed, mended).values() for day in table}
    assert days == {DAYS[4]}
    assert mended[CART].files.keys() == {*DAYS}
    assert is_balanced(arrived)

    assert "no differences" in call("catalog", "diff", code=0)
    totals = last_object("status", code=0)
    assert (totals["landed"], totals["corrupt"], totals["mended"], totals["typed"]) == (15, 0, 1, 10)
    for key in ("cart_opened", "order_placed"):
        assert arrived.events(key)["_rescued"].null_count() == len(DAYS)
    assert rows(arrived.lake.corrupt_events).is_empty()
    assert call("run", code=0)
    assert call("mend", code=0)
    assert state(arrived) == mended
    assert landed(arrived) == objects

    again = World(tmp_path / "again", {})
    for folder in ("landing", "catalog"):
        shutil.copytree(arrived.root / folder, again.root / folder, dirs_exist_ok=True)
    assert all_rows(arrived) == all_rows(build_by_run(again))
