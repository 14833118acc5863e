"""The processes of a running `dagster dev`: the CPU time and the memory of each kind, by /proc. Linux only."""

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.measured_command import descendants, proportional_set_size

_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")

#: What the command line of a process says of its kind. What none of these is in works on a run.
_KINDS = {
    "dagster_webserver": "webserver",
    "dagster._daemon": "daemon",
    "code-server start": "code server",
    "api grpc": "code server",
    "dagster dev": "dagster dev",
}
RUNS = "runs"
#: The stand-in for S3 is no part of the platform.
_SERVERS = ("one_put_at_a_time.py", "support.faulty_s3")


@dataclass(frozen=True)
class Usage:
    """What the processes have used so far: CPU seconds, also of those that have ended, and memory now, by kind."""

    moment: float
    cpu_seconds: Mapping[str, float]
    memory_bytes: Mapping[str, int]

    @property
    def memory(self) -> int:
        """The memory of all processes: the sum of their proportional set sizes."""
        return sum(self.memory_bytes.values())

    def since(self, before: "Usage") -> dict[str, float]:
        """Return the CPU seconds used since another usage, by kind."""
        kinds = sorted({*self.cpu_seconds, *before.cpu_seconds})
        return {kind: self.cpu_seconds.get(kind, 0) - before.cpu_seconds.get(kind, 0) for kind in kinds}


def adopt_orphans() -> None:
    """Have what descendants of this process leave behind become its children, whose CPU time it is told."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed; Linux 3.4 or later is expected")


def usage(ended_before: float) -> Usage:
    """Return what all descendants of this process have used, without the servers that stand in for S3.

    `ended_before` are the CPU seconds of its children that had ended before those that are measured were started.
    """
    _reap()
    cpu, memory, ended = defaultdict[str, float](float), Counter[str](), ended_seconds() - ended_before
    for process, command in _measured():
        kind = kind_of(command)
        own, of_ended = _cpu_seconds(process)
        cpu[kind] += own
        ended += of_ended
        memory[kind] += proportional_set_size(process)
    cpu[RUNS] += ended
    return Usage(time.monotonic(), dict(cpu), dict(memory))


def kind_of(command: str) -> str:
    """Return the kind of a process by its command line."""
    return next((kind for part, kind in _KINDS.items() if part in command), RUNS)


def ended_seconds() -> float:
    """Return the CPU seconds of the children of this process that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def started(command: list[str], environment: Mapping[str, str], folder: Path, log: Path) -> Iterator[None]:
    """Run a command; end it and all that it has started afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands that stand in this package
            command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        deadline = time.monotonic() + 30
        while _measured() and time.monotonic() < deadline:
            _reap()
            time.sleep(0.1)
        for each, _ in _measured():
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


def _measured() -> list[tuple[int, str]]:
    """Return the descendants of this process, with their command lines, without the servers that stand in for S3."""
    commands = ((process, _command(process)) for process in descendants(os.getpid()))
    return [(process, command) for process, command in commands if not any(server in command for server in _SERVERS)]


def _reap() -> None:
    """Wait for the children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _command(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _cpu_seconds(process: int) -> tuple[float, float]:
    """Return the CPU seconds of a process, and those of its children that have ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        user, system, user_of_ended, system_of_ended = map(int, fields[11:15])
        return (user + system) / _TICKS, (user_of_ended + system_of_ended) / _TICKS
    return 0.0, 0.0
