"""Commands of a benchmark, each in a process of its own: their output is kept and their cost measured."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

_ROOT = Path(__file__).parents[1]

folder_option = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Work in a new folder below this one.",
)


class FailedError(Exception):
    """A command failed or had a wrong result; the text is the last line that it printed."""


@dataclass(frozen=True)
class Commands:
    """Runs commands in the same environment, and keeps what they print in a folder."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, name: str, command: Sequence[str]) -> str:
        """Run a command to its end and return the last line that it printed. Raises FailedError."""
        with self._log(name).open("w") as log:
            done = subprocess.run(  # noqa: S603 - commands that stand in this package
                command, env=self.variables, cwd=_ROOT, stdout=log, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode:
            raise FailedError(self.last_line(name) or f"{name}: ended with {done.returncode}")
        return self.last_line(name)

    def measured(self, name: str, command: Sequence[str]) -> dict[str, Any]:
        """Run a command alone; return its cost (see `bench.measured_command`). Raises FailedError."""
        os.sync()  # what the one before wrote is not for this one to wait for
        target = self.folder / "cost.json"
        self.run(name, module("bench.measured_command", f"{target}", "--", *command))
        cost: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        if cost["exit_code"]:
            raise FailedError(self.last_line(name) or f"ended with {cost['exit_code']}")
        return cost

    def last_line(self, name: str) -> str:
        """Return the last line that a command printed; "" for nothing."""
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def module(*arguments: str) -> list[str]:
    """Return the command that runs a module in this interpreter."""
    return [sys.executable, "-m", *arguments]


def chosen(only: str | None, keys: Sequence[str]) -> list[str]:
    """Return the keys that `--only` names, in their own order; all of them without it. Raises BadParameter."""
    named = only.split(",") if only else keys
    unknown = set(named) - set(keys)
    if unknown:
        raise click.BadParameter(
            f"{', '.join(sorted(unknown))}: expected some of {', '.join(keys)}", param_hint="--only"
        )
    return [key for key in keys if key in named]
