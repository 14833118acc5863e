"""Checks in Dagster: a result for each partition, and a blocking one stops what is downstream."""

import logging
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from event_platform.checks.result import Result
from event_platform.defs.assets.deduplicated_events import DEDUPLICATED_EVENTS
from event_platform.defs.assets.raw_events import RAW_EVENTS
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS
from event_platform.defs.automation.requests import run_tags
from event_platform.defs.checks.operation import CheckedAsset, build_operation
from event_platform.defs.checks.results import Check
from event_platform.defs.partitions import daily_partitions
from event_platform.defs.resources.platform import RulesResource
from event_platform.lake import file_figures
from event_platform.lake.balance import ArrivalBalance, arrival_balances
from event_platform.lake.lake import Lake
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

LESSON = dg.AssetKey(["events", "lesson_started"])
MAIN = [RAW_EVENTS, DEDUPLICATED_EVENTS, UNREGISTERED_EVENTS]
PARTITIONS = daily_partitions(date(2025, 1, 1))
_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def found(result: dg.ExecuteInProcessResult, asset: dg.AssetKey) -> dict[tuple[str, str | None], bool]:
    """Return what the checks of an asset found, by check and partition."""
    return {
        (each.check_name, each.partition): each.passed
        for each in result.get_asset_check_evaluations()
        if each.asset_key == asset
    }


def evaluation(result: dg.ExecuteInProcessResult, asset: dg.AssetKey, check: str) -> dg.AssetCheckEvaluation:
    """Return Monday's evaluation of a check."""
    (only,) = [
        each
        for each in result.get_asset_check_evaluations()
        if (each.asset_key, each.check_name, each.partition) == (asset, check, MONDAY.isoformat())
    ]
    return only


