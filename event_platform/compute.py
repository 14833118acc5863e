"""Where tasks run: a pool of processes on this machine, or a cluster."""

import gc
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess

from event_platform.environment import LOCAL_COMPUTE
from event_platform.events.errors import SettingError

#: Imported once, in the server that every worker is forked from. It only imports them: a process that has run a
#: polars query must not be forked.
_PRELOAD = [
    "event_platform.tasks.raw",
    "event_platform.tasks.deduplicated",
    "event_platform.tasks.typed",
    "event_platform.tasks.quality",
]


@contextmanager
def open_executor(compute: str, workers: int | None = None) -> Iterator[Executor]:
    """Open what EVENT_PLATFORM_COMPUTE says: a local pool of so many `workers`, or a cluster.

    Raises SettingError where the extra that a cluster takes is not installed; see `cluster` for what its tasks raise.
    """
    if compute == LOCAL_COMPUTE:
        with local_pool(workers) as pool:
            yield pool
        return
    try:
        from event_platform.cluster import cluster  # noqa: PLC0415 - it is an extra, and takes a second
    except ModuleNotFoundError as error:
        raise SettingError(
            f"EVENT_PLATFORM_COMPUTE: {compute}: {error.name} is not installed; "
            "a cluster takes the extra dask: pip install 'event-platform[dask]'"
        ) from error
    with cluster(compute) as executor:
        yield executor


@contextmanager
def local_pool(workers: int | None = None) -> Iterator[Executor]:
    """Open a pool with a worker for each core. Workers start with the first task and end with the pool."""
    prepare()
    context = multiprocessing.get_context("forkserver")
    count = workers or os.cpu_count() or 1
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def prepare() -> None:
    """Start the server that workers come from, if there is none yet: it imports on one core what tasks need."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOAD)
    with _one_polars_thread():
        forkserver.ensure_running()


@contextmanager
def _one_polars_thread() -> Iterator[None]:
    """Have the processes started here use one polars thread each: there is a process for each core already."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["POLARS_MAX_THREADS"]
        else:
            os.environ["POLARS_MAX_THREADS"] = before


def _start_worker() -> None:
    # Tasks make millions of objects and no cycles of them: looking for some takes a tenth of a task's time.
    gc.set_threshold(1_000_000)
    # A worker waits for work on a pipe that it holds open itself: it would outlive a driver that was killed.
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
