"""The command line as a process of its own, in a world."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform_tests.support.world import World, copy_of

#: Exit codes of a command that has done its work: in the few records of a test, one that is corrupt fails a check.
DONE = {0, 3}


def variables(world: World, lake: Path | None = None) -> dict[str, str]:
    """Return the environment variables that make a world (or another lake beside it) the local environment."""
    settings = world.environment
    return {
        **os.environ,
        "EVENT_PLATFORM_LANDING": settings.landing,
        "EVENT_PLATFORM_LAKE": str(lake or settings.lake),
        "EVENT_PLATFORM_CATALOG": str(settings.catalog),
        "EVENT_PLATFORM_START_DATE": settings.start_date.isoformat(),
    }


def use(patch: pytest.MonkeyPatch, world: World) -> None:
    """Make a world the local environment of this process."""
    for name, value in variables(world).items():
        patch.setenv(name, value)


def call(*arguments: str, code: int | None = None) -> str:
    """Call the command line in this process; it must do its work, or end with `code`. Return what it prints."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (DONE if code is None else {code}), result.output
    return result.output


def call_with(settings: Mapping[str, str], *arguments: str, code: int | None = None) -> str:
    """See `call`; with these variables. A process of its own (`start`) takes four seconds of CPU time more."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        return call(*arguments, code=code)


def build_by_run(world: World) -> World:
    """Build a world by `run`."""
    call_with(variables(world), "run")
    return world


def use_copy(patch: pytest.MonkeyPatch, world: World, folder: Path) -> World:
    """Copy a world into a folder, and make the copy the local environment of this process."""
    copy = copy_of(world, folder)
    use(patch, copy)
    return copy


def start(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """Start `event-platform` with arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", "event_platform", *arguments],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait for a command to succeed and return what it printed."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode in DONE, output
    return output


def processes_with(text: str) -> list[int]:
    """Return the ids of the processes that have `text` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found


def all_end(text: str, seconds: float) -> bool:
    """Wait for the processes that have `text` in their environment to end; say whether they did."""
    deadline = time.monotonic() + seconds
    while processes_with(text) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_with(text)


def beside_python(program: str) -> Path:
    """Return a program of the environment that these tests run in."""
    return Path(sys.executable).with_name(program)
