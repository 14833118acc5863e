"""The consoles of commands: tables and results on stdout, progress bars and errors on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from event_platform.quality.text import shown

#: Called with the name of a step, the units done, and their total if it is known.
Listener = Callable[[str, int, int | None], None]


def visible(text: str) -> str:
    r"""Escape control characters of a text, as in `\u{1b}`, so that a terminal only prints them. Lines stay lines."""
    return text if text.isprintable() else "\n".join(shown(line, len(line)) for line in text.split("\n"))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 object`, `2,000 objects`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class _PlainConsole(Console):
    """A console that prints texts as they are: without terminal commands and without rich's markup."""

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


@contextmanager
def progress_bars(unit: str) -> Iterator[Listener]:
    """Yield a callback that draws a progress bar for each step, on stderr: output stays clean in a pipe."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERR) as bars:
        tasks: dict[str, TaskID] = {}

        def listen(what: str, done: int, total: int | None) -> None:
            if what not in tasks or bars.tasks[tasks[what]].finished:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield listen
