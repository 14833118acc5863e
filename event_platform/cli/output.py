"""What commands draw: progress bars on the terminal's error stream, tables on its output."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

#: Called with what is being done, how much of it is, and how much there is, if that is known.
Listener = Callable[[str, int, int | None], None]

OUT = Console()
ERR = Console(stderr=True)


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
