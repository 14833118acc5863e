"""The books: that they balance when all is well, and that no loss and no repetition goes unseen."""

from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from event_platform.lake.balance import (
    ArrivalBalance,
    DeduplicationBalance,
    TypingBalance,
    arrival_balances,
    deduplication_balances,
    typing_balances,
)
from event_platform.lake.tables import Table
from event_platform.lake.totals import lake_totals
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, copy_of, event


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days of sound, corrupt, repeated, conflicting and unregistered records, in their tables."""
    world = World(tmp_path_factory.mktemp("built"))
    world.deliver(MONDAY, "a", event("u1"), event("u2", name="lesson:started"), "{broken", event("u3", name="beta:new"))
    world.deliver(MONDAY, "b", event("u4"), event("u1"))
    world.deliver(TUESDAY, "a", event("u2", plan="pro"), event("u5", TUESDAY), "[]", "null")
    world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def balanced(world: World) -> bool:
    """Say whether the books balance."""
    verdict: bool = lake_totals(world.lake, world.catalog)["balanced"]
    return verdict


def test_an_empty_lake_balances(world: World) -> None:
    """Nothing came in, and nothing is missing."""
    totals = lake_totals(world.lake, world.catalog)
    assert totals["balanced"]
    assert (totals["landed"], totals["by_arrival_date"], totals["event_tables"]) == (0, [], 0)


def test_the_ledger_counts_every_record_once(built: World) -> None:
    """In total, by reason and by kind, as `status --json` prints it."""
    totals = lake_totals(built.lake, built.catalog)
    days = totals.pop("by_arrival_date"), totals.pop("by_created_date")
    assert totals == {
        "landed": 10,
        "sound": 7,
        "mended": 0,
        "corrupt": 3,
        "corrupt_by_reason": {"not_an_object": 2, "not_json": 1},
        "deduplicated": 5,
        "duplicates": {"redelivery": 1, "conflict": 1},
        "unregistered": 1,
        "typed": 4,
        "event_tables": 2,
        "retired_tables": {},
        "balanced": True,
        "unbalanced": {"arrival_dates": [], "created_dates": []},
    }
    assert [[day["arrival_date"] for day in days[0]], [day["created_date"] for day in days[1]]] == [
        ["2025-06-02", "2025-06-03"]
    ] * 2


def test_each_day_has_its_own_balance(built: World) -> None:
    """Empty days are zeros if requested, and omitted otherwise."""
    assert arrival_balances(built.lake) == [ArrivalBalance(MONDAY, 6, 5, 1, 0), ArrivalBalance(TUESDAY, 4, 2, 2, 0)]
    assert arrival_balances(built.lake, [WEDNESDAY]) == [ArrivalBalance(WEDNESDAY, 0, 0, 0, 0)]
    monday = DeduplicationBalance(MONDAY, sound=6, deduplicated=4, redelivery=1, conflict=1)
    tuesday = DeduplicationBalance(TUESDAY, sound=1, deduplicated=1, redelivery=0, conflict=0)
    assert deduplication_balances(built.lake) == [monday, tuesday]
    assert deduplication_balances(built.lake, [TUESDAY]) == [tuesday]
    typed = [TypingBalance(MONDAY, 4, 1, 3), TypingBalance(TUESDAY, 1, 0, 1)]
    assert typing_balances(built.lake, built.catalog) == typed
    assert typing_balances(built.lake, built.catalog, [TUESDAY]) == typed[1:]


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (lambda world: world.lake.raw_events, "source_object like '%/b' and source_offset = 0"),
        (lambda world: world.lake.raw_events, "source_object like '%/b' and source_offset = 1"),
        (lambda world: world.lake.raw_events, "source_object like '%/b'"),
        (lambda world: world.lake.raw_events, "event_uuid = 'u1' or corruption_reason is not null"),
        (lambda world: world.lake.corrupt_events, "corruption_reason = 'not_json'"),
        (lambda world: world.lake.deduplicated_events, "event_uuid = 'u5'"),
        (lambda world: world.lake.duplicate_events, "kind = 'conflict'"),
        (lambda world: world.lake.unregistered_events, "event_uuid = 'u3'"),
        (lambda world: world.event_table("account_created"), "event_uuid = 'u4'"),
        (lambda world: world.event_table("lesson_started"), "event_uuid = 'u2'"),
    ],
)
def test_a_row_that_is_gone_from_any_table_is_seen(built: World, table: Callable[[World], Table], rows: str) -> None:
    """Whoever deleted it, and however."""
    assert balanced(built)
    deleted = DeltaTable(table(built).uri).delete(rows)["num_deleted_rows"]
    assert deleted > 0
    assert not balanced(built)


@pytest.mark.parametrize(
    "table",
    [
        lambda world: world.lake.raw_events,
        lambda world: world.lake.corrupt_events,
        lambda world: world.lake.deduplicated_events,
        lambda world: world.lake.duplicate_events,
        lambda world: world.lake.unregistered_events,
        lambda world: world.event_table("account_created"),
    ],
)
def test_rows_that_are_there_twice_are_seen_in_any_table(built: World, table: Callable[[World], Table]) -> None:
    """Nothing is counted twice."""
    delta = DeltaTable(table(built).uri)
    write_deltalake(delta, delta.to_pyarrow_table(), mode="append")
    assert not balanced(built)


def test_a_lost_record_in_the_middle_of_an_object_breaks_its_numbers(built: World) -> None:
    """Landed equals sound plus corrupt all the same: the numbers tell."""
    DeltaTable(built.lake.raw_events.uri).delete("event_uuid = 'u4'")
    (monday,) = arrival_balances(built.lake, [MONDAY])
    assert (monday.landed, monday.sound, monday.corrupt, monday.broken_objects) == (5, 4, 1, 1)
    assert not monday.balanced


def test_a_loss_is_seen_on_its_day_and_on_no_other(built: World) -> None:
    """So that the partition to materialize again is known; doing so repairs it."""
    DeltaTable(built.lake.deduplicated_events.uri).delete("event_uuid = 'u5'")
    assert [day.balanced for day in deduplication_balances(built.lake)] == [True, False]
    assert [day.balanced for day in typing_balances(built.lake, built.catalog)] == [True, False]
    built.deduplicate(TUESDAY)
    built.type(TUESDAY)
    assert balanced(built)


def test_objects_lost_from_the_ledger_are_loaded_again(built: World) -> None:
    """The ledger itself says which objects are new."""
    DeltaTable(built.lake.raw_events.uri).delete("source_object like '%/b'")
    assert not balanced(built)
    built.build(MONDAY)
    assert balanced(built)
    assert lake_totals(built.lake, built.catalog)["landed"] == 10
