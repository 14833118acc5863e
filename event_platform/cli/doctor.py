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
    healthy = all(finding.verdict is not Verdict.BAD for finding in findings)
    if as_json:
        print(json.dumps({"healthy": healthy, "findings": [asdict(finding) for finding in findings]}))  # noqa: T201 - rich would wrap it
    else:
        _print(findings)
    return 0 if healthy else 1


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        line = f"{_MARKS[finding.verdict]} {finding.name:<{_WIDTH}} {finding.found}"
        line += f" → {finding.remedy}" if finding.remedy else ""
        OUT.print(line, style=_STYLES[finding.verdict], soft_wrap=True, highlight=False, markup=False)
    wrong = sum(finding.verdict is Verdict.BAD for finding in findings)
    OUT.print(f"{wrong} of {len(findings)} to fix" if wrong else "all is well")
