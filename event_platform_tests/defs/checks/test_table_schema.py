"""The check `table_schema`: before a run fails, the asset shows that its table and its schema do not agree."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from event_platform.checks.faults import Fault
from event_platform.checks.table_schema import NAME
from event_platform.defs.alerts.sensor import finding_of
from event_platform.defs.alerts.wording import check_alerts
from event_platform.doctor.finding import Verdict
from event_platform.doctor.settings import read_settings
from event_platform.doctor.tables import check_tables
from event_platform_tests.defs.automation.requests.ticking import asked, carry_out, tick
from event_platform_tests.support.command import call_with, variables
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event, write_catalog

LESSON, ACCOUNT, PAYMENT = (
    dg.AssetKey(["events", key]) for key in ("lesson_started", "account_created", "payment_order_completed")
)
SENSOR = "changed_dates_sensor"
OTHER_TYPE = {"type": "object", "properties": {"very": {"type": "boolean"}}}


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Dagster, with nothing recorded."""
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def built(world: World, instance: dg.DagsterInstance) -> World:
    """A day in every table, whose checks were evaluated."""
    world.deliver(MONDAY, "a", event("a1", plan="free"), event("l1", name="lesson:started", user="usr_1", hard=True))
    world.build(MONDAY)
    evaluate(world, instance, checks_of(tick(world, SENSOR, instance).run_requests))
    return world


def checks_of(requests: Sequence[dg.RunRequest] | None) -> set[dg.AssetCheckKey]:
    """Return the checks that are asked for alone."""
    return {key for request in requests or [] if not request.asset_selection for key in request.asset_check_keys or []}


def evaluate(
    world: World, instance: dg.DagsterInstance, checks: set[dg.AssetCheckKey]
) -> dict[dg.AssetKey, dg.AssetCheckEvaluation]:
    """Evaluate checks without a materialization, as the UI and the sensors do; return what they found, by asset."""
    job = world.definitions().resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection=checks)
    result = alone.execute_in_process(instance=instance)
    assert not result.get_asset_materialization_events()
    return {evaluation.asset_key: evaluation for evaluation in result.get_asset_check_evaluations()}


def with_properties(**changed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the schemas with other properties, by the stem of the schema and the name of the property."""
    return {
        stem: schema | {"properties": schema["properties"] | changed.get(stem, {})} for stem, schema in SCHEMAS.items()
    }


def test_each_event_asset_says_that_its_table_and_its_schema_agree(world: World, instance: dg.DagsterInstance) -> None:
    """Once there is a table, and once: no run of the tables evaluates it, and no later tick asks for it."""
    assert checks_of(tick(world, SENSOR, instance).run_requests) == set()
    world.deliver(MONDAY, "a", event("a1"))
    world.load(MONDAY)
    (request,) = tick(world, SENSOR, instance).run_requests or []
    of_run = {key for key in request.asset_check_keys or [] if key.asset_key == ACCOUNT}
    assert {key.name for key in of_run} == {"unique_event_uuid", "schema_conformance", "volume", "null_share"}
    world.build(MONDAY)
    wanted = {dg.AssetCheckKey(asset, NAME) for asset in (LESSON, ACCOUNT, PAYMENT)}
    assert checks_of(tick(world, SENSOR, instance).run_requests) == wanted
    evaluated = evaluate(world, instance, wanted)
    assert {asset: each.passed for asset, each in evaluated.items()} == dict.fromkeys([LESSON, ACCOUNT, PAYMENT], True)
    assert not tick(world, SENSOR, instance).run_requests


def test_what_the_next_run_would_fail_on_is_an_error_before_it(
    built: World, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """With the columns and the remedy; a rebuild is a warning. The other types are not evaluated again."""
    changed = with_properties(lesson_started={"hard": OTHER_TYPE}, account_created={"plan": {"x-variant": True}})
    write_catalog(built.root / "catalog", changed)
    requests = tick(built, SENSOR, instance).run_requests
    checks = checks_of(requests)
    assert checks == {dg.AssetCheckKey(LESSON, NAME), dg.AssetCheckKey(ACCOUNT, NAME)}
    evaluated = evaluate(built, instance, checks)
    lesson, account = evaluated[LESSON], evaluated[ACCOUNT]
    assert (lesson.passed, lesson.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (account.passed, account.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert account.description == "the next run rebuilds all days of the table for plan: string → variant"
    table = lesson.metadata["columns"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = (record.data for record in table.records)
    assert [row[name] for name in ("column", "type in the table", "type in the catalog", "class")] == [
        *("hard", "boolean", "struct<very: boolean>", "other type")
    ]
    assert "x-column: hard_struct" in str(row["what to do"])
    (alert,) = check_alerts([finding_of(lesson)], "", {})
    assert alert.subject == "events/lesson_started: table_schema failed"
    assert Fault.CLASHING_COLUMNS.cause in alert.lines[2]
    doctor = check_tables(read_settings(variables(built)))
    assert doctor.verdict is Verdict.BAD
    assert doctor.found == (
        "a run would fail on 1 column: events/lesson_started.hard (boolean → struct<very: boolean>)"
    )
    # The run fails for this type alone, and rebuilds the other table: the first stays an error, the other one passes.
    assert "events/lesson_started" in call_with(variables(built), "run", code=1)
    assert checks_of(tick(built, SENSOR, instance).run_requests) == {dg.AssetCheckKey(ACCOUNT, NAME)}
    assert evaluate(built, instance, {dg.AssetCheckKey(ACCOUNT, NAME)})[ACCOUNT].passed


def test_a_schema_that_is_fixed_passes_before_the_next_run(built: World, instance: dg.DagsterInstance) -> None:
    """And that run builds the type."""
    for schema, passed in ((OTHER_TYPE, False), ({**OTHER_TYPE, "x-column": "hard_struct"}, True)):
        write_catalog(built.root / "catalog", with_properties(lesson_started={"hard": schema}))
        asked_for = tick(built, SENSOR, instance)
        assert asked(asked_for) == [(str(MONDAY), str(MONDAY))]
        assert evaluate(built, instance, checks_of(asked_for.run_requests))[LESSON].passed is passed
    carry_out(built, asked_for)
    assert built.events("lesson_started")["hard_struct"].to_list() == [None]
    assert not tick(built, SENSOR, instance).run_requests


def test_a_table_that_cannot_be_opened_keeps_no_other_from_its_check(
    built: World, instance: dg.DagsterInstance
) -> None:
    """The run that builds it reports the reason."""
    write_catalog(built.root / "catalog", with_properties(account_created={"plan": {"type": "integer"}}))
    for path in (built.root / "lake/events/lesson_started/_delta_log").iterdir():
        path.write_bytes(b"{broken")
    assert checks_of(tick(built, SENSOR, instance).run_requests) == {dg.AssetCheckKey(ACCOUNT, NAME)}


def test_a_project_without_the_checks_is_not_asked_for_them(world: World, instance: dg.DagsterInstance) -> None:
    """Its sensor goes on with what is due."""
    world.deliver(MONDAY, "a", event("a1"))
    world.build(MONDAY)
    platform = world.definitions()
    alone = dg.Definitions(assets=platform.assets, sensors=platform.sensors, resources=platform.resources)
    resources = {"lake": dict(platform.resources or {})["lake"]}
    with dg.build_sensor_context(instance, definitions=alone, resources=resources) as context:
        tick_result = alone.resolve_sensor_def(SENSOR).evaluate_tick(context)
    assert (tick_result.run_requests or [], tick_result.skip_message) == ([], "every date is up to date")
