"""Run processes, forked from a server that has imported their modules.

A code server starts a process for each run. Importing Dagster and the platform takes two seconds of CPU time, half of
the delay until the rows of a small object are in their tables. The fork server imports them once, and opens nothing.

It has the modules of this package as of its start: a reloaded code location gets a new code server, which starts a new
fork server. Modules of a user's project are imported by each run, as without the fork server.
"""

import gc
import multiprocessing
import os
import threading
from functools import cache, partial
from multiprocessing import forkserver

from event_platform.defs.instance.dagster_internals import CODE_SERVER, CodeServer, start_runs_with

_PRELOAD = [
    CODE_SERVER,
    "event_platform.definitions",
    "event_platform.defs.instance.launcher",
    "event_platform.defs.instance.sqlite_event_log",
    "event_platform.defs.instance.sqlite_storage",
    # Modules that the platform imports lazily, but that every run needs.
    *("detroit", "jinja2", "tenacity"),
]

# A run with a hundred event types makes half a million objects, and hardly any garbage. Collecting among these and all
# imported objects takes 0.3 s. A server lives longer, and keeps collecting.
os.register_at_fork(after_in_child=partial(gc.set_threshold, 1_000_000))

#: Seconds after the start of the last run until the fork server ends, because it takes 100 MB. The next run restarts
#: it.
_SECONDS_UNTIL_IDLE = 600


#: Additional modules for lakes with an Iceberg catalog, and for S3: importing pyiceberg takes a run a third of a
#: second, boto3 a quarter.
PUBLISHING, S3 = "event_platform.publishing.iceberg.publish", "event_platform.defs.resources.s3"


@cache
def fork_runs(*modules: str) -> None:
    """Make the code server, if this process is one, fork its runs with `modules` preloaded."""
    context = multiprocessing.get_context("forkserver")
    timer = _IdleTimer()

    def before(server: CodeServer) -> None:
        context.set_forkserver_preload([*_PRELOAD, *modules])
        timer.restart(server)

    start_runs_with(context, before)


class _IdleTimer:
    """Ends the fork server some time after the last run was started."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def restart(self, server: CodeServer) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(_SECONDS_UNTIL_IDLE, self._end, [server])
        self._timer.daemon = True
        self._timer.start()

    def _end(self, server: CodeServer) -> None:
        with server.without_runs() as is_idle:
            if is_idle:
                # No documented function ends it. The next process starts it again.
                forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001
                return
        self.restart(server)
