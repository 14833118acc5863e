"""Run a command until all its descendants have ended, and print its cost.

    python -m bench.measured_command cost.json -- command argument …

A process of its own, with no other children. It has to be, because what a command starts need not be its child for
long: Python's forkserver ends after the command that started it, and a wait for the command alone does not include
the pool's CPU time. Linux lets a process adopt the orphans among its descendants (`prctl(2)`, PR_SET_CHILD_SUBREAPER).
So whatever the command leaves behind ends as a child of this one, is waited for, and is in its RUSAGE_CHILDREN. Linux
only, for that and for /proc.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Cost:
    """The cost of a command with all its descendants."""

    wall_seconds: float  # until the last of them had ended
    cpu_seconds: float  # user and system, of all of them
    peak_bytes: int  # highest sum of their proportional set sizes (PSS) that was seen: shared pages count once
    exit_code: int  # of the command itself; negative: the signal that ended it


def measure(command: Sequence[str]) -> Cost:
    """Run the command and wait for its descendants. The process that calls this must have no other children."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed; Linux 3.4 or later is expected")
    peak = _Peak()
    began = time.monotonic()
    process = subprocess.Popen(command)  # noqa: S603 - the command is what this module is given to run
    peak.start()
    exit_code = process.wait()
    _wait_for_adopted()
    wall_seconds = time.monotonic() - began
    peak.stop()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall_seconds, used.ru_utime + used.ru_stime, peak.bytes, exit_code)


def _wait_for_adopted() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


class _Peak(threading.Thread):
    """Samples the memory of all descendants several times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            self.bytes = max(self.bytes, sum(map(proportional_set_size, descendants(os.getpid()))))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def descendants(root: int) -> Iterable[int]:
    """Return the current descendants of a process, from /proc."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            children.setdefault(_parent(folder), []).append(int(folder.name))
    found = list(children.get(root, ()))
    for each in found:  # grows meanwhile
        found.extend(children.get(each, ()))
    return found


def _parent(folder: Path) -> int:
    try:
        # The name of the program is in brackets, and may hold blanks and brackets itself.
        return int((folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError):  # it has ended
        return -1


def proportional_set_size(process: int) -> int:
    """Return the memory of a process (PSS) in bytes; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def main(arguments: Sequence[str]) -> None:
    """Measure `<file for the cost> -- <command> <argument> …`."""
    target, _, *command = arguments
    Path(target).write_text(json.dumps(asdict(measure(command))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
