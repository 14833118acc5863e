"""The pool that tasks run on."""

import os

import polars as pl
import pyarrow as pa
import pytest

from event_platform.compute.pool import local_pool
from event_platform.events.errors import LandingError


def threads_of_polars() -> tuple[int, int]:
    """Return the process and how many threads polars has there."""
    return os.getpid(), pl.thread_pool_size()


def allocator_of_arrow() -> str:
    """Return its name."""
    return str(pa.default_memory_pool().backend_name)


def fail() -> None:
    """Fail as a task does."""
    raise LandingError("landing/a: gone")


def test_workers_are_other_processes_with_one_polars_thread_each() -> None:
    """There is a process for each core already."""
    with local_pool(2) as pool:
        results = [future.result() for future in [pool.submit(threads_of_polars) for _ in range(8)]]
        allocator = pool.submit(allocator_of_arrow).result()
    assert os.getpid() not in {process for process, _ in results}
    assert {threads for _, threads in results} == {1}
    assert allocator == "system"  # whose free memory all share
    assert "POLARS_MAX_THREADS" not in os.environ


def test_an_error_comes_back_as_it_was_raised() -> None:
    """With its message."""
    with local_pool(1) as pool, pytest.raises(LandingError, match="landing/a: gone"):
        pool.submit(fail).result()
