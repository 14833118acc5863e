"""Runs are forked from a server that has imported their modules, and that ends when it is idle."""

import gc
import multiprocessing
import os
from multiprocessing import forkserver
from threading import Lock
from types import SimpleNamespace

import pytest
from dagster._grpc.server import DagsterApiServer

from event_platform.defs.instance import dagster_internals, warm_runs
from event_platform.defs.instance.dagster_internals import CodeServer, start_runs_with

CONTEXT = multiprocessing.get_context("forkserver")


def test_a_code_server_starts_a_run_with_the_context_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of its own, whichever run it is."""
    monkeypatch.setattr(DagsterApiServer, "StartRun", lambda self, _request, _context: self._mp_ctx)
    before = list[CodeServer]()
    start_runs_with(CONTEXT, before.append)
    servicer = SimpleNamespace(_mp_ctx=None)
    assert [DagsterApiServer.StartRun(servicer, None, None) for _ in range(2)] == [CONTEXT] * 2  # type: ignore[arg-type]
    assert before == [CodeServer(servicer)] * 2


def test_a_forked_run_has_imported_what_it_needs_and_opened_nothing() -> None:
    """Dagster, the platform and the records; a process that has run a query must not be forked.

    It does not collect garbage among imported objects either.
    """
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    CONTEXT.set_forkserver_preload([*warm_runs._PRELOAD, warm_runs.PUBLISHING, warm_runs.S3])
    results = CONTEXT.Queue()
    process = CONTEXT.Process(target=_state_of_process, args=[results])
    process.start()
    modules, threads, threshold = results.get(timeout=300)
    process.join()
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    expected = {"event_platform.definitions", dagster_internals.__name__, "dagster._grpc.impl", "polars", "pyiceberg"}
    assert expected | {"boto3", "detroit", "jinja2", "tenacity"} <= modules
    assert not any(name.startswith(("polars-0", "tokio")) for name in threads)
    assert threshold == 1_000_000


def _state_of_process(results: "multiprocessing.Queue[tuple[set[str], list[str], int]]") -> None:
    import sys  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    # Of the server, which is the parent: threads do not survive a fork.
    threads = [(each / "comm").read_text() for each in Path(f"/proc/{os.getppid()}/task").iterdir()]
    results.put((set(sys.modules), threads, gc.get_threshold()[0]))


def test_the_fork_server_ends_when_no_run_is_left_and_is_started_by_the_next() -> None:
    """A run's process keeps it alive."""
    first = _forked_by()
    servicer = SimpleNamespace(_execution_lock=Lock(), _executions={"a run": "its process"})
    timer = warm_runs._IdleTimer()
    timer._end(CodeServer(servicer))
    assert _forked_by() == first
    servicer._executions.clear()
    timer._end(CodeServer(servicer))
    assert _forked_by() != first


def _forked_by() -> int:
    """Fork a process, and return its parent."""
    results = CONTEXT.SimpleQueue()
    process = CONTEXT.Process(target=_put_parent, args=[results])
    process.start()
    process.join()
    return int(results.get())


def _put_parent(results: "multiprocessing.SimpleQueue[int]") -> None:
    results.put(os.getppid())
