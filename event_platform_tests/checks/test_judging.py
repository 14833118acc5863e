"""The rows of quality_report are judged as the asset checks judge the tables."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from event_platform.checks import shares
from event_platform.checks.faults import Fault
from event_platform.checks.judging import judge
from event_platform.checks.result import Finding
from event_platform.defs.alerts.sensor import finding_of
from event_platform.defs.alerts.wording import Level
from event_platform.defs.resources.platform import RulesResource
from event_platform.pipeline.reporting.findings import lake_findings
from event_platform.quality.text import as_markdown
from event_platform_tests.support.world import MONDAY, World, event

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)

#: The day on which everything goes wrong, and one without anything to compare with.
BAD, QUIET = MONDAY + 4 * WEEK, MONDAY + 4 * WEEK + DAY
TODAY = BAD + 30 * DAY
THRESHOLDS = RulesResource().thresholds

#: What goes wrong on it.
FAULTS = [
    Fault.MALFORMED_RECORDS,
    Fault.REDELIVERIES,
    Fault.CONFLICTS,
    Fault.NAMES_WITH_IDS,
    Fault.MISSING_REQUIRED,
    Fault.BROKEN_RULES,
    Fault.RESCUED_VALUES,
    Fault.UNKNOWN_FIELDS,
    Fault.REPEATED_KEYS,
    Fault.ARRIVAL_GAP,
    Fault.TOO_FEW_EVENTS,
    Fault.TOO_MANY_EVENTS,
]


def lesson(uuid: str, **payload: Any) -> dict[str, Any]:
    """Return a lesson of the bad day."""
    return event(uuid, BAD, "lesson:started", **{"user": "usr_1", **payload})


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Four good Mondays, and one with a fault of each kind."""
    world = World(tmp_path_factory.mktemp("world"))
    for week in range(4):
        day = MONDAY + week * WEEK
        accounts = [event(f"a{week}-{number}", day) for number in range(100)]
        lessons = [event(f"l{week}-{number}", day, "lesson:started", user="usr_1") for number in range(2)]
        world.deliver(day, "a", *accounts, *lessons)
    for hour in set(range(24)) - {5, 6}:
        world.deliver(BAD, "a", event(f"h{hour}", BAD), hour=hour)
    body = '{"event_uuid":"twice","event_name":"lesson:started","created_at":%d,"user":"usr_1","user":"usr_2"}'
    world.deliver(
        BAD,
        "b",
        *(event("h12", BAD) for _ in range(9)),
        event("h13", BAD, plan="pro"),
        *(event(f"ping{number}", BAD, f"ping:{number}") for number in range(25)),
        lesson("l1", user=None),
        *(lesson(f"low{number}", level=0) for number in range(3)),
        *(lesson(f"text{number}", level="high", score="low") for number in range(2)),
        lesson("l4", **{"new": 1, "an<b>other</b>": 2}),
        *(lesson(f"more{number}", anything=[1]) for number in range(30)),
        body % event("twice", BAD)["created_at"],
        "{broken",
        "[]",
    )
    world.deliver(QUIET, "a", event("q1", QUIET), *(["{broken"] * 9))
    return world


Key = tuple[str, str, str]
Judged = tuple[bool, str, str, Any]


def evaluated(result: dg.ExecuteInProcessResult) -> dict[Key, Judged]:
    """Return what the asset checks of a run found, without the blocking ones."""
    return {
        ("/".join(evaluation.asset_key.path), evaluation.check_name, str(evaluation.partition)): (
            evaluation.passed,
            evaluation.severity.value.lower(),
            str(evaluation.description),
            evaluation.metadata["faults"].value if "faults" in evaluation.metadata else {},
        )
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.blocking and evaluation.check_name != shares.DISTINCT  # of all types at once
    }


def judged(findings: list[Finding]) -> dict[Key, Judged]:
    """Return findings in the same form."""
    return {
        (finding.asset, finding.check, str(finding.day)): (
            finding.result.passed,
            finding.result.severity.value,
            as_markdown(finding.result.description, 2_000),
            {str(fault): count for fault, count in finding.result.faults.items()},
        )
        for finding in findings
        if finding.check != shares.DISTINCT
    }


def test_figures_are_judged_as_the_asset_checks_judge_the_tables(world: World) -> None:
    """With the same verdict, severity, description and faults, for a fault of each kind; from the history as well."""
    days = [BAD - 4 * WEEK + number * DAY for number in range(30)]
    expected = evaluated(world.materialize(days[0], days[-1]))
    assert {fault for *_, faults in expected.values() for fault in faults} == set(map(str, FAULTS))
    assert {severity for passed, severity, *_ in expected.values() if not passed} == {"warn", "error"}
    report = world.lake.quality_report.snapshot().scan().collect()
    for day in (BAD, QUIET):
        own = report.filter(pl.col("created_date") == day).drop("created_date")
        of_day = {key: each for key, each in expected.items() if key[2] == str(day)}
        assert judged(judge(own, report, world.catalog, THRESHOLDS, day, TODAY)) == of_day
    reported = set(report["created_date"].to_list())
    of_reported = {key: each for key, each in expected.items() if key[2] in set(map(str, reported))}
    assert (
        judged(lake_findings(world.lake, world.catalog, THRESHOLDS, reported, world.start_date, TODAY)) == of_reported
    )
    of_bad = {key: each for key, each in expected.items() if key[2] == str(BAD)}
    assert judged(lake_findings(world.lake, world.catalog, THRESHOLDS, [BAD], world.start_date, TODAY)) == of_bad


def test_distinct_values_of_samples_are_judged(tmp_path: Path) -> None:
    """Those of the footers, by the report, whose check has them of all types: a field of ids that gets a default."""
    schema = {"type": "object", "properties": {"plan": {"type": "string"}, "session": {"type": "string"}}}
    world = World(tmp_path, {"account_created": {"title": "account:created", **schema}})
    for week in range(3):
        day, is_last = MONDAY + week * WEEK, week == 2
        events = (
            event(f"{week}-{number}", day, plan=f"p{number % 3}", session="none" if is_last else f"s{number}")
            for number in range(200)
        )
        world.deliver(day, "a", *events)
    days = [MONDAY + week * WEEK for week in range(3)]
    result = world.materialize(days[0], days[-1])
    found = {
        finding.day: finding.result
        for finding in lake_findings(world.lake, world.catalog, THRESHOLDS, days, world.start_date, TODAY)
        if finding.check == shares.DISTINCT
    }
    assert [found[day].passed for day in days] == [True, True, False]
    assert found[days[2]].description.startswith("distinct values: session: 0.5%, expected 100.0%")
    assert found[days[2]].faults == {Fault.FEWER_VALUES: 199}
    evaluations = [
        evaluation for evaluation in result.get_asset_check_evaluations() if evaluation.check_name == shares.DISTINCT
    ]
    assert {evaluation.asset_key.to_user_string() for evaluation in evaluations} == {"quality_report"}
    failed = {evaluation.partition: finding_of(evaluation) for evaluation in evaluations if not evaluation.passed}
    assert list(failed) == [str(days[2])]
    alert = failed[str(days[2])]
    assert alert.level is Level.WARN
    assert alert.figures == f"1 of 1 event types: events/account_created: {found[days[2]].description}"
    assert alert.faults == {Fault.FEWER_VALUES: 199}
