"""The CPU time of a step: its own and that of its workers, each once; and what a task dies of."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import polars as pl
import pytest

from event_platform.compute import local_pool
from event_platform.events.errors import PanicError
from event_platform.steps.running import counting_cpu_time, run_tasks


def burn(seconds: float) -> int:
    """Use the CPU for some seconds, as a task does; return the process that did."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return os.getpid()


def panic(_: int) -> None:
    """Let a library of Rust panic."""
    pl.DataFrame({"bytes": [b"x"]}).write_json()


def run(executor: Executor, *seconds: float) -> Sequence[int]:
    """Run a task for each of some numbers of CPU seconds."""
    return run_tasks(executor, burn, [(each,) for each in seconds], lambda *_: None, "burning")


def test_the_time_of_workers_is_counted() -> None:
    """Of all their tasks, in the order of the arguments; this process has only waited."""
    with local_pool(2) as pool:
        before = time.process_time()
        with counting_cpu_time() as cpu_time:
            processes = run(pool, 0.2, 0.1, 0.3)
        own = time.process_time() - before
    assert os.getpid() not in processes
    assert 0.6 <= cpu_time.seconds < 1.2 + own


def test_what_this_process_does_itself_is_counted_once() -> None:
    """Threads of a pool are its own, and so is a single task, which is run without the pool."""
    with ThreadPoolExecutor(2) as threads:
        before = time.process_time()
        with counting_cpu_time() as cpu_time:
            run(threads, 0.1, 0.1)
            run(threads, 0.1)
        assert 0.3 <= cpu_time.seconds <= time.process_time() - before


def test_steps_are_counted_one_by_one() -> None:
    """Nothing is left over from the one before; without anybody who counts, tasks run all the same."""
    with local_pool(2) as pool:
        with counting_cpu_time():
            run(pool, 0.3, 0.3)
        run(pool, 0.3, 0.3)
        with counting_cpu_time() as cpu_time:
            run(pool, 0.1, 0.1)
    assert 0.2 <= cpu_time.seconds < 0.3


def test_a_panic_of_a_library_comes_back_from_a_worker_as_an_error() -> None:
    """Python cannot send the panic itself from one process to another."""
    with local_pool(2) as pool, pytest.raises(PanicError, match="a library panicked: not yet implemented"):
        run_tasks(pool, panic, [(1,), (2,)], lambda *_: None, "panicking")
