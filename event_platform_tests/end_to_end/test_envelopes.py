"""Streams that name and write their common fields otherwise: ids, names and times through to typed rows."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from event_platform.checks.uniqueness import check_typed_dates
from event_platform.lake.totals import lake_totals
from event_platform_tests.support.world import MONDAY, World, noon

#: A time in nanoseconds.
NS = noon(MONDAY) * 10**9 + 123_456_789

SCHEMA = {"viewed": {"title": "viewed", "type": "object", "properties": {"page": {"type": "integer"}}}}


def world_of(folder: Path, **envelope: Any) -> World:
    """Return a world of one event type, whose payload is a page."""
    return World(folder, schemas=SCHEMA, envelope={"event_name": "event_name", "created_at": "created_at", **envelope})


def viewed(page: int, **fields: Any) -> dict[str, Any]:
    """Return an event without an id."""
    return {"event_name": "viewed", "created_at": noon(MONDAY), "page": page, **fields}


def typed(world: World) -> dict[str, int]:
    """Build the day; return the typed pages by their id, of which nothing was rescued."""
    world.build(MONDAY)
    rows = world.events("viewed")
    assert rows["_rescued"].null_count() == rows.height
    return dict(rows.select("event_uuid", "page").iter_rows())


def sha256(*values: Any) -> str:
    """Return the documented hash of JSON values: 128 bits of SHA-256 of them as they are written."""
    return hashlib.sha256(b"\x1f".join(json.dumps(value).encode() for value in values)).hexdigest()[:32]


def test_an_id_may_be_an_integer(tmp_path: Path) -> None:
    """It is the same as its digits in a text."""
    world = world_of(tmp_path, event_uuid="id")
    world.deliver(MONDAY, "a", viewed(1, id=7), viewed(2, id=8), viewed(3, id=2**70), viewed(4, id="7"))
    assert typed(world) == {"7": 1, "8": 2, str(2**70): 3}


def test_an_id_may_be_joined_from_several_fields(tmp_path: Path) -> None:
    """Different parts give different ids, and a missing part gives none."""
    world = world_of(tmp_path, event_uuid=["audit.id", "stage"])
    world.deliver(
        MONDAY,
        "a",
        viewed(1, audit={"id": "a:b"}, stage="c"),
        viewed(2, audit={"id": "a"}, stage="b:c"),
        viewed(3, audit={"id": "a\\"}, stage=":b"),
        viewed(4, audit={"id": 5}, stage="c"),
        viewed(5, audit={"id": "a"}),
        viewed(6, audit={"id": "a"}, stage=""),
        viewed(7, audit={"id": "a"}, stage=1.5),
    )
    world.build(MONDAY)
    assert dict(world.events("viewed").select("event_uuid", "page").iter_rows()) == {
        "a\\:b:c": 1,
        "a:b\\:c": 2,
        "a\\\\:\\:b": 3,
        "5:c": 4,
    }
    reasons = world.raw()["corruption_reason"].drop_nulls().to_list()
    assert reasons == ["missing_event_uuid", "missing_event_uuid", "invalid_event_uuid"]


def test_an_id_may_be_the_hash_of_the_body(tmp_path: Path) -> None:
    """Of its bytes: the same record again is a duplicate, one with its keys in another order is not."""
    world = world_of(tmp_path, event_uuid={"hash": "body"})
    record, other = json.dumps(viewed(1)), json.dumps({"page": 1, **viewed(1)})
    world.deliver(MONDAY, "a", record, f"  {record} ", other)
    assert typed(world) == {hashlib.sha256(text.encode()).hexdigest()[:32]: 1 for text in (record, other)}


def test_an_id_may_be_the_hash_of_fields(tmp_path: Path) -> None:
    """Of any type, including the time, as they are written; a missing field gives none."""
    world = world_of(tmp_path, event_uuid={"hash": ["device", "created_at"]})
    world.deliver(
        MONDAY,
        "a",
        viewed(1, device={"os": "x", "n": [1.50]}),
        viewed(2, device="x"),
        viewed(3, device="x"),
        viewed(4),
        viewed(5, device=""),
        viewed(6, device=None),
        '{"broken": ',
        viewed(7, device=True),
    )
    world.build(MONDAY)
    assert dict(world.events("viewed").select("event_uuid", "page").iter_rows()) == {
        sha256({"os": "x", "n": [1.5]}, noon(MONDAY)): 1,
        sha256("x", noon(MONDAY)): 2,
        sha256(True, noon(MONDAY)): 7,  # noqa: FBT003 - a value
    }
    assert world.raw()["corruption_reason"].drop_nulls().sort().to_list() == ["missing_event_uuid"] * 3 + ["not_json"]


def test_a_stream_of_one_type_needs_no_name(tmp_path: Path) -> None:
    """A record that is none has no name either."""
    world = world_of(tmp_path, event_name={"constant": "viewed"})
    world.deliver(MONDAY, "a", {"event_uuid": "1", "created_at": noon(MONDAY), "page": 1}, "{broken")
    assert typed(world) == {"1": 1}
    assert world.raw().filter(corruption_reason="not_json")["event_name"].to_list() == [None]


def test_a_name_may_have_a_prefix(tmp_path: Path) -> None:
    """Of several streams in one lake each has its own."""
    world = World(
        tmp_path,
        schemas={"a": {"title": "github:Push:7", "properties": {}}},
        envelope={"event_name": {"fields": ["type", "action"], "prefix": "github"}},
    )
    record = {"event_uuid": "1", "created_at": noon(MONDAY), "type": "Push"}
    world.deliver(MONDAY, "a", {**record, "action": 7}, {**record, "event_uuid": "2", "type": ""})
    world.build(MONDAY)
    assert world.events("github_Push_7")["event_uuid"].to_list() == ["1"]
    assert world.raw()["corruption_reason"].to_list() == [None, "missing_event_name"]


def test_one_type_may_have_several_names(tmp_path: Path) -> None:
    """Events keep their own name; an event with another name is unregistered."""
    world = World(tmp_path, schemas={"a": {"title": "Order Completed", "x-names": ["order completed", "购买"]}})
    names = ["Order Completed", "order completed", "购买", "Order completed"]
    events = [{"event_uuid": name, "event_name": name, "created_at": noon(MONDAY)} for name in names]
    world.deliver(MONDAY, "a", *events)
    world.build(MONDAY)
    assert sorted(world.events("Order_Completed")["event_name"]) == sorted(names[:3])
    assert lake_totals(world.lake, world.catalog)["balanced"]
    (event_type,) = world.catalog.event_types
    table, source = world.event_table("Order_Completed").snapshot(), world.lake.deduplicated_events.snapshot()
    assert [result.passed for _, result in check_typed_dates(event_type, table, source, [MONDAY])] == [True]


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("s", str(noon(MONDAY))),
        ("ms", noon(MONDAY) * 1000),
        ("auto", noon(MONDAY) * 1000),
        ("auto", "2025-06-02 12:00:00+00"),
        ("auto", str(noon(MONDAY))),
        ("iso8601", "20250602T1200Z"),
    ],
)
def test_a_time_may_be_written_otherwise(tmp_path: Path, unit: str, written: Any) -> None:
    """The event columns have its entire field, so nothing of it is rescued."""
    world = world_of(tmp_path, created_at={"field": "ts", "unit": unit})
    record = {"event_uuid": "1", "event_name": "viewed", "ts": written, "page": 1}
    world.deliver(MONDAY, "a", record, {**record, "event_uuid": "2", "page": 2})
    assert typed(world) == {"1": 1, "2": 2}
    assert set(world.events("viewed")["created_at"]) == {float(noon(MONDAY))}


def test_nanoseconds_are_kept_beside_the_time(tmp_path: Path) -> None:
    """Two within a microsecond are still told apart."""
    world = world_of(tmp_path, created_at={"field": "ts", "unit": "ns"})
    world.deliver(MONDAY, "a", *({"event_uuid": str(n), "event_name": "viewed", "ts": f"{NS + n}"} for n in range(2)))
    world.build(MONDAY)
    rows = world.events("viewed")
    assert [json.loads(row) for row in rows["_rescued"]] == [{"ts": f"{NS + n}"} for n in range(2)]
    assert set(rows["created_datetime"].dt.epoch("us")) == {noon(MONDAY) * 10**6 + 123_457}
