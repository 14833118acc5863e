"""People are told of what fails, once, and in words that they can act upon."""

import dagster as dg
import polars as pl
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from deltalake import DeltaTable, write_deltalake

from event_platform.checks.faults import Fault
from event_platform_tests.defs.alerts.ticking import LESSON, Alerts, fail, mend
from event_platform_tests.support.mail import Hook
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


def test_a_failed_check_is_told_with_figures_partitions_cause_and_link(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """One message for a run and an asset, however many partitions failed."""
    run = fail(world, instance)
    assert Alerts(world, instance, hook.url).tick() == "1 message sent"
    (message,) = hook.messages
    assert (message["title"], message["type"]) == (f"[local] WARN {LESSON}: schema_conformance failed", "warning")
    assert message["message"].splitlines() == [
        "WARN schema_conformance on 2025-06-02 to 2025-06-03",
        "  1 x rescued: level (2025-06-03)",
        f"  Likely cause: {Fault.RESCUED_VALUES.cause} {Fault.RESCUED_VALUES.remedy}",
        f"http://127.0.0.1:3000/runs/{run.run_id}",
    ]


def test_names_out_of_the_data_are_neither_markup_nor_links(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """Neither in the UI, which renders Markdown, nor in a chat, which links addresses; and the names stay readable."""
    name = "__p__ ![x](http://evil.example/pixel) evil.example/login"
    world.deliver(MONDAY, "a", {**event("u1"), name: 1})
    run = world.materialize(MONDAY, instance=instance)
    (finding,) = [evaluation for evaluation in run.get_asset_check_evaluations() if not evaluation.passed]
    assert finding.description == (
        "1 x unknown field: \\_\\_p\\_\\_ !\\[x\\](http:\u2060//evil.example/pixel) evil.example/login"
    )
    Alerts(world, instance, hook.url).tick()
    (message,) = hook.messages
    assert "  1 x unknown field: __p__ !(x)(http:\u2060//evil.\u2060example/pixel) evil.\u2060example/login" in (
        message["message"].splitlines()
    )


def test_a_check_that_goes_on_failing_is_told_once_and_so_is_its_recovery(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """However often it is evaluated in between."""
    alerts = Alerts(world, instance, hook.url)
    for _ in range(3):
        fail(world, instance)
        alerts.tick()
        alerts.tick()
    mend(world, instance)
    alerts.tick()
    world.materialize(MONDAY, TUESDAY, instance=instance)
    alerts.tick()
    assert hook.titles == [
        f"[local] WARN {LESSON}: schema_conformance failed",
        f"[local] RECOVERED {LESSON}: schema_conformance passes again",
    ]
    assert hook.messages[1]["message"].splitlines()[0] == "schema_conformance passes again on 2025-06-02 to 2025-06-03"


def test_a_blocking_check_is_told_and_its_run_not_once_more(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """The message about the check says it all."""
    world.deliver(MONDAY, "a", event("u1"), event("u2"))
    world.build(MONDAY)
    DeltaTable(world.lake.raw_events.uri).delete("event_uuid = 'u1'")
    checks = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("raw_events"), "conservation"))
    world.materialize(MONDAY, selection=checks, instance=instance, raise_on_error=False)
    Alerts(world, instance, hook.url).tick()
    assert hook.titles == ["[local] ERROR raw_events: conservation failed"]
    assert "records lost or repeated in 1 object" in hook.messages[0]["message"]


def test_an_asset_that_fails_is_told_with_its_error(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """A table of another writer is at its location."""
    table = world.event_table("lesson_started")
    write_deltalake(table.uri, pl.DataFrame({"created_date": [MONDAY], "level": [1.5]}), partition_by=["created_date"])
    world.deliver(MONDAY, "a", event("l1", MONDAY, "lesson:started", user="usr_1"))
    world.materialize(MONDAY, instance=instance, raise_on_error=False)
    Alerts(world, instance, hook.url).tick()
    assert f"[local] ERROR {LESSON}: not materialized" in hook.titles
    assert "the table has double, the catalog says long" in hook.messages[0]["message"]


def test_a_step_of_somebody_else_is_told_by_its_name(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """The text of its failure contains none of our assets."""

    @dg.asset
    def theirs() -> None:
        raise dg.Failure("the model does not converge", metadata={"rows": 5})

    dg.materialize([theirs], instance=instance, raise_on_error=False)
    Alerts(world, instance, hook.url).tick()
    assert hook.titles == ["[local] ERROR run failed: theirs"]
    assert (
        "theirs: dagster._core.definitions.events.Failure: the model does not converge" in hook.messages[0]["message"]
    )


def test_a_run_that_was_killed_is_told(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """No step of it has said anything."""
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    instance.report_run_failed(run, "the run worker unexpectedly exited")
    Alerts(world, instance, hook.url).tick()
    assert hook.titles == ["[local] ERROR run failed: run"]
    assert hook.messages[0]["message"].startswith("run: the run worker unexpectedly exited\n")


def test_missed_freshness_is_told_and_so_is_its_end(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """As the daemon records it."""
    alerts = Alerts(world, instance, hook.url)
    states = [FreshnessState.PASS, FreshnessState.WARN, FreshnessState.FAIL, FreshnessState.FAIL, FreshnessState.PASS]
    for before, after in zip([FreshnessState.UNKNOWN, *states], states, strict=False):
        change = FreshnessStateChange(
            key=dg.AssetKey("raw_events"), previous_state=before, new_state=after, state_change_timestamp=1.0
        )
        instance._report_runless_asset_event(change)
        alerts.tick()
    assert hook.titles == [
        "[local] WARN raw_events: not fresh",
        "[local] ERROR raw_events: not fresh",
        "[local] RECOVERED raw_events: fresh again",
    ]


def test_text_from_events_is_no_markup_and_mentions_nobody(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """Names of fields are quoted in messages."""
    field = "<!channel> @everyone [x](http://x) `\u202e"
    world.deliver(MONDAY, "a", event("l1", MONDAY, "lesson:started", user="usr_1", **{field: 1}))
    world.materialize(MONDAY, instance=instance)
    Alerts(world, instance, hook.url).tick()
    assert "1 x unknown field: (!channel) @\u2060everyone (x)(http:\u2060//x) '" in hook.messages[0]["message"]
