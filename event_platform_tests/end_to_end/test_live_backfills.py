"""Backfills over two weeks, launched as the UI does, by GraphQL: right for each day, and for nothing else.

One webserver and daemon for all of it; sensors are off, so that only backfills run. A backfill is one run here, as it
is unless told otherwise; those of `test_live_kills` are a run for each day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from event_platform.lake.tables import Table
from event_platform.lake.totals import lake_totals
from event_platform_tests.support.command import variables
from event_platform_tests.support.live import (
    Live,
    cancel,
    check_results,
    days_from,
    ended,
    launch,
    live,
    materialized_rows,
    partition_stats,
    runs_of,
    until,
)
from event_platform_tests.support.world import SCHEMAS, World, event

pytestmark = pytest.mark.xdist_group("backfills")

FIRST = date(2025, 6, 1)
DAYS = days_from(FIRST, 14)
WITHOUT_DATA = DAYS[4:6]
TYPES = ["account_created", "lesson_started", "payment_order_completed", "account_closed", "lesson_ended"]
ASSETS = [
    *("raw_events", "corrupt_events", "deduplicated_events", "duplicate_events", "unregistered_events"),
    *(f"events/{key}" for key in TYPES),
    "quality_report",
]


@dataclass
class Weeks:
    """Two weeks of data that a backfill of everything has built, and the instance that did it."""

    world: World
    instance: Live

    def tables(self) -> list[Table]:
        """Return every table that a backfill writes."""
        lake, catalog = self.world.lake, self.world.catalog
        return [
            *(lake.raw_events, lake.corrupt_events, lake.deduplicated_events, lake.duplicate_events),
            *(lake.unregistered_events, *map(lake.event_table, catalog.event_types), lake.quality_report),
        ]

    def files(self) -> dict[tuple[str, date], set[str]]:
        """Return the files of every partition: a partition that is written again has other ones."""
        found: dict[tuple[str, date], set[str]] = {}
        for table in self.tables():
            for file in table.snapshot().files():
                found.setdefault((table.name, file.partition), set()).add(file.path)
        return found


def accounts(day: date) -> int:
    """Return how many accounts are created on a day: as many as on the same weekday of other weeks."""
    return 0 if day in WITHOUT_DATA else 5 + day.toordinal() % 7


def lessons(day: date) -> int:
    """Return how many lessons are started on a day: on some days, one has a value that does not fit."""
    return accounts(day) % 3


def is_corrupt(day: date) -> bool:
    """Say whether a day has a corrupt record."""
    return accounts(day) == 7


def is_redelivered(day: date) -> bool:
    """Say whether a day has a record that comes twice."""
    return accounts(day) == 9


def deliver(world: World, day: date) -> None:
    """Land the records of a day."""
    if day in WITHOUT_DATA:
        return
    records: list[dict[str, Any] | str] = [event(f"{day}-{number}", day, plan="x") for number in range(accounts(day))]
    levels = ["seven", 3]
    records += [
        event(f"{day}-l{number}", day, "lesson:started", user="usr_1", level=levels[number])
        for number in range(lessons(day))
    ]
    records += ["{broken"] if is_corrupt(day) else []
    records += [event(f"{day}-0", day, plan="x")] if is_redelivered(day) else []
    world.deliver(day, "a.gz", *records, event(f"{day}-n", day, "ping"))


def unique(day: date) -> int:
    """Return how many different events a day has: one has a name that the catalog lacks."""
    return accounts(day) + lessons(day) + has_data(day)


def landed(day: date) -> int:
    """Return how many records land on a day."""
    return unique(day) + is_corrupt(day) + is_redelivered(day)


def has_data(day: date) -> bool:
    """Say whether anything lands on a day."""
    return day not in WITHOUT_DATA


def never(_day: date) -> bool:
    """Say no."""
    return False


ROWS: dict[str, Callable[[date], int]] = {
    "raw_events": landed,
    "corrupt_events": is_corrupt,
    "duplicate_events": is_redelivered,
    "deduplicated_events": unique,
    "unregistered_events": has_data,
    "events/account_created": accounts,
    "events/lesson_started": lessons,
    "events/payment_order_completed": never,
}
FAILING: dict[tuple[str, str], Callable[[date], int]] = {
    ("raw_events", "conservation"): never,
    ("raw_events", "corruption_rate"): is_corrupt,
    ("deduplicated_events", "conservation"): never,
    ("deduplicated_events", "unique_event_uuid"): never,
    ("deduplicated_events", "duplicate_rate"): is_redelivered,
    ("unregistered_events", "conservation"): never,
    ("unregistered_events", "unregistered_names"): has_data,
    ("events/account_created", "schema_conformance"): never,
    ("events/lesson_started", "schema_conformance"): lessons,
    ("events/lesson_started", "unique_event_uuid"): never,
    ("events/payment_order_completed", "volume"): never,
}


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weeks]:
    """Two weeks over all event types, built by a backfill."""
    root = tmp_path_factory.mktemp("weeks")
    schemas = {**SCHEMAS, **{key: {"title": key.replace("_", ":"), "type": "object"} for key in TYPES[3:]}}
    world = World(root, schemas, start_date=date(2025, 5, 1))
    for day in DAYS:
        deliver(world, day)
    with live(root, variables(world), sensors=False) as instance:
        launched = launch(instance, ASSETS, DAYS)["backfillId"]
        assert ended(instance, launched) == "COMPLETED_SUCCESS"
        (run,) = runs_of(instance, launched)
        assert run["dagster/asset_partition_range_start"] == DAYS[0].isoformat()
        assert run["dagster/asset_partition_range_end"] == DAYS[-1].isoformat()
        yield Weeks(world, instance)


def test_each_day_has_its_status_rows_and_check_results(weeks: Weeks) -> None:
    """Also those without data: they are materialized, with no rows."""
    stats = partition_stats(weeks.instance)
    for asset in ASSETS:
        assert stats[asset] == {"numMaterialized": len(DAYS), "numFailed": 0, "numMaterializing": 0}
    for asset, expected in ROWS.items():
        assert materialized_rows(weeks.instance, asset, DAYS) == {day: expected(day) for day in DAYS}, asset

    for (asset, check), fails in FAILING.items():
        results = check_results(weeks.instance, asset, check)
        assert {day: passed for day, passed in results.items() if passed == bool(fails(day))} == {}, (asset, check)
        assert results.keys() == set(DAYS)
    totals = lake_totals(weeks.world.lake, weeks.world.catalog)
    assert totals["balanced"]
    assert totals["typed"] == sum(accounts(day) + lessons(day) for day in DAYS)


def test_a_subset_of_types_and_days_touches_nothing_else(weeks: Weeks) -> None:
    """Three event types and five days: no other partition gets another file, no other table another version.

    Days before any data succeed with no rows; and a day outside of the partitions is refused, and nothing runs.
    """
    chosen = ["events/account_created", "events/lesson_started", "events/account_closed"]
    before, versions = weeks.files(), {table.name: table.snapshot().version for table in weeks.tables()}
    launched = launch(weeks.instance, chosen, DAYS[7:12])["backfillId"]
    assert ended(weeks.instance, launched) == "COMPLETED_SUCCESS"
    after = weeks.files()
    with_rows = {("events/account_created", day) for day in DAYS[7:12]}
    with_rows |= {("events/lesson_started", day) for day in DAYS[7:12] if lessons(day)}
    assert {key for key in before | after if before.get(key) != after.get(key)} == with_rows
    written = {table.name for table in weeks.tables() if table.snapshot().version != versions[table.name]}
    assert written == set(chosen)

    empty = days_from(date(2025, 5, 1), 3)
    assert launch(weeks.instance, ASSETS, [date(2025, 4, 30)])["__typename"] != "LaunchBackfillSuccess"
    launched = launch(weeks.instance, ASSETS, empty)["backfillId"]
    assert ended(weeks.instance, launched) == "COMPLETED_SUCCESS"
    for asset in ASSETS[:-1]:
        assert materialized_rows(weeks.instance, asset, empty) == dict.fromkeys(empty, 0)


def test_cancel_and_relaunch_leaves_no_half_day(weeks: Weeks) -> None:
    """Whatever is cancelled, each partition is as it was before or as it is after; launched again, all is built."""
    for day in DAYS:
        weeks.world.deliver(day, "more", event(f"{day}-more", day, plan="x"))
    launched = launch(weeks.instance, ASSETS, DAYS)["backfillId"]
    raw = weeks.world.lake.raw_events
    version = raw.snapshot().version
    until(lambda: raw.snapshot().version > version, "the backfill has written something", weeks.instance, pause=0.05)
    cancel(weeks.instance, launched)

    rows = weeks.world.event_table("account_created").snapshot().rows_by_date()
    more = {day: rows.get(day, 0) - accounts(day) for day in DAYS}
    assert set(more.values()) <= {0, 1}
    launched = launch(weeks.instance, ASSETS, DAYS)["backfillId"]
    assert ended(weeks.instance, launched) == "COMPLETED_SUCCESS"
    totals = lake_totals(weeks.world.lake, weeks.world.catalog)
    assert totals["balanced"]
    assert totals["typed"] == sum(accounts(day) + lessons(day) + 1 for day in DAYS)
