"""The daemon and the processes that work on runs are killed again and again: nothing is lost, nothing comes twice."""

import logging
import os
import random
import re
import shutil
import signal
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from event_platform.lake.totals import lake_totals
from event_platform_tests.support.command import variables
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.live import (
    Live,
    days_from,
    ended,
    failed_runs,
    has_ended,
    launch,
    live,
    runs_of,
    switch_sensor_on,
    until,
)
from event_platform_tests.support.mail import Hook, web_hook
from event_platform_tests.support.world import World, event

pytestmark = pytest.mark.xdist_group("live")
LOG = logging.getLogger(__name__)

DAYS = days_from(date(2025, 6, 1), 6)
_START, _END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
VICTIMS = ["what works on runs", "the daemon", "both"]
ASSETS = [
    *("raw_events", "corrupt_events", "deduplicated_events", "duplicate_events", "unregistered_events"),
    *("events/account_created", "events/lesson_started", "events/payment_order_completed", "quality_report"),
]


def test_kills_during_a_backfill_change_nothing(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """The ledger balances, the tables are as if nobody had killed anything, and each failure was told."""
    world = World(tmp_path / "world")
    for day in DAYS:
        accounts = [event(f"{day}-{number}", day, plan="x") for number in range(500)]
        world.deliver(day, "a.gz", *accounts, event(f"{day}-l", day, "lesson:started", user="usr_1", level="seven"))
    kills: int = pytestconfig.getoption("kills") or 2
    chance = random.Random(20)  # noqa: S311 - the same kills each time
    with web_hook() as warnings, web_hook() as errors:
        settings = {
            **variables(world),
            "EVENT_PLATFORM_DAYS_PER_RUN": "1",
            "EVENT_PLATFORM_ALERT_URLS": f"warn={warnings.url} error={errors.url}",
        }
        with live(tmp_path, settings, sensors=False, watchful=True) as instance:
            switch_sensor_on(instance, "alerts_sensor")
            launched = launch(instance, ASSETS, DAYS)["backfillId"]
            for number in range(kills):
                launched = until_at_work(instance, launched)
                time.sleep(chance.uniform(0, 8))
                kill(instance, chance.choice(VICTIMS), number)
            status = ended(instance, launched)
            ranges = {(run[_START], run[_END]) for run in runs_of(instance, launched)}
            assert ranges == {(f"{day}", f"{day}") for day in DAYS}
            LOG.info("after %s kills the backfill is %s", kills, status)
            if status != "COMPLETED_SUCCESS":  # a run was killed each time that it was tried
                status = ended(instance, launch(instance, ASSETS, DAYS)["backfillId"])
            assert status == "COMPLETED_SUCCESS"
            until(lambda: told_days(warnings) == set(DAYS), "every warning is told", instance)
            failed = failed_runs(instance)
            until(lambda: told_failures(errors) >= len(failed), "every failed run is told", instance)

    assert lake_totals(world.lake, world.catalog)["balanced"]
    undisturbed = World(tmp_path / "undisturbed")
    shutil.copytree(world.root / "landing", undisturbed.root / "landing", dirs_exist_ok=True)
    undisturbed.build(*DAYS)
    expected = contents(undisturbed.lake, undisturbed.catalog, without=("source_etag",))
    assert contents(world.lake, world.catalog, without=("source_etag",)) == expected


def until_at_work(instance: Live, backfill: str) -> str:
    """Wait for a run to be at work; launch the backfill again where it has ended. Return the backfill."""
    deadline = time.monotonic() + 300
    while not instance.run_workers():
        assert time.monotonic() < deadline, f"no run is at work\n{instance.log()}"
        if has_ended(instance, backfill):
            backfill = str(launch(instance, ASSETS, DAYS)["backfillId"])
        time.sleep(0.1)
    return backfill


def kill(instance: Live, victims: str, number: int) -> None:
    """Kill what works on runs, the daemon with the code servers that it started, or both, as an outage does."""
    processes = instance.run_workers() if victims != "the daemon" else []
    if victims != "what works on runs":
        processes += [instance.started["dagster-daemon"].pid, *instance.code_servers_of_the_daemon()]
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    LOG.info("kill %s: %s, %s processes", number + 1, victims, len(processes))
    if victims != "what works on runs":
        instance.started["dagster-daemon"].wait(timeout=30)
        instance.start("dagster-daemon")


def told_days(hook: Hook) -> set[date]:
    """Return the days whose lesson was told to break its schema."""
    told = [message["message"] for message in hook.messages if "events/lesson_started" in message["title"]]
    return {date.fromisoformat(day) for message in told for day in re.findall(r"\d{4}-\d\d-\d\d", message)}


def told_failures(hook: Hook) -> int:
    """Return of how many failed runs was told; many at once are one message with their number."""
    many = [re.search(r"([\d,]+) findings at once", title) for title in hook.titles if "ERROR" in title]
    return sum(int(found[1].replace(",", "")) if found else 1 for found in many)
