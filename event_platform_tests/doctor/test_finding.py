"""Checks run side by side, for so long and no longer, and what they say holds no secret and no traceback."""

import threading
from types import SimpleNamespace

import pytest

from event_platform.doctor.finding import Check, Finding, Verdict, bad, good, run_all, without


def test_one_check_does_not_hide_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by failing, nor by a panic, nor by never ending; and what they found is in their order."""
    over = threading.Event()

    def fails() -> Finding:
        raise ZeroDivisionError("a fault of ours")

    def panics() -> Finding:
        raise SystemExit(3)

    def hangs() -> Finding:
        over.wait()
        return good("hangs", "at last")

    checks: dict[str, Check] = {
        "fails": fails,
        "panics": panics,
        "well": lambda: [good("well", "x"), good("and", "y")],
        "hangs": hangs,
    }
    moments = iter([0, 0, 0, 0, 60])  # the last one when the others have ended
    monkeypatch.setattr("event_platform.doctor.finding.time", SimpleNamespace(monotonic=lambda: next(moments)))
    found = run_all(checks, seconds=60)
    over.set()
    assert [(each.name, each.verdict) for each in found] == [
        ("fails", Verdict.BAD),
        ("panics", Verdict.BAD),
        ("well", Verdict.GOOD),
        ("and", Verdict.GOOD),
        ("hangs", Verdict.BAD),
    ]
    assert found[0].found == "the check failed: ZeroDivisionError: a fault of ours"
    assert found[-1].found == "no answer within 60 seconds"


def test_checks_do_not_wait_for_each_other() -> None:
    """Ten that can only end together do."""
    together = threading.Barrier(10)

    def waits() -> Finding:
        together.wait()
        return good("waits", "")

    found = run_all({str(number): waits for number in range(10)})
    assert [each.verdict for each in found] == [Verdict.GOOD] * 10


def test_no_secret_and_no_further_line_is_shown() -> None:
    """Whatever a server has answered; what is short is no secret, and longer ones are looked for first."""
    found = bad("x", "password abcd1234\nrefused\x1b[31m: abcd", "not abcd1234 in abcd")
    (clean,) = without({"abcd", "abcd1234", "x"}, [found])
    assert clean == bad("x", "password *** refused [31m: ***", "not *** in ***")
