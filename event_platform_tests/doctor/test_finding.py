"""Checks run in parallel with a time limit, and their texts contain no secret and no traceback."""

import threading
import time

from event_platform.doctor.finding import Check, Finding, Verdict, bad, good, run_all, without


def test_one_check_does_not_hide_another() -> None:
    """Neither by failing, nor by a panic, nor by never ending; and what they found is in their order."""
    over = threading.Event()

    def fails() -> Finding:
        raise ZeroDivisionError("a fault of ours")

    def panics() -> Finding:
        raise SystemExit(3)

    def hangs() -> Finding:
        over.wait(30)
        return good("hangs", "at last")

    started = time.monotonic()
    checks: dict[str, Check] = {
        "hangs": hangs,
        "fails": fails,
        "panics": panics,
        "well": lambda: [good("well", "x"), good("and", "y")],
    }
    findings = run_all(checks, seconds=0.3)
    assert time.monotonic() - started < 5
    over.set()
    assert [(finding.name, finding.verdict) for finding in findings] == [
        ("hangs", Verdict.BAD),
        ("fails", Verdict.BAD),
        ("panics", Verdict.BAD),
        ("well", Verdict.GOOD),
        ("and", Verdict.GOOD),
    ]
    assert findings[0].found == "no answer within 0.3 seconds"
    assert findings[1].found == "the check failed: ZeroDivisionError: a fault of ours"


def test_checks_do_not_wait_for_each_other() -> None:
    """Ten that take a tenth of a second take a tenth of a second."""

    def slow() -> Finding:
        time.sleep(0.1)
        return good("slow", "")

    started = time.monotonic()
    run_all({str(number): slow for number in range(10)})
    assert time.monotonic() - started < 0.9


def test_no_secret_and_no_further_line_is_shown() -> None:
    """Whatever a server has answered; what is short is no secret, and longer ones are looked for first."""
    finding = bad("x", "password abcd1234\nrefused\x1b[31m: abcd", "not abcd1234 in abcd")
    (clean,) = without({"abcd", "abcd1234", "x"}, [finding])
    assert clean == bad("x", "password *** refused [31m: ***", "not *** in ***")
