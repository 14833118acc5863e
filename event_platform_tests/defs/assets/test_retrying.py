"""A step is tried again when the storage fails, and never for what data or settings are at fault."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from deltalake import write_deltalake

from event_platform.defs.assets import retrying
from event_platform_tests.support.world import MONDAY, World, event


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_PAUSES", (0, 0, 0))


def tries(world: World, instance: dg.DagsterInstance) -> tuple[bool, Sequence[str | None]]:
    """Materialize Monday unwatched; return whether that succeeded, and the steps that were tried again."""
    world.deliver(MONDAY, "a", event("u1"), event("l1", MONDAY, "lesson:started", user="usr_1"))
    result = world.materialize(MONDAY, instance=instance, raise_on_error=False, watched=False)
    return result.success, [all_event.step_key for all_event in result.all_events if all_event.is_step_up_for_retry]


@pytest.mark.parametrize(
    ("table", "step"),
    [
        ("raw_events", "raw_events"),
        ("corrupt_events", "raw_events"),
        ("duplicate_events", "deduplicated_events"),
        ("events/lesson_started", "typed_events"),
    ],
)
def test_a_table_that_cannot_be_opened_is_tried_three_more_times(world: World, table: str, step: str) -> None:
    """Then the run fails; what it had done by then is kept, and the rest done when the table can be opened."""
    log = world.root / "lake" / table / "_delta_log"
    log.parent.mkdir(parents=True)
    log.write_text("not mounted yet", encoding="utf-8")
    with dg.DagsterInstance.ephemeral() as instance:
        assert tries(world, instance) == (False, [step] * 3)
        log.unlink()
        assert tries(world, instance) == (True, [])
    assert world.events("lesson_started").height == 1


def test_a_storage_that_comes_back_is_a_run_that_succeeds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody doing anything."""
    lake = world.root / "lake"
    lake.write_text("not mounted yet", encoding="utf-8")
    again = retrying.request_retry

    def mount(context: dg.AssetExecutionContext, error: Exception) -> None:
        Path(lake).unlink()
        again(context, error)

    monkeypatch.setattr(retrying, "request_retry", mount)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tries(world, instance) == (True, ["raw_events"])


def test_a_damaged_log_is_not_tried_again(world: World) -> None:
    """It will not pass by waiting; the run says what to do."""
    log = world.root / "lake" / "raw_events" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("{broken", encoding="utf-8")
    with dg.DagsterInstance.ephemeral() as instance:
        assert tries(world, instance) == (False, [])


def test_a_column_that_changed_its_type_is_not_tried_again(world: World) -> None:
    """It will not pass by waiting."""
    table = world.event_table("lesson_started")
    write_deltalake(table.uri, pl.DataFrame({"created_date": [MONDAY], "level": [1.5]}), partition_by=["created_date"])
    with dg.DagsterInstance.ephemeral() as instance:
        assert tries(world, instance) == (False, [])


def test_a_panic_of_a_library_is_the_failure_of_its_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is not tried again: it would come again."""

    def panic(*_: object, **__: object) -> None:
        pl.DataFrame({"bytes": [b"x"]}).write_json()

    monkeypatch.setattr("event_platform.defs.assets.deduplicated_events.deduplicate", panic)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tries(world, instance) == (False, [])
        (run,) = instance.get_runs()
        failures = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    (failure,) = [record.event_log_entry.dagster_event for record in failures]
    assert failure is not None
    assert failure.step_key == "deduplicated_events"
    assert "PanicError: a library panicked" in str(failure.step_failure_data.error)
