"""What a command does is said from its first second, and every ten seconds, whether or not there is a terminal."""

import io
import threading

import pytest
from rich.console import Console

from event_platform.cli import progress
from event_platform.cli.progress import ProgressLines, show_progress


class Clock:
    """A clock that is set."""

    seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def test_a_phase_and_the_first_of_a_step_are_lines() -> None:
    """Further units of the step are none, nor is a step that comes again."""
    written: list[str] = []
    lines = ProgressLines("tasks", written.append, Clock())
    lines.begin("loading")
    lines("raw_events", 1, 2000)
    lines("raw_events", 2, 2000)
    lines.begin("building")
    lines("raw_events", 1, 5)
    assert written == ["loading", "raw_events: 1 of 2,000 tasks", "building"]


def test_every_ten_seconds_a_line_says_how_far_it_is() -> None:
    """Of the phase, since it began; not sooner after another line."""
    written: list[str] = []
    clock = Clock()
    lines = ProgressLines("tasks", written.append, clock)
    lines.begin("loading")
    for second in range(1, 32):
        clock.seconds = second
        if second == 5:
            lines("raw_events", 3, 24)
        if second == 20:
            lines("objects", 1_000, None)
        lines.tick()
    assert written == [
        "loading",
        "raw_events: 3 of 24 tasks",
        "loading, for 15 s; raw_events: 3 of 24 tasks",
        "objects: 1,000 tasks",
        "loading, for 30 s; objects: 1,000 tasks",
    ]


def test_lines_go_to_stderr_and_their_thread_ends_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the command fails."""

    def fail() -> None:
        with show_progress("tasks") as listener:
            listener.begin("planning")
            raise ValueError("it fails")

    with pytest.raises(ValueError, match="it fails"):
        fail()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "planning\n")
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_a_terminal_shows_a_bar_for_each_step_and_one_for_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that comes again has the same bar; phases leave none behind."""
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(progress, "ERR", terminal)
    with show_progress("tasks") as listener:
        listener.begin("loading")
        for count in (1, 2):
            listener("raw_events", count, 2)
        listener.begin("building")
        listener("raw_events", 1, 4)
    assert isinstance(terminal.file, io.StringIO)
    *_, drawn = terminal.file.getvalue().split("raw_events")
    assert "1/4 tasks" in drawn
    assert "building" not in drawn
