"""What commands draw: progress bars on the terminal's error stream, tables on its output."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from event_platform.quality.text import shown

#: Called with what is being done, how much of it is, and how much there is, if that is known.
Listener = Callable[[str, int, int | None], None]


def visible(text: str) -> str:
    r"""Return a text of one or more lines in which whatever a terminal would obey is written out, as in `\u{1b}`."""
    return text if text.isprintable() else "\n".join(shown(line, len(line)) for line in text.split("\n"))


class _PlainConsole(Console):
    """A console on which texts are no more than texts: neither commands to the terminal nor rich's markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Do as rich does, for every text that is printed and for every cell of a table."""
        return super().render_str(visible(text), **options)


OUT = _PlainConsole()
ERR = _PlainConsole(stderr=True)


@contextmanager
def progress_bars(unit: str) -> Iterator[Listener]:
    """Draw a bar for each thing that a listener hears of. They go to stderr, so that output stays clean in a pipe."""
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
