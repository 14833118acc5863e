"""A pool of processes on this machine, set up for tasks."""

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

#: Modules that the fork server imports once for all workers. It only imports, because a process that has run a polars
#: query must not be forked.
_PRELOAD = [
    "event_platform.pipeline.loading.tasks",
    "event_platform.pipeline.deduplication.candidates",
    "event_platform.pipeline.deduplication.tasks",
    "event_platform.pipeline.typing.tasks",
    "event_platform.pipeline.reporting.tasks",
    "event_platform.pipeline.compaction.tasks",
]

T = TypeVar("T")

_WORKER_VARIABLES = {
    # There is one process per core.
    "POLARS_MAX_THREADS": "1",
    # Keep freed memory for the next task: returning it to the system costs a tenth of the CPU time. The variables are
    # those of glibc and of the allocator of polars.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "_RJEM_MALLOC_CONF": "thp:always,dirty_decay_ms:10000,muzzy_decay_ms:-1",
    # Memory freed by one allocator cannot be used by another. Arrow therefore shares glibc's, with one heap for all
    # threads: this takes a twentieth of the memory, and no CPU time.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
}


class LocalPool(Executor):
    """A process pool that is replaced when a killed worker has broken it."""

    def __init__(self, open_pool: Callable[[], ProcessPoolExecutor], workers: int) -> None:
        """Take a function that opens a pool. It is first called with the first task."""
        self.workers = workers
        self._open_pool = open_pool
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See Executor."""
        if self._pool is not None:
            try:
                return self._pool.submit(fn, *args, **kwargs)
            except BrokenExecutor:
                self.shutdown()
        self._pool = self._open_pool()
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """See Executor."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def local_pool(workers: int | None = None) -> Iterator[Executor]:
    """Open a pool with a worker per core. Workers start with the first task and end with the pool."""
    count = workers or os.cpu_count() or 1
    pool = LocalPool(partial(_open_pool, count), count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _open_pool(workers: int) -> ProcessPoolExecutor:
    prepare()
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def prepare() -> None:
    """Start the fork server unless it is running; it may have been killed."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOAD)
    with _worker_variables():
        forkserver.ensure_running()


@contextmanager
def _worker_variables() -> Iterator[None]:
    """Set the environment of workers for processes that are started within."""
    old_values = {name: os.environ.get(name) for name in _WORKER_VARIABLES}
    os.environ.update(_WORKER_VARIABLES)
    try:
        yield
    finally:
        for name, value in old_values.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_worker() -> None:
    # Tasks create millions of objects but no cycles. Searching for cycles takes a tenth of a task's time.
    gc.set_threshold(1_000_000)
    # A worker also holds the write end of its pipe, so it would outlive a killed driver.
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
