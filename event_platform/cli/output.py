"""The consoles of commands: tables and results on stdout, progress and errors on stderr."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from event_platform.quality.text import shown


def visible(text: str) -> str:
    r"""Escape control characters of a text, as in `\u{1b}`, so that they do not control the terminal. Newlines stay."""
    return text if text.isprintable() else "\n".join(shown(line, len(line)) for line in text.split("\n"))


class _PlainConsole(Console):
    """A console that prints texts verbatim: no terminal commands, no rich markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a printed text or a cell of a table; see rich."""
        return super().render_str(visible(text), **options)


OUT = _PlainConsole()
ERR = _PlainConsole(stderr=True)


def print_warning(warning: str | None) -> None:
    """Print a warning on stderr, if there is one."""
    if warning:
        ERR.print(warning, style="yellow", soft_wrap=True, highlight=False, markup=False)


def print_parts(parts: Iterable[RenderableType]) -> None:
    """Print tables and lines on stdout. Long lines are not wrapped, so that pipes get them whole."""
    for part in parts:
        OUT.print(part, soft_wrap=not isinstance(part, Table))