@pytest.fixture
def good(world: World) -> World:
    """Two days of nothing but good events."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", *(event(f"{day}-{number}", day, "lesson:started", user="usr_1") for number in range(3)))
    return world


def test_every_check_has_a_result_for_each_partition_of_a_range(good: World) -> None:
    """All of them passed."""
    result = good.materialize(MONDAY, TUESDAY)
    days = [MONDAY.isoformat(), TUESDAY.isoformat()]
    expected: dict[dg.AssetKey, Iterable[str]] = {
        RAW_EVENTS: ["conservation", "corruption_rate", "arrival_gaps"],
        DEDUPLICATED_EVENTS: ["conservation", "unique_event_uuid", "duplicate_rate"],
        UNREGISTERED_EVENTS: ["conservation", "unregistered_names"],
        LESSON: ["unique_event_uuid", "schema_conformance", "volume", "null_share"],
    }
    for asset, checks in expected.items():
        of_table = {("table_schema", None): True} if asset == LESSON else {}
        assert found(result, asset) == {(check, day): True for check in checks for day in days} | of_table


def test_a_run_logs_no_line_that_looks_like_a_fault(good: World, caplog: pytest.LogCaptureFixture) -> None:
    """Only events of its steps and progress; also if checks warn."""
    good.deliver(MONDAY, "b", event("m", plan="a"), event("m", plan="b"), "{broken")
    with caplog.at_level(logging.INFO), dg.instance_for_test() as instance:
        run = good.materialize(MONDAY, TUESDAY, instance=instance).run_id
        lines = [(int(log.level), log.user_message) for log in instance.all_logs(run) if not log.is_dagster_event]
    assert [line for line in lines if line[0] >= logging.INFO] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_is_odd_warns_in_its_own_partition_and_stops_nothing(good: World) -> None:
    """Redeliveries, conflicts, corrupt records, broken rules and unregistered names."""
    odd: list[Any] = [event("m", plan="a"), event("m", plan="b"), event("x", name="beta:new"), "{broken"]
    good.deliver(MONDAY, "b", *odd, event("w", name="lesson:started", user="7", level="high", new=1))
    result = good.materialize(MONDAY, TUESDAY)
    assert result.success
    checks = {asset: found(result, asset) for asset in (*MAIN, LESSON)}
    failed = {(asset, *check) for asset, results in checks.items() for check, passed in results.items() if not passed}
    day = MONDAY.isoformat()
    assert failed == {
        (RAW_EVENTS, "corruption_rate", day),
        (DEDUPLICATED_EVENTS, "duplicate_rate", day),
        (UNREGISTERED_EVENTS, "unregistered_names", day),
        (LESSON, "schema_conformance", day),
    }
    assert evaluation(result, RAW_EVENTS, "corruption_rate").severity == _ERROR  # one of eight
    assert evaluation(result, UNREGISTERED_EVENTS, "unregistered_names").metadata["names"].value == {"beta:new": 1}
    conformance = evaluation(result, LESSON, "schema_conformance")
    assert conformance.severity == _WARN
    assert conformance.metadata["unknown_fields"].value == {"new": 1}
    assert conformance.metadata["rescued_fields"].value == {"level": 1}
    assert conformance.metadata["broken_rules"].value == {"pattern: user": 1}


def test_a_lost_record_fails_the_run_and_stops_what_is_downstream(good: World) -> None:
    """If landing no longer has it; nothing is built on a ledger that does not balance."""
    good.materialize(MONDAY, TUESDAY)
    good.deliver(MONDAY, "a").unlink()
    DeltaTable(good.lake.raw_events.uri).delete("source_offset = 1 and arrival_date = '2025-06-02'")
    result = good.materialize(MONDAY, TUESDAY, raise_on_error=False)
    assert not result.success
    checks = found(result, RAW_EVENTS)
    conserved = {day: checks["conservation", day.isoformat()] for day in (MONDAY, TUESDAY)}
    assert conserved == {MONDAY: False, TUESDAY: True}
    assert evaluation(result, RAW_EVENTS, "conservation").severity == _ERROR
    assert not result.get_asset_materialization_events()[2 * 2 :]  # raw_events and corrupt_events, two days each


@pytest.mark.parametrize(
    ("corrupt", "outcome"),
    [(1, (True, _WARN)), (2, (False, _WARN)), (53, (False, _ERROR))],
    ids=["0.1 %", "above 0.1 %", "above 5 %"],
)
def test_a_day_with_many_corrupt_records_is_told_and_goes_on(
    good: World, corrupt: int, outcome: tuple[bool, dg.AssetCheckSeverity]
) -> None:
    """Of a thousand sound ones: what can be used is used, however many cannot."""
    good.deliver(MONDAY, "b", *(event(f"s{number}") for number in range(997)), *(["{broken"] * corrupt))
    result = good.materialize(MONDAY)
    rate = evaluation(result, RAW_EVENTS, "corruption_rate")
    assert (rate.passed, rate.severity) == outcome
    assert rate.metadata["reasons"].value == {"not_json": corrupt}
    assert good.events("account_created").height == 997


def test_a_duplicate_that_was_lost_stops_the_event_tables(good: World) -> None:
    """No run builds on an unbalanced table, because it checks the table first."""
    good.deliver(TUESDAY, "b", event(f"{MONDAY}-1", name="lesson:started", user="usr_1"))
    good.materialize(MONDAY, TUESDAY)
    version = good.event_table("lesson_started").snapshot().version
    DeltaTable(good.lake.duplicate_events.uri).delete()
    check = dg.AssetCheckKey(DEDUPLICATED_EVENTS, "conservation")
    selection = dg.AssetSelection.checks(check) | dg.AssetSelection.assets(LESSON).without_checks()
    result = good.materialize(MONDAY, TUESDAY, selection=selection, raise_on_error=False)
    assert not result.success
    assert evaluation(result, DEDUPLICATED_EVENTS, "conservation").description == (
        "4 sound = 3 deduplicated + 0 duplicates"
    )
    assert not result.get_asset_materialization_events()
    assert good.event_table("lesson_started").snapshot().version == version


def test_an_event_that_is_in_no_table_fails_the_books_of_its_day(good: World) -> None:
    """Nothing is downstream of event tables; the run fails, and says so."""
    good.materialize(MONDAY, TUESDAY)
    DeltaTable(good.event_table("lesson_started").uri).delete("event_uuid = '2025-06-02-1'")
    check = dg.AssetCheckKey(UNREGISTERED_EVENTS, "conservation")
    result = good.materialize(MONDAY, TUESDAY, selection=dg.AssetSelection.checks(check), raise_on_error=False)
    assert not result.success
    days = {day: passed for (_, day), passed in found(result, UNREGISTERED_EVENTS).items()}
    assert days == {MONDAY.isoformat(): False, TUESDAY.isoformat(): True}


def test_a_repeated_event_fails_its_checks(good: World) -> None:
    """In deduplicated_events and in an event table, each by itself."""
    good.materialize(MONDAY, TUESDAY)
    for table in (good.lake.deduplicated_events, good.event_table("lesson_started")):
        write_deltalake(table.uri, pl.read_delta(table.uri).filter(created_date=MONDAY).head(1), mode="append")
    for asset in (DEDUPLICATED_EVENTS, LESSON):
        unique = dg.AssetCheckKey(asset, "unique_event_uuid")
        selection = dg.AssetSelection.checks(unique)
        result = good.materialize(MONDAY, TUESDAY, selection=selection, raise_on_error=False)
        assert not result.success
        assert found(result, asset) == {
            ("unique_event_uuid", MONDAY.isoformat()): False,
            ("unique_event_uuid", TUESDAY.isoformat()): True,
        }


def figures(_lake: Lake, _rules: RulesResource, dates: list[date]) -> list[date]:
    """Return what checks of these tests look at."""
    return dates


def verdicts(dates: list[date]) -> list[tuple[date, Result]]:
    """Find nothing wrong on any date."""
    return [(day, Result(passed=True, description="")) for day in dates]


def test_a_table_whose_file_cannot_be_read_fails_its_own_checks(good: World) -> None:
    """The checks of the other tables have their verdicts."""
    good.deliver(MONDAY, "b", event("u1"))
    good.materialize(MONDAY)
    (file,) = good.event_table("account_created").snapshot().files([MONDAY])
    Path(file.uri).write_bytes(Path(file.uri).read_bytes()[: file.size // 2])
    file_figures._CACHE.clear()  # as in another process
    account = dg.AssetKey(["events", "account_created"])
    checks = dg.AssetSelection.checks_for_assets(account, LESSON)
    result = good.materialize(MONDAY, selection=checks, raise_on_error=False)
    assert all(found(result, LESSON).values())
    assert {check for (check, _), passed in found(result, account).items() if passed} == {"table_schema"}  # of the log
    message = evaluation(result, account, "unique_event_uuid").description
    assert str(message).startswith("could not be evaluated: ComputeError")


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "warning"])
@pytest.mark.parametrize(
    ("evaluate", "days"),
    [(lambda _: [], "2025-06-02, 2025-06-03"), (lambda dates: verdicts(dates[:1]), "2025-06-03")],
    ids=["no verdict", "one day without"],
)
def test_a_check_without_a_verdict_is_an_error_that_names_it(
    good: World, blocking: bool, evaluate: Callable[[list[date]], list[tuple[date, Result]]], days: str
) -> None:
    """Dagster takes a check that was never evaluated for passed. The others are evaluated all the same."""
    forgotten = Check("forgotten", RAW_EVENTS, None, evaluate, blocking=blocking)
    sound = Check("sound", RAW_EVENTS, None, verdicts, blocking=True)
    operation = build_operation("checks", [CheckedAsset([forgotten, sound], figures)], PARTITIONS)
    result = dg.materialize(
        [operation, dg.AssetSpec(RAW_EVENTS, partitions_def=PARTITIONS)],
        selection=dg.AssetSelection.checks(operation),
        resources=dict(good.definitions().resources or {}),
        tags=run_tags(MONDAY, TUESDAY),
        raise_on_error=False,
    )
    assert not result.success
    (failure,) = result.filter_events(lambda each: each.is_step_failure)
    message = failure.step_failure_data.user_failure_data
    assert message is not None
    assert message.description == f"checks without a result: forgotten of raw_events on {days}"
    assert found(result, RAW_EVENTS).items() >= {("sound", f"{day}"): True for day in (MONDAY, TUESDAY)}.items()


def test_what_several_checks_look_at_is_counted_once(good: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not at all if none of them is selected."""
    good.materialize(MONDAY, TUESDAY)
    calls = []

    def counted(lake: Lake, dates: list[date]) -> list[ArrivalBalance]:
        calls.append(dates)
        return arrival_balances(lake, dates)

    monkeypatch.setattr("event_platform.defs.checks.raw_events.arrival_balances", counted)
    for names, times in ((["conservation", "corruption_rate", "arrival_gaps"], 1), (["arrival_gaps"], 0)):
        calls.clear()
        keys = [dg.AssetCheckKey(RAW_EVENTS, name) for name in names]
        result = good.materialize(MONDAY, TUESDAY, selection=dg.AssetSelection.checks(*keys))
        assert {name for name, _ in found(result, RAW_EVENTS)} == set(names)
        assert calls == [[MONDAY, TUESDAY]] * times
