"""Findings of checks, and a runner that executes checks in parallel with a time limit and catches all errors."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

#: Seconds for all checks together. A server that does not answer takes ten; the rest is for slow imports.
PATIENCE = 25.0

#: Length of secrets that are hidden; shorter ones would occur in any text.
_SHORTEST_SECRET = 4


class Verdict(StrEnum):
    """The result of a check."""

    GOOD = "good"
    BAD = "bad"
    LEFT_OUT = "left out"  # nothing to check, or another check has reported why it is impossible


@dataclass(frozen=True)
class Finding:
    """One line: the check, its observation and, if it is bad, the remedy."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


Check = Callable[[], "Finding | list[Finding]"]


def good(name: str, found: str) -> Finding:
    """Return a good finding."""
    return Finding(name, Verdict.GOOD, found)


def bad(name: str, found: str, remedy: str) -> Finding:
    """Return a bad finding with its remedy."""
    return Finding(name, Verdict.BAD, found, remedy)


def skipped(name: str, reason: str) -> Finding:
    """Return the finding of a check that was not made."""
    return Finding(name, Verdict.LEFT_OUT, reason)


def run_all(checks: Mapping[str, Check], seconds: float = PATIENCE) -> list[Finding]:
    """Run checks in parallel and return their findings in order, after `seconds` at most."""
    findings: dict[str, list[Finding]] = {}

    def run(name: str, check: Check) -> None:
        try:
            result = check()
        except BaseException as error:  # noqa: BLE001 - the panic of a library is not an Exception
            result = bad(name, f"the check failed: {type(error).__name__}: {error}", "report this as a bug")
        findings[name] = result if isinstance(result, list) else [result]

    # Daemons: a check that hangs must not keep the command from exiting.
    threads = [threading.Thread(target=run, args=named_check, daemon=True) for named_check in checks.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    late = "check the network to the service: addresses, security groups, endpoints, proxies"
    finished = dict(findings)
    return [
        finding
        for name in checks
        for finding in finished.get(name, [bad(name, f"no answer within {seconds:g} seconds", late)])
    ]


def without(secrets: Collection[str], findings: list[Finding]) -> list[Finding]:
    """Return findings with the secrets replaced by ***, each in one line."""
    hidden = sorted({value for value in secrets if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def clean(text: str) -> str:
        line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
        for secret in hidden:
            line = line.replace(secret, "***")
        return line

    return [replace(finding, found=clean(finding.found), remedy=clean(finding.remedy)) for finding in findings]
