"""A Dask cluster of our own: a scheduler and workers, each a process on this machine that can be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client

from bench.local_servers import free_port

_PROJECT = Path(__file__).parents[2]
_SECONDS = 60


@dataclass
class DaskCluster:
    """A scheduler's address, and the processes that were started; what they print goes to files in `folder`."""

    folder: Path
    port: int = field(default_factory=free_port)
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a scheduler with variables of its own, and wait until it answers."""
        process = self._start(["scheduler", "--port", str(self.port)], variables)
        with Client(self.address, timeout=_SECONDS, set_as_default=False):
            return process

    def start_worker(self, stall_in: str | None = None, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a worker with variables of its own, and wait until the scheduler knows it.

        With `stall_in`, such as `event_platform.pipeline.loading.tasks:load_objects`, it never returns from that task:
        see stalling.
        """
        options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder)]
        if stall_in is not None:
            variables = {**variables, "STALL_IN": stall_in, "STALL_MARK": str(self._mark(len(self.started)))}
            options += ["--preload", "event_platform_tests.support.stalling"]
        with Client(self.address, timeout=_SECONDS, set_as_default=False) as client:
            known = len(client.scheduler_info(n_workers=-1)["workers"])
            process = self._start(["worker", self.address, *options], variables)
            client.wait_for_workers(known + 1, timeout=_SECONDS)
        return process

    def wait_for_stall(self, worker: "subprocess.Popen[bytes]", driver: "subprocess.Popen[str]") -> None:
        """Wait until a worker has written a task's files, and will not say so. Its driver has to be alive meanwhile."""
        mark = self._mark(self.started.index(worker))
        deadline = time.monotonic() + 2 * _SECONDS
        while not mark.exists():
            assert worker.poll() is None, self.logs()
            assert driver.poll() is None, driver.communicate()[0]
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.02)

    def logs(self) -> str:
        """Return what the processes printed."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _mark(self, number: int) -> Path:
        return self.folder / f"{number}.stalled"

    def _start(self, arguments: list[str], variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        web = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        with (self.folder / f"{len(self.started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, *web],
                env={**os.environ, **variables},
                cwd=_PROJECT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process


@contextmanager
def dask_cluster(folder: Path) -> Iterator[DaskCluster]:
    """Yield a cluster without any process yet, and kill those that were started in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = DaskCluster(folder)
    try:
        yield cluster
    finally:
        for process in cluster.started:
            process.kill()
        for process in cluster.started:
            process.wait()
