"""Old files go once a week, where somebody wants that."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from event_platform_tests.support.world import MONDAY, World, event


@pytest.fixture
def built(world: World) -> World:
    """A day, and beside the files of its table two that no commit has: of a week ago, and older."""
    world.deliver(MONDAY, "a", event("m1"), event("n", name="beta:new"))
    world.load(MONDAY)
    world.build(MONDAY)
    for path, days in ((left(world, "old"), 8), (left(world, "young"), 6)):
        path.write_bytes(b"PAR1")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    return world


def left(world: World, name: str) -> Path:
    """Return the address of a file that a run which was killed may have left."""
    return world.root / "lake" / "raw_events" / f"arrival_date={MONDAY}" / f"{name}.parquet"


def vacuum(world: World, keep_days: int | None = None) -> dg.ExecuteInProcessResult:
    """Run the job, with its own figure or another."""
    config = {} if keep_days is None else {"ops": {"delete_old_files": {"config": {"keep_days": keep_days}}}}
    return world.definitions().resolve_job_def("vacuum").execute_in_process(run_config=config, raise_on_error=False)


def test_it_is_off_until_somebody_wants_it(world: World) -> None:
    """Who upgrades loses no old version unasked; who switches it on has the job run on Sundays."""
    schedule = world.definitions().resolve_schedule_def("weekly_vacuum")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert (schedule.job_name, schedule.cron_schedule) == ("vacuum", "0 6 * * 0")


def test_files_that_nobody_has_needed_for_a_week_are_deleted(built: World) -> None:
    """Or for as long as a launch says. The run tells how many."""
    for keep_days, gone in ((None, "old"), (5, "young")):
        assert left(built, gone).exists()
        result = vacuum(built, keep_days)
        (output,) = [event for event in result.all_events if event.is_successful_output]
        assert output.step_output_data.metadata["files"].value == 1
        assert not left(built, gone).exists()
        assert left(built, "young").exists() == (gone == "old")
    assert built.lake.raw_events.snapshot().scan().collect().height == 2


def test_a_table_that_cannot_be_read_fails_the_run_after_the_others(built: World) -> None:
    """It is named, with what is wrong."""
    log = built.root / "lake" / "corrupt_events" / "_delta_log"
    (log / f"{0:020}.json").write_text("{", encoding="utf-8")
    result = vacuum(built)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == "1 table could not be vacuumed: corrupt_events"
    assert "the table cannot be opened" in str(failure.user_failure_data.metadata["corrupt_events"].value)
    assert not left(built, "old").exists()
