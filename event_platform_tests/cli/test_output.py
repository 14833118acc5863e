"""Output: text from others stays text, whatever a terminal or rich would do with it."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from event_platform.cli.output import ERR, OUT, visible

FOREIGN = "[red]:smile: \x1b]0;title\x07\x9b2J \u202eevil https://x.example/[/red]"
SHOWN = r"[red]:smile: \u{1b}]0;title\u{7}\u{9b}2J \u{202e}evil https://x.example/[/red]"


@pytest.mark.parametrize("console", [OUT, ERR])
def test_a_text_is_printed_as_it_is_with_its_commands_written_out(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, with a style, and in every place of a table."""
    written = io.StringIO()
    monkeypatch.setattr(console, "_file", written)
    monkeypatch.setattr(console, "_width", 300)
    console.print(FOREIGN, "and", FOREIGN, soft_wrap=True)
    console.print(FOREIGN, style="red")
    table = Table(FOREIGN, title=FOREIGN, caption=FOREIGN)
    table.add_row(FOREIGN)
    console.print(table)
    assert written.getvalue().count(SHOWN) == 7
    assert all(line.isprintable() for line in written.getvalue().splitlines())


def test_lines_stay_lines() -> None:
    """A message may have several."""
    assert visible("a\nb\tc") == "a\nb\\u{9}c"
    assert visible("日本 é 👍") == "日本 é 👍"
