"""What a check found, and how checks are run: side by side, for so long and no longer, whatever they raise."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

#: Seconds that all checks have together. A server that does not answer is given up after ten; the rest is for a
#: machine that is slow to import what the checks need.
PATIENCE = 25.0

#: Shorter ones would be found in any text.
_SHORTEST_SECRET = 4


class Verdict(StrEnum):
    """What came of a check."""

    GOOD = "good"
    BAD = "bad"
    LEFT_OUT = "left out"  # there is nothing to check, or it cannot be without what another check found bad


@dataclass(frozen=True)
class Finding:
    """One line: what was checked, what was found, and, where it is bad, what to do."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


Check = Callable[[], "Finding | list[Finding]"]


def good(name: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(name, Verdict.GOOD, found)


def bad(name: str, found: str, remedy: str) -> Finding:
    """Return what is wrong, and what to do."""
    return Finding(name, Verdict.BAD, found, remedy)


def left_out(name: str, why: str) -> Finding:
    """Return why there is nothing to find."""
    return Finding(name, Verdict.LEFT_OUT, why)


def run_all(checks: Mapping[str, Check], seconds: float = PATIENCE) -> list[Finding]:
    """Run checks side by side and return what each found, in their order, after so many seconds at most."""
    found: dict[str, list[Finding]] = {}

    def run(name: str, check: Check) -> None:
        try:
            result = check()
        except BaseException as error:  # noqa: BLE001 - a library's panic is none that `Exception` stands for
            result = bad(name, f"the check failed: {type(error).__name__}: {error}", "report this with what was found")
        found[name] = result if isinstance(result, list) else [result]

    # Daemons: one that hangs must not keep the command from ending.
    threads = [threading.Thread(target=run, args=each, daemon=True) for each in checks.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    late = "look at the network between here and there: addresses, security groups, endpoints, proxies"
    finished = dict(found)
    return [
        finding
        for name in checks
        for finding in finished.get(name, [bad(name, f"no answer within {seconds:g} seconds", late)])
    ]


def without(secrets: Collection[str], findings: list[Finding]) -> list[Finding]:
    """Return findings in which none of the secrets is shown, each in one line."""
    hidden = sorted({each for each in secrets if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def clean(text: str) -> str:
        line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
        for secret in hidden:
            line = line.replace(secret, "***")
        return line

    return [replace(each, found=clean(each.found), remedy=clean(each.remedy)) for each in findings]
