"""Other people's text, fit to be shown."""

import pytest

from event_platform.report.text import shown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("lesson:started", "lesson:started"),
        ("Grüße 日本 🎉", "Grüße 日本 🎉"),
        ("a\x00b\x1b[31m", "a\\u{0}b\\u{1b}[31m"),
        ("line\nline\u2028line", "line\\u{a}line\\u{2028}line"),
        ("\u202egnp.exe\u2066", "\\u{202e}gnp.exe\\u{2066}"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    """Control and direction characters, and separators of lines; every other letter is left alone."""
    assert shown(text, 100) == seen


def test_a_long_text_is_cut_and_says_so() -> None:
    """At the length given, which it may have without being cut."""
    assert shown("x" * 10_000_000, 5) == "xxxxx…"
    assert shown("x" * 5, 5) == "xxxxx"
