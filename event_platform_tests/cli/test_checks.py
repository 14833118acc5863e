"""Failed checks as commands show them: one for each way of failing, the worst first, and no more than ten."""

from collections.abc import Mapping
from datetime import date, timedelta

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.cli.checks import CheckKey, failed_checks, render_checks
from event_platform.cli.output import OUT
from event_platform_tests.support.world import MONDAY, TUESDAY


def failed(faults: Mapping[Fault, int], severity: Severity = Severity.WARN, description: str = "what") -> Result:
    """Return the result of a check that failed."""
    return Result(passed=False, description=description, severity=severity, faults=faults)


def check_lines(results: Mapping[CheckKey, Result], *, every: bool = False) -> list[str]:
    """Return the lines of failed checks."""
    with OUT.capture() as captured:
        for part in render_checks(failed_checks(results), every=every):
            OUT.print(part, soft_wrap=True)
    return captured.get().splitlines()


def corruption(day: date, corrupt: int) -> dict[CheckKey, Result]:
    """Return the failed check of corrupt records of a day."""
    result = failed({Fault.MALFORMED_RECORDS: corrupt}, Severity.ERROR, f"{corrupt} are corrupt")
    return {CheckKey("raw_events", "corruption_rate", str(day)): result}


def test_a_line_has_the_days_and_the_figures_of_the_worst() -> None:
    """Below it are the likely cause and what to do; a check that passed is not there."""
    thursday = MONDAY + timedelta(days=3)
    passed = {CheckKey("raw_events", "conservation", str(MONDAY)): Result(passed=True, description="")}
    lines = check_lines(corruption(MONDAY, 3) | corruption(TUESDAY, 7) | corruption(thursday, 5) | passed)
    assert lines == [
        "ERROR raw_events, corruption_rate on 2025-06-02 to 2025-06-03, 2025-06-05: 7 are corrupt (2025-06-03)",
        f"  {Fault.MALFORMED_RECORDS.cause} {Fault.MALFORMED_RECORDS.remedy}",
    ]


def test_a_hint_is_between_cause_and_remedy() -> None:
    """On one line, whatever its text; in JSON it is a separate field."""
    result = Result(
        passed=False, description="x", faults={Fault.CONFLICTS: 2}, hints={Fault.CONFLICTS: "2 are a\u202eb"}
    )
    conflicts = {CheckKey("deduplicated_events", "duplicate_rate", str(MONDAY)): result}
    assert check_lines(conflicts)[1] == f"  {Fault.CONFLICTS.cause} 2 are a\\u{{202e}}b. {Fault.CONFLICTS.remedy}"
    assert failed_checks(conflicts)[0].as_json()["hint"] == "2 are a\\u{202e}b"


def test_days_that_fail_in_another_way_have_a_line_of_their_own() -> None:
    """With another cause."""
    conformance = {
        CheckKey("events/a", "schema_conformance", str(MONDAY)): failed({Fault.RESCUED_VALUES: 2}),
        CheckKey("events/a", "schema_conformance", str(TUESDAY)): failed({Fault.UNKNOWN_FIELDS: 3}),
    }
    assert [(check.fault, check.partitions) for check in failed_checks(conformance)] == [
        (Fault.UNKNOWN_FIELDS, ["2025-06-03"]),
        (Fault.RESCUED_VALUES, ["2025-06-02"]),
    ]


def test_errors_come_first_and_then_what_concerns_the_most() -> None:
    """Of all days together."""
    volume = {
        CheckKey(f"events/{name}", "volume", str(day)): failed({Fault.TOO_FEW_EVENTS: count})
        for name, counts in {"a": (9, 0), "b": (6, 7)}.items()
        for day, count in zip((MONDAY, TUESDAY), counts, strict=True)
    }
    order = [check.asset for check in failed_checks(volume | corruption(MONDAY, 1))]
    assert order == ["raw_events", "events/b", "events/a"]


def test_ten_are_shown_and_how_many_more_there_are() -> None:
    """Unless all are asked for."""
    results = {CheckKey(f"events/{n:02}", "volume", str(MONDAY)): failed({Fault.TOO_FEW_EVENTS: 1}) for n in range(12)}
    lines = check_lines(results)
    assert sum(line.startswith("WARN ") for line in lines) == 10
    assert lines[-1] == "2 more: event-platform status --all"
    assert sum(line.startswith("WARN ") for line in check_lines(results, every=True)) == 12


def test_a_check_of_an_own_asset_has_no_cause() -> None:
    """Nor a day if it is unpartitioned; its text is shown verbatim."""
    results = {CheckKey("mine", "positive", ""): failed({}, description="[red]\x1b[2J of\nlines[/red]")}
    assert check_lines(results) == [r"WARN mine, positive: [red]\u{1b}[2J of lines[/red]"]
    assert failed_checks(results)[0].as_json()["cause"] is None
