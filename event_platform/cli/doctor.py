"""`event-platform doctor`: a line for each check of an installation."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict

from event_platform.cli.output import OUT
from event_platform.doctor.examine import examine
from event_platform.doctor.finding import Finding, Verdict

_MARKS = {Verdict.GOOD: "✓", Verdict.BAD: "✗", Verdict.LEFT_OUT: "\N{EN DASH}"}
_STYLES = {Verdict.GOOD: None, Verdict.BAD: "red", Verdict.LEFT_OUT: "dim"}
_WIDTH = 16


def show_findings(*, as_json: bool) -> int:
    """Check this installation and print the findings; return the exit code."""
    findings = examine(os.environ)
    healthy = all(each.verdict is not Verdict.BAD for each in findings)
    if as_json:
        print(json.dumps({"healthy": healthy, "findings": [asdict(each) for each in findings]}))  # noqa: T201 - rich would wrap it
    else:
        _print(findings)
    return 0 if healthy else 1


def _print(findings: Sequence[Finding]) -> None:
    for each in findings:
        line = f"{_MARKS[each.verdict]} {each.name:<{_WIDTH}} {each.found}"
        line += f" → {each.remedy}" if each.remedy else ""
        OUT.print(line, style=_STYLES[each.verdict], soft_wrap=True, highlight=False, markup=False)
    wrong = sum(each.verdict is Verdict.BAD for each in findings)
    OUT.print(f"{wrong} of {len(findings)} to fix" if wrong else "all is well")
