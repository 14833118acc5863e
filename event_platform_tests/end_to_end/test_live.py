"""Dagster's webserver and daemon, and nothing else: what lands is in its event table, and late events are found."""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.opening import open_lake
from event_platform_tests.support.command import variables
from event_platform_tests.support.live import Live, live, until
from event_platform_tests.support.s3 import put
from event_platform_tests.support.world import World, event, ndjson

LOG = logging.getLogger(__name__)

#: The first day of the stream, long enough ago to have hundreds of partitions.
HISTORY = datetime.now(UTC).date() - timedelta(days=730)
pytestmark = pytest.mark.xdist_group("live")


@dataclass
class Place:
    """Where objects land and tables are, and how to land one."""

    world: World
    settings: dict[str, str]
    lake: Lake
    bucket: str

    def deliver(self, day: date, name: str, *records: dict[str, Any]) -> None:
        """Land an object that arrives on `day`."""
        put(self.bucket, f"landing/{day:%Y/%m/%d}/12/{name}", ndjson(*records))

    def accounts(self) -> set[str]:
        """Return the uuids of the events of one type."""
        table = self.lake.event_table(self.world.catalog.by_key["account_created"])
        return set(table.snapshot().scan().select("event_uuid").collect().to_series())

    def source_versions(self, days: list[date]) -> dict[tuple[str, date], int | None]:
        """Return which version of raw_events each partition was built from."""
        tables = [
            self.lake.deduplicated_events,
            self.lake.unregistered_events,
            *map(self.lake.event_table, self.world.catalog.event_types),
        ]
        return {(table.name, day): table.snapshot().source_version(day) for table in tables for day in days}

    def is_settled(self) -> bool:
        """Say whether no created date is due."""
        return not due_created_dates(self.lake, self.world.catalog).days


@pytest.fixture
def place(bucket: str, tmp_path: Path) -> Place:
    """A stream that began years ago, on S3; runs in a folder are in the other tests of a live Dagster."""
    world = World(tmp_path, start_date=HISTORY)
    places = {"EVENT_PLATFORM_LANDING": f"s3://{bucket}/landing", "EVENT_PLATFORM_LAKE": f"s3://{bucket}/lake"}
    return Place(world, {**variables(world), **places}, open_lake(places["EVENT_PLATFORM_LAKE"]), bucket)


def test_what_lands_is_in_its_table_and_a_late_event_rebuilds_its_own_day(place: Place, tmp_path: Path) -> None:
    """Nobody asks for anything; of the other days only today, when it arrived, may be built again.

    Days of history that are copied into landing at the same time are found like those of today.
    """
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=back) for back in (11, 10, 9, 0)]
    with live(tmp_path, place.settings) as instance:
        place.deliver(today, "first", *(event(f"u{day}", day) for day in days), event("x", today, "ping"))
        seconds = until(lambda: place.accounts() == {f"u{day}" for day in days}, "four events", instance)
        LOG.info("an object was in its event table after %.0f s", seconds)
        wait_for_runs(instance, place)
        before = place.source_versions(days)

        history = [HISTORY + timedelta(days=number) for number in range(5)]
        for day in history:
            place.deliver(day, "history", event(f"h{day}", day))
        place.deliver(today, "late", event("late", days[1]))
        seconds = until(lambda: "late" in place.accounts(), "the late event", instance)
        LOG.info("a late event was in its event table after %.0f s", seconds)
        seconds = until(lambda: len(place.accounts()) == 10, "five days of years ago", instance)
        LOG.info("five days of %s were in their event table %.0f s later", HISTORY, seconds)
        wait_for_runs(instance, place)
        after = place.source_versions(days)

    changed = {key for key in before if before[key] != after[key] and key[1] != today}
    assert changed == {key for key in before if key[1] == days[1]}
    totals = lake_totals(place.lake, place.world.catalog)
    assert (totals["balanced"], totals["landed"], totals["typed"], totals["unregistered"]) == (True, 11, 10, 1)
    raw = place.lake.raw_events.snapshot().scan().group_by("source_object").agg(pl.len()).collect()
    assert raw.height == 7


_UNDER_WAY = """{ runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
    ... on Runs { results { runId } } } }"""


def wait_for_runs(instance: Live, place: Place) -> None:
    """Wait until no date is due and no run is under way."""
    until(lambda: place.is_settled() and not instance.ask(_UNDER_WAY)["results"], "every date is built", instance)
