"""Tasks of a step: the CPU time of each is counted once, and those whose worker is killed are done again."""

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.compute.pool import LocalPool, local_pool
from event_platform.compute.tasks import TaskSplit, counting_cpu_time, run_tasks
from event_platform.events.errors import PanicError, WorkerError
from event_platform.lake.files import DataFile


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
    return run_tasks(executor, burn, [(second,) for second in seconds], lambda *_: None, "burning")


def test_the_time_of_workers_is_counted() -> None:
    """Of all their tasks, in the order of the arguments; this process has only waited."""
    with local_pool(2) as pool:
        start = time.process_time()
        with counting_cpu_time() as cpu_time:
            processes = run(pool, 0.2, 0.1, 0.3)
        driver_seconds = time.process_time() - start
    assert os.getpid() not in processes
    assert 0.6 <= cpu_time.seconds < 1.2 + driver_seconds


def test_what_this_process_does_itself_is_counted_once() -> None:
    """Threads of a pool are its own, and so is a single task, which is run without the pool."""
    with ThreadPoolExecutor(2) as threads:
        start = time.process_time()
        with counting_cpu_time() as cpu_time:
            run(threads, 0.1, 0.1)
            run(threads, 0.1)
        assert 0.3 <= cpu_time.seconds <= time.process_time() - start


def test_steps_are_counted_one_by_one() -> None:
    """Nothing is left over from the one before; without anybody who counts, tasks run all the same."""
    with local_pool(2) as pool:
        with counting_cpu_time():
            run(pool, 0.3, 0.3)
        run(pool, 0.3, 0.3)
        with counting_cpu_time() as cpu_time:
            run(pool, 0.1, 0.1)
    assert 0.2 <= cpu_time.seconds < 0.8  # of those before it would be 0.6 more


def note(folder: Path, names: Sequence[str], deadly: str, times: int) -> list[str]:
    """Record the start of a worker, and let the system kill it at the first `deadly` item, this many times."""
    begun = len(list(folder.iterdir()))
    (folder / f"{begun:03}-{os.getpid()}-{'-'.join(names)}").touch()
    deaths = folder.parent / "deaths"
    if deadly in names and (len(deaths.read_bytes()) if deaths.exists() else 0) < times:
        with deaths.open("ab") as file:
            file.write(b".")
        os.kill(os.getpid(), signal.SIGKILL)
    return list(names)


def run_noting(tmp_path: Path, tasks: Sequence[Sequence[str]], times: int, **options: Any) -> list[list[str]]:
    """Run `note` for each of some tasks, on two workers; what is deadly is called so."""
    folder = tmp_path / "begun"
    folder.mkdir()
    with local_pool(2) as pool:
        arguments = [(folder, names, "deadly", times) for names in tasks]
        return run_tasks(pool, note, arguments, lambda *_: None, "noting", **options)


TASKS = [[f"{task}{name}" for name in "abcd"] for task in range(6)]
WITH_ONE = [*TASKS[:3], ["3a", "3b", "deadly", "3d"], *TASKS[4:]]


@pytest.mark.parametrize("times", [1, 2])
def test_what_a_worker_did_that_was_killed_is_done_again(tmp_path: Path, times: int) -> None:
    """The others as well that were lost with it; results stay in order."""
    assert run_noting(tmp_path, WITH_ONE, times) == WITH_ONE
    assert (tmp_path / "deaths").read_bytes() == b"." * times


def test_a_single_task_that_is_large_is_not_done_by_this_process(tmp_path: Path) -> None:
    """It could kill this process; a small task is run by it."""
    assert run_noting(tmp_path, [["deadly"]], 1, large=True) == [["deadly"]]
    (tmp_path / "begun").rename(tmp_path / "large")
    assert run_noting(tmp_path, [["small"]], 1) == [["small"]]
    (begun,) = (tmp_path / "begun").iterdir()
    assert f"-{os.getpid()}-" in begun.name


def test_a_task_that_kills_its_worker_three_times_is_named(tmp_path: Path) -> None:
    """With its arguments, the likely cause and the remedy."""
    file = DataFile("s3://lake/raw_events/a.parquet", "a.parquet", date(2025, 6, 2), 1, 1, 0, {}, {}, {})
    with local_pool(2) as pool, pytest.raises(WorkerError) as raised:
        run_tasks(pool, die, [([file],)], lambda *_: None, "duplicates", large=True)
    assert str(raised.value).startswith(
        "duplicates: the process that worked on s3://lake/raw_events/a.parquet was ended by the system 3 times, most "
        "likely because memory ran out"
    )
    assert "Run fewer workers" in str(raised.value)


def die(_: list[DataFile]) -> None:
    """Do as what takes more memory than there is."""
    os.kill(os.getpid(), signal.SIGKILL)


SPLIT = TaskSplit[list[str]](
    lambda folder, names, deadly, times: [
        (folder, half, deadly, times) for half in (names[: len(names) // 2], names[len(names) // 2 :]) if len(names) > 1
    ],
    lambda task, error: [f"without {task[1]}: {str(error)[:20]}"],
)


def test_a_task_is_done_in_smaller_and_smaller_parts_until_what_kills_its_worker_stands_alone(tmp_path: Path) -> None:
    """It is left out, and everything beside it is done, in order."""
    results = run_noting(tmp_path, WITH_ONE, 1_000, split=SPLIT)
    lost_result = ["without ['deadly']: noting: the process "]
    assert results == [*TASKS[:3], ["3a", "3b"], lost_result, ["3d"], *TASKS[4:]]
    # In its task, alone with that, in its half, and by itself.
    assert (tmp_path / "deaths").read_bytes() == b"...."


def test_where_many_kill_their_workers_it_is_not_about_one(tmp_path: Path) -> None:
    """The step fails, naming them."""
    with pytest.raises(WorkerError) as raised:
        run_noting(tmp_path, [["deadly"]] * 5, 1_000, split=SPLIT)
    assert str(raised.value).count("was ended by the system 3 times") == 4


class _BreakingPool(LocalPool):
    """A pool that breaks while tasks are submitted, and its replacement."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.workers:
            self.workers -= 1
            return super().submit(fn, *args, **kwargs)
        self.workers = 100
        raise BrokenProcessPool


def test_a_pool_that_breaks_while_tasks_are_submitted_is_replaced() -> None:
    """The tasks that it did not take are done again; also where the first to fail is the pool's own."""
    context = multiprocessing.get_context("forkserver")
    breaking = _BreakingPool(lambda: ProcessPoolExecutor(1, mp_context=context), 2)
    with breaking:
        assert run_tasks(breaking, abs, [(-1,), (-2,), (-3,), (-4,)], lambda *_: None, "numbers") == [1, 2, 3, 4]
    with local_pool(1) as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(die, []).result()
        assert run_tasks(pool, abs, [(-1,), (-2,)], lambda *_: None, "numbers") == [1, 2]


def test_a_panic_of_a_library_comes_back_from_a_worker_as_an_error() -> None:
    """Python cannot send the panic itself from one process to another."""
    with local_pool(2) as pool, pytest.raises(PanicError, match="a library panicked: not yet implemented"):
        run_tasks(pool, panic, [(1,), (2,)], lambda *_: None, "panicking")
