"""`event-platform generate`: the sample that it writes, and the partitions that begin with it."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from event_platform.environment import load_environment
from event_platform_tests.cli.calling import call
from event_platform_tests.support.world import MONDAY, World


def test_generate_writes_a_landing_zone_once(home: World) -> None:
    """With the totals to expect beside it; it never adds to existing objects."""
    call("generate", "--events", "500", "--days", "2", "--from", "2025-06-02")
    truth = json.loads((home.root / "ground_truth.json").read_text(encoding="utf-8"))
    assert truth["deduplicated"] == 500
    assert sorted(os.listdir(home.root / "landing" / "2025" / "06")) == ["02", "03"]  # noqa: PTH208 - names are enough
    assert "already contains objects" in " ".join(call("generate", code=2).output.split())


@pytest.fixture
def _generate_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate in this process: each process draws the payloads of all event types first, which takes a second."""
    monkeypatch.setattr("event_platform.sample.generate.local_pool", lambda: ThreadPoolExecutor(1))


def days_of(world: World) -> list[date]:
    """Return the days in the paths of a landing zone."""
    folders = {path.parent.parent for path in (world.root / "landing").rglob("*.gz")}
    return sorted(date(*(int(part) for part in folder.parts[-3:])) for folder in folders)


@pytest.mark.usefixtures("_generate_here")
def test_a_sample_is_of_the_last_whole_days_and_the_partitions_begin_with_it(home: World) -> None:
    """So that Dagster shows the sample first; the totals of a seed do not depend on the days."""
    before = datetime.now(UTC).date()
    call("generate", "--events", "500", "--days", "2")
    days, after = days_of(home), datetime.now(UTC).date()
    assert days in [[today - timedelta(days=2), today - timedelta(days=1)] for today in (before, after)]
    assert load_environment().start_date == days[0]
    truth = json.loads((home.root / "ground_truth.json").read_text(encoding="utf-8"))
    shutil.rmtree(home.root / "landing")
    call("generate", "--events", "500", "--days", "2", "--from", "2025-06-02")
    assert load_environment().start_date == MONDAY
    other = json.loads((home.root / "ground_truth.json").read_text(encoding="utf-8"))
    by_day = [list(each.pop("deduplicated_by_created_date").values()) for each in (truth, other)]
    assert (by_day[0], truth) == (by_day[1], other)


@pytest.mark.usefixtures("_generate_here")
def test_the_partitions_of_a_lake_do_not_move_with_a_new_sample(home: World) -> None:
    """Neither those of its own sample, nor those from 2025 on; if they begin after the sample, that is reported."""
    call("generate", "--events", "30", "--days", "1", "--from", "2025-06-02")
    call("run")
    for first in ("2025-07-01", "2025-06-01"):
        shutil.rmtree(home.root / "landing")
        output = call("generate", "--events", "30", "--days", "1", "--from", first).output
        assert load_environment().start_date == MONDAY
        assert (f"the first partition is {MONDAY}" in " ".join(output.split())) is (first == "2025-06-01")
    (home.root / "start_date").unlink()
    shutil.rmtree(home.root / "landing")
    call("generate", "--events", "30", "--days", "1", "--from", "2025-06-02")
    assert load_environment().start_date == date(2025, 1, 1)
