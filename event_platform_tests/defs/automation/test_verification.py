"""Once a week somebody looks into the files themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from event_platform_tests.support.world import MONDAY, World, event

TODAY = datetime.now(UTC).date()


@pytest.fixture
def built(world: World) -> World:
    """A day of long ago, and one of the last month."""
    for day in (MONDAY, TODAY - timedelta(days=2)):
        world.deliver(day, "a", event(f"{day}", day))
        world.build(day)
    return world


def run(world: World) -> dg.ExecuteInProcessResult:
    """Run the job."""
    return world.definitions().resolve_job_def("verification").execute_in_process(raise_on_error=False)


def test_it_runs_on_sundays(world: World) -> None:
    """Nobody has to switch it on: it only reads."""
    schedule = world.definitions().resolve_schedule_def("weekly_verification")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert (schedule.job_name, schedule.cron_schedule) == ("verification", "0 5 * * 0")


def test_tables_that_are_as_they_should_be_pass(built: World) -> None:
    """The run tells what was looked at."""
    result = run(built)
    assert result.success
    (output,) = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    assert (metadata["tables"].value, metadata["faults"].value) == (9, 0)
    assert metadata["files"].value == sum(1 for _ in (built.root / "lake").rglob("*=*/*.parquet"))


def test_a_file_that_is_gone_fails_the_run_however_old_its_day_is(built: World) -> None:
    """The run names the day, and the file."""
    (file,) = built.event_table("account_created").snapshot().files([MONDAY])
    Path(file.uri).unlink()
    (failure,) = [event.step_failure_data for event in run(built).all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert str(failure.user_failure_data.description).startswith("1 fault in the tables, on 2025-06-02. The next run")
    (message,) = failure.user_failure_data.metadata.values()
    assert str(message.value).endswith(f"{file.path} of events/account_created is missing")
