"""Each kind of failure has its own likely cause and remedy, with the figures of the case."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from event_platform.checks.faults import Fault
from event_platform.checks.rates import check_corruption
from event_platform.defs.alerts.sensor import finding_of
from event_platform.defs.alerts.wording import check_alerts
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event, noon

DAYS = [MONDAY + timedelta(days=number) for number in range(25)]
IDS = [f"user:{number}" for number in range(30)]
Records = list[dict[str, Any] | str | bytes]


def lesson(day: date, **fields: Any) -> dict[str, Any]:
    """Return a sound lesson, but for `fields`."""
    return event(f"lesson {day}", day, "lesson:started", **{"user": "usr_1", **fields})


def at(created_at: Any, uuid: str = "u") -> dict[str, Any]:
    """Return an event with this time."""
    return {"event_uuid": uuid, "event_name": "account:created", "created_at": created_at}


def records(fault: Fault, day: date) -> Records:
    """Return the records of a day with one kind of failure."""
    twice = json.dumps(event("u", day, plan="a")).replace("}", ', "plan": "b"}')
    by_fault: dict[Fault, Records] = {
        Fault.MALFORMED_RECORDS: ["{broken", b"\xff", "[]"],
        Fault.MISSING_EVENT_FIELDS: [{"event_name": "account:created", "created_at": noon(day)}],
        Fault.WRONG_TIME_UNIT: [at(noon(day) * 1000), at(noon(day) * 1000 + 1), at(noon(day) * 1_000_000)],
        Fault.BEFORE_START_DATE: [at(noon(date(2015, 1, 1))), at(noon(date(2015, 3, 4)))],
        Fault.WRONG_CLOCK: [at(0), at(noon(day + timedelta(days=30)))],
        Fault.WRONG_TIME_FORM: [at(f"{day}T12:00:00Z"), at(f"{day}T13:00:00+01:00")],
        Fault.INVALID_TIMES: [at("yesterday"), at(f"{day}T12:00:00Z")],
        Fault.REDELIVERIES: [*[event("r", day)] * 4, *[event("s", day, "lesson:started", user="usr_1")] * 2],
        Fault.CONFLICTS: [event("c", day, plan="a"), event("c", day, plan="b")],
        Fault.UNREGISTERED_NAMES: [event("n1", day, "beta:clicked"), event("n2", day, "order:deleted")],
        Fault.MISSPELLED_NAMES: [event("m1", day, "Lesson-Started"), event("m2", day, "acount:created")],
        Fault.NAMES_WITH_IDS: [event(name, day, name) for name in IDS],
        Fault.MISSING_REQUIRED: [lesson(day, user=None)],
        Fault.BROKEN_RULES: [lesson(day, level=10)],
        Fault.RESCUED_VALUES: [lesson(day, user=7)],
        Fault.UNKNOWN_FIELDS: [lesson(day, new=1)],
        Fault.REPEATED_KEYS: [twice],
    }
    return by_fault[fault]


#: The asset and check that finds each fault, and the hint that its alert has.
EXPECTED = {
    Fault.MALFORMED_RECORDS: ("raw_events", "corruption_rate", ""),
    Fault.MISSING_EVENT_FIELDS: ("raw_events", "corruption_rate", ""),
    Fault.WRONG_TIME_UNIT: (
        "raw_events",
        "corruption_rate",
        "2 of 3 times out of range are in ms, from {day} to {day}: created_at: {{field: created_at, unit: ms}}.",
    ),
    Fault.BEFORE_START_DATE: (
        "raw_events",
        "corruption_rate",
        "EVENT_PLATFORM_START_DATE is 2025-01-01; 2 records are older, from 2015-01-01 to 2015-03-04.",
    ),
    Fault.WRONG_CLOCK: ("raw_events", "corruption_rate", ""),
    Fault.WRONG_TIME_FORM: (
        "raw_events",
        "corruption_rate",
        "All 2 that were read are iso8601, such as {day}T12:00:00Z: created_at: {{field: created_at, unit: iso8601}}.",
    ),
    Fault.INVALID_TIMES: ("raw_events", "corruption_rate", ""),
    Fault.REDELIVERIES: ("deduplicated_events", "duplicate_rate", "3 of 4 are account:created."),
    Fault.CONFLICTS: ("deduplicated_events", "duplicate_rate", "1 of 1 are account:created."),
    Fault.UNREGISTERED_NAMES: ("unregistered_events", "unregistered_names", "Most are beta:clicked, order:deleted."),
    Fault.MISSPELLED_NAMES: (
        "unregistered_events",
        "unregistered_names",
        "Lesson-Started looks like lesson:started; acount:created looks like account:created.",
    ),
    Fault.NAMES_WITH_IDS: ("unregistered_events", "unregistered_names", "30 names look like user:…."),
    Fault.MISSING_REQUIRED: ("events/lesson_started", "schema_conformance", ""),
    Fault.BROKEN_RULES: ("events/lesson_started", "schema_conformance", ""),
    Fault.RESCUED_VALUES: ("events/lesson_started", "schema_conformance", ""),
    Fault.UNKNOWN_FIELDS: ("events/lesson_started", "schema_conformance", ""),
    Fault.REPEATED_KEYS: ("events/account_created", "schema_conformance", ""),
}

#: Those have a test of their own.
OTHERS = {
    Fault.UNREADABLE_OBJECTS,
    Fault.UNSUPPORTED_OBJECTS,
    Fault.WRONG_WRAPPER,
    Fault.OUT_OF_RANGE_TIMES,
    Fault.LOST_OR_REPEATED_ROWS,
    Fault.REPEATED_UUIDS,
    Fault.UNPUBLISHED_TABLES,
    Fault.CLASHING_COLUMNS,
    Fault.WIDER_COLUMNS,
    Fault.FAILED_DERIVATIONS,
    Fault.ARRIVAL_GAP,
    Fault.TOO_FEW_EVENTS,
    Fault.TOO_MANY_EVENTS,
    Fault.MORE_NULLS,
    Fault.FEWER_NULLS,
    Fault.MORE_VALUES,
    Fault.FEWER_VALUES,
}


def evaluations(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str, str], list[str]]:
    """Return the lines of the alert about each failed evaluation, by asset, check and partition."""
    found = [finding_of(evaluation) for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    return {(each.asset, each.check, each.partition): list(check_alerts([each], "", {})[0].lines[2:]) for each in found}


def line(fault: Fault, hint: str = "") -> str:
    """Return the line of an alert about a fault."""
    return f"  Likely cause: {fault.cause} {hint}{' ' if hint else ''}{fault.remedy}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], list[str]]:
    """The alerts of one run over a day for each fault."""
    world = World(tmp_path_factory.mktemp("faults"))
    for fault, day in zip(EXPECTED, DAYS, strict=False):
        world.deliver(day, "a", *records(fault, day))
    return evaluations(world.materialize(DAYS[0], DAYS[len(EXPECTED) - 1]))


def test_each_fault_has_an_example() -> None:
    """A new fault needs one."""
    assert {*EXPECTED, *OTHERS} == {*Fault}


@pytest.mark.parametrize("fault", EXPECTED)
def test_an_alert_has_cause_hint_and_remedy_of_what_failed(
    fault: Fault, found: dict[tuple[str, str, str], list[str]]
) -> None:
    """And no other check of that day fails."""
    asset, check, hint = EXPECTED[fault]
    day = DAYS[list(EXPECTED).index(fault)]
    of_day = {key[:2]: lines for key, lines in found.items() if key[2] == day.isoformat()}
    assert of_day[asset, check] == [line(fault, hint.format(day=day))]
    assert [key for key in of_day if key != (asset, check)] == []


def test_lost_and_repeated_rows_have_a_cause(world: World) -> None:
    """With how many are missing."""
    world.deliver(MONDAY, "a", event("u1"), event("u2"), event("u3"))
    world.build(MONDAY)
    DeltaTable(world.lake.duplicate_events.uri).delete()
    table = world.lake.deduplicated_events
    write_deltalake(table.uri, pl.read_delta(table.uri).head(1), mode="append")
    DeltaTable(world.event_table("account_created").uri).delete("event_uuid = 'u3'")
    checks = dg.AssetSelection.checks_for_assets("deduplicated_events", "unregistered_events")
    alerts = evaluations(world.materialize(MONDAY, selection=checks, raise_on_error=False))
    day = MONDAY.isoformat()
    lost = Fault.LOST_OR_REPEATED_ROWS
    assert alerts["deduplicated_events", "conservation", day] == [line(lost, "1 rows are too many.")]
    assert alerts["unregistered_events", "conservation", day] == [line(lost, "2 rows are missing.")]
    assert alerts["deduplicated_events", "unique_event_uuid", day] == [line(Fault.REPEATED_UUIDS)]


def test_objects_that_are_not_read_have_a_cause(world: World, tmp_path: Path) -> None:
    """Cut off, of another format, or another wrapper."""
    world.deliver_bytes(MONDAY, "a.gz", world.deliver(MONDAY, "b.gz", event("u")).read_bytes()[:20])
    tuesday = MONDAY + timedelta(days=1)
    world.deliver_bytes(tuesday, "a", b"ORC" + bytes(100))
    raw = dg.AssetSelection.assets("raw_events", "corrupt_events")
    evaluated = evaluations(world.materialize(MONDAY, tuesday, selection=raw, raise_on_error=False))
    key = "raw_events", "corruption_rate"
    assert evaluated[*key, MONDAY.isoformat()] == [line(Fault.UNREADABLE_OBJECTS)]
    assert evaluated[*key, tuesday.isoformat()] == [line(Fault.UNSUPPORTED_OBJECTS)]
    wrapped = World(tmp_path / "wrapped", SCHEMAS, {"records": "Records[]"})
    wrapped.deliver(MONDAY, "a", {"records": [event("u")]})
    evaluated = evaluations(wrapped.materialize(MONDAY, selection=raw))
    assert evaluated[*key, MONDAY.isoformat()] == [line(Fault.WRONG_WRAPPER)]


def test_an_hour_without_objects_has_a_cause(world: World) -> None:
    """In a stream that has some in most hours."""
    for hour in (8, 9, 10, 12):
        world.deliver(MONDAY, "a", event(f"{hour}"), hour=hour)
    raw = dg.AssetSelection.assets("raw_events", "corrupt_events")
    evaluated = evaluations(world.materialize(MONDAY, selection=raw))
    assert evaluated["raw_events", "arrival_gaps", MONDAY.isoformat()] == [line(Fault.ARRIVAL_GAP)]


def test_an_unusual_day_has_a_cause(world: World) -> None:
    """Of volume and of nulls."""
    days = [MONDAY + timedelta(weeks=week) for week in range(3)]
    for day in days:
        is_unusual = day == days[-1]
        fields: dict[str, dict[str, Any]] = {"lesson:started": {"hard": True}, "account:created": {}}
        if is_unusual:
            fields = {"lesson:started": {}, "account:created": {"plan": "pro"}}
        counts = {"lesson:started": 300, "account:created": 20} if is_unusual else dict.fromkeys(fields, 100)
        for name, count in counts.items():
            events = [event(f"{day}{name}{number}", day, name, **fields[name]) for number in range(count)]
            world.deliver(day, name.replace(":", ""), *events, event(f"{day}{name}", day, name, user="u", plan="x"))
    found = evaluations(world.materialize(days[0], days[-1]))
    found = {key: lines for key, lines in found.items() if key[1] != "schema_conformance"}
    last = days[-1].isoformat()
    assert found == {
        ("events/lesson_started", "volume", last): [line(Fault.TOO_MANY_EVENTS)],
        ("events/lesson_started", "null_share", last): [line(Fault.MORE_NULLS)],
        ("events/account_created", "volume", last): [line(Fault.TOO_FEW_EVENTS)],
        ("events/account_created", "null_share", last): [line(Fault.FEWER_NULLS)],
    }


def test_times_that_nobody_looked_at_have_a_cause() -> None:
    """Where the reasons are known and no record is read, as in the figures of the quality report."""
    result = check_corruption(10, {"created_at_out_of_range": 5, "not_json": 1}, 0.001, 0.05)
    assert result.faults == {Fault.OUT_OF_RANGE_TIMES: 5, Fault.MALFORMED_RECORDS: 1}
    assert (result.main_fault, result.hint) == (Fault.OUT_OF_RANGE_TIMES, "")


def test_several_faults_are_listed_with_their_counts_the_largest_first(world: World) -> None:
    """Of all days of the run; three at most."""
    world.deliver(MONDAY, "a", "{broken", *(at(0, f"{number}") for number in range(3)), {"event_name": "a"})
    tuesday = MONDAY + timedelta(days=1)
    world.deliver(tuesday, "a", "{broken", at("never"), at(noon(date(2024, 12, 31))))
    raw = dg.AssetSelection.assets("raw_events", "corrupt_events")
    result = world.materialize(MONDAY, tuesday, selection=raw)
    failed = [finding_of(evaluation) for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    (alert,) = check_alerts(failed, "", {})
    assert [each.partition(":")[0] for each in alert.lines[2:]] == [
        "  Likely cause of 3 wrong clock",
        "  Likely cause of 2 malformed records",
        "  Likely cause of 1 missing event fields",
    ]


def test_the_metadata_of_another_authors_check_are_no_faults() -> None:
    """Whatever their names."""
    theirs = {"faults": dg.MetadataValue.json(["drift"]), "hints": dg.MetadataValue.text("none")}
    later = {"faults": dg.MetadataValue.json({"of_a_later_release": 3, "conflicts": 1, "redeliveries": "many"})}
    found = [
        finding_of(dg.AssetCheckEvaluation(dg.AssetKey("theirs"), "model", passed=False, metadata=metadata))
        for metadata in (theirs, later)
    ]
    assert [(each.faults, each.hints) for each in found] == [({}, {}), ({Fault.CONFLICTS: 1}, {})]


def test_names_in_hints_are_neither_markup_nor_links(world: World) -> None:
    """As in figures."""
    world.deliver(MONDAY, "a", event("u", name="<!here> evil.example"), event("u", name="<!here> evil.example", a=1))
    selection = dg.AssetSelection.assets("deduplicated_events").upstream().required_multi_asset_neighbors()
    evaluated = evaluations(world.materialize(MONDAY, selection=selection))
    expected = line(Fault.CONFLICTS, "1 of 1 are (!here) evil.\u2060example.")
    assert evaluated["deduplicated_events", "duplicate_rate", MONDAY.isoformat()] == [expected]
