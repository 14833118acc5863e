"""Progress of a command on stderr: bars on a terminal, otherwise a line every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Lock, Thread
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from event_platform.cli.output import ERR

#: Seconds between progress lines without a terminal.
_PAUSE = 10.0

_REDRAWS_PER_SECOND = 4


class Listener(Protocol):
    """Follows a command through its phases."""

    def begin(self, phase: str) -> None:
        """Begin a phase. The next phase, or the end of the command, ends it."""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Say how many units of a step of this phase are done, and of how many if that is known."""


def show_progress(unit: str) -> AbstractContextManager[Listener]:
    """Show the progress of a command on stderr. `unit` names what its steps count."""
    return _bars(unit) if ERR.is_terminal else _lines(unit)


class ProgressLines:
    """Prints a line when a phase or a step begins, and one every ten seconds.

    `tick` must be called regularly, for example by another thread. `clock` returns seconds.
    """

    def __init__(self, unit: str, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:  # noqa: D107 - see the class
        self._unit, self._write, self._clock = unit, write, clock
        self._lock = Lock()
        self._phase, self._begun, self._written = "", clock(), clock()
        self._step = ""
        self._steps = set[str]()

    def begin(self, phase: str) -> None:
        """See Listener."""
        with self._lock:
            self._phase, self._begun, self._step = phase, self._clock(), ""
            self._print(phase)

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """See Listener."""
        with self._lock:
            self._step = f"{step}: {done:,} of {total:,} {self._unit}" if total else f"{step}: {done:,} {self._unit}"
            if step not in self._steps:
                self._steps.add(step)
                self._print(self._step)

    def tick(self) -> None:
        """Print the progress if nothing was printed for ten seconds."""
        with self._lock:
            if self._clock() - self._written >= _PAUSE:
                since = f"{self._phase or 'at work'}, for {self._clock() - self._begun:,.0f} s"
                self._print(f"{since}; {self._step}" if self._step else since)

    def _print(self, line: str) -> None:
        self._written = self._clock()
        self._write(line)


@contextmanager
def _lines(unit: str) -> Iterator[Listener]:
    """Print progress as lines; a thread repeats the last state while the command is silent."""
    lines, ended = ProgressLines(unit, lambda line: ERR.print(line, soft_wrap=True)), Event()

    def tick() -> None:
        while not ended.wait(1):
            lines.tick()

    thread = Thread(target=tick, name="progress", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join()


class _Count(MofNCompleteColumn):
    """A column with completed and total units; empty for a phase, which has no count."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """See the base class."""
        return Text() if task.fields["phase"] else super().render(task).append(f" {self._unit}")


class _Bars:
    """Draws a bar for each step, and an indeterminate bar for the phase."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._steps: dict[str, TaskID] = {}
        self._finished: frozenset[str] = frozenset()  # the next run may begin them again
        self._phase: TaskID | None = None

    def begin(self, phase: str) -> None:
        """See Listener."""
        self.end()
        self._phase = self._bars.add_task(phase, total=None, phase=True)

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """See Listener."""
        if step not in self._steps:
            self._steps[step] = self._bars.add_task(step, total=total, phase=False)
        elif step in self._finished:
            self._bars.reset(self._steps[step])
        self._finished = self._finished | {step} if done == total else self._finished - {step}
        self._bars.update(self._steps[step], completed=done, total=total)

    def end(self) -> None:
        """End the phase."""
        if self._phase is not None:
            self._bars.remove_task(self._phase)
            self._phase = None


@contextmanager
def _bars(unit: str) -> Iterator[Listener]:
    columns = (TextColumn("{task.description}"), BarColumn(), _Count(unit), TimeElapsedColumn())
    with Progress(*columns, console=ERR, refresh_per_second=_REDRAWS_PER_SECOND) as progress:
        bars = _Bars(progress)
        try:
            yield bars
        finally:
            bars.end()
