"""Run the tasks of a step on an executor, count their CPU time, and retry those whose worker was killed.

A retried task runs alone, and in smaller parts if it can be split.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Generic, TypeVar

from event_platform.compute.pool import LocalPool
from event_platform.events.errors import ClusterError, WorkerError, raise_panics_as_errors
from event_platform.lake.files import DataFile
from event_platform.landing.landing import LandedObject

#: How often a task may kill its worker, and how many such tasks may be skipped before the step fails.
_DEATHS, _LEFT_OUT = 3, 3

#: Files and objects that an error names.
_NAMED = 5

#: Identifies this process. Process ids repeat on other hosts and in containers.
_THIS_PROCESS = uuid.uuid4().hex

#: Called with the name of what is done, how many are done, and how many there are.
Progress = Callable[[str, int, int], None]

T = TypeVar("T")


@dataclass
class CpuTime:
    """CPU seconds of a step, known when it has ended: of this process, and of the workers in the tasks of the step."""

    seconds: float = 0.0
    began: float = field(default_factory=time.process_time)  # CPU seconds of this process before the step


_CPU_TIME: ContextVar[CpuTime | None] = ContextVar("cpu_time", default=None)


@contextmanager
def counting_cpu_time() -> Iterator[CpuTime]:
    """Count the CPU time of the enclosed steps and of their tasks."""
    cpu_time = CpuTime()
    token = _CPU_TIME.set(cpu_time)
    try:
        yield cpu_time
    finally:
        _CPU_TIME.reset(token)
        cpu_time.seconds += time.process_time() - cpu_time.began


def step_seconds() -> float:
    """Return the CPU seconds of the current step so far; 0 outside `counting_cpu_time`."""
    cpu_time = _CPU_TIME.get()
    return 0.0 if cpu_time is None else cpu_time.seconds + time.process_time() - cpu_time.began


@dataclass(frozen=True)
class Parts(Generic[T]):
    """How to split a task, and its result if even its smallest part kills the worker every time."""

    halves: Callable[..., list[tuple[Any, ...]]]  # arguments → those of two smaller tasks; empty if indivisible
    left_out: Callable[[tuple[Any, ...], WorkerError], T]


def run_tasks(
    executor: Executor,
    function: Callable[..., T],
    arguments: Sequence[tuple[Any, ...]],
    progress: Progress,
    what: str,
    *,
    small: bool = False,
    large: bool = False,
    parts: Parts[T] | None = None,
) -> list[T]:
    """Run `function` once for each tuple of arguments; results are in the order of the arguments and their `parts`.

    The first failing task ends the step with its error, and tasks that have not started are dropped. Raises
    ClusterError if a cluster drops tasks, and WorkerError if a task ends its worker at every attempt. Tasks that are
    `small` together, and a single task that is not `large`, run in this process.
    """
    # Starting a pool would cost more than it saves. On a cluster, this process may be small: it only commits.
    if (small or (len(arguments) == 1 and not large)) and isinstance(executor, LocalPool):
        return [function(*argument) for argument in arguments]
    run = _Run(executor, _TimedTask(function), progress, what, parts)
    waiting = [_Task(number, argument) for number, argument in enumerate(arguments)]
    run.total = len(waiting)
    while waiting:
        lost = run.run_parallel(waiting)
        # The tasks waiting longest were running: one of them killed its worker, and the others were lost with it.
        workers = executor.workers if isinstance(executor, LocalPool) else len(lost)
        for task in lost[:workers]:
            run.run_alone(replace(task, deaths=1))
        waiting = lost[workers:]
    return [result for number in range(len(arguments)) for result in run.results[number]]


@dataclass(frozen=True)
class _Task:
    number: int  # index of its arguments in the original list
    arguments: tuple[Any, ...]
    deaths: int = 0  # number of workers that died while they may have run it


@dataclass
class _Run(Generic[T]):
    """The tasks of a step and their results."""

    executor: Executor
    function: "_TimedTask[T]"
    progress: Progress
    what: str
    parts: Parts[T] | None
    results: dict[int, list[T]] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    left_out: list[WorkerError] = field(default_factory=list)

    def run_parallel(self, tasks: Sequence[_Task]) -> list[_Task]:
        """Run tasks in parallel. Return those whose worker was lost, in order."""
        futures: dict[Future[tuple[T, str, float]], _Task] = {}
        lost: list[_Task] = []
        try:
            for task in tasks:
                try:
                    futures[self.executor.submit(self.function, *task.arguments)] = task
                except BrokenExecutor:
                    lost.append(task)
            for future in as_completed(futures):
                try:
                    self._finish(futures[future], future.result())
                except BrokenExecutor:
                    lost.append(futures[future])
        except CancelledError as error:  # not by us: tasks that `_cancel` cancels are no longer awaited
            _cancel(futures)
            raise ClusterError(
                f"{self.what}: the scheduler of the cluster went away, or dropped tasks; nothing that they wrote is "
                "committed: see that it runs, and run again"
            ) from error
        except BaseException:
            _cancel(futures)
            raise
        return sorted(lost, key=lambda task: task.number)

    def run_alone(self, task: _Task) -> None:
        """Run a task that may have killed its worker alone, in smaller and smaller parts."""
        left = [task]
        while left:
            now = left.pop(0)
            if not self.run_parallel([now]):
                continue
            now = replace(now, deaths=now.deaths + 1)
            halves = self.parts.halves(*now.arguments) if self.parts else []
            if halves:
                self.total += 1
                left = [replace(now, arguments=half) for half in halves] + left
            elif now.deaths < _DEATHS:
                left.insert(0, now)
            else:
                self._give_up(now)

    def _finish(self, task: _Task, output: tuple[T, str, float]) -> None:
        result, process, seconds = output
        cpu_time = _CPU_TIME.get()
        if cpu_time is not None and process != _THIS_PROCESS:  # the CPU time of this process is counted anyway
            cpu_time.seconds += seconds
        self._add(task, result)

    def _add(self, task: _Task, result: T) -> None:
        self.results.setdefault(task.number, []).append(result)
        self.done += 1
        self.progress(self.what, self.done, self.total)

    def _give_up(self, task: _Task) -> None:
        error = WorkerError(
            f"{self.what}: the process that worked on {_named(task.arguments)} was ended by the system "
            f"{task.deaths} times, most likely because memory ran out (see `dmesg`, or for 137 as the exit code of the "
            "container). Run fewer workers (resource compute: workers), or give the machine more memory."
        )
        self.left_out.append(error)
        if self.parts is None or len(self.left_out) > _LEFT_OUT:
            raise WorkerError(" ".join(map(str, self.left_out)))
        self._add(task, self.parts.left_out(task.arguments, error))


def _named(arguments: tuple[Any, ...]) -> str:
    """Return the names of the first objects and files of a task."""
    names = list(islice(_names(arguments), _NAMED + 1))
    return ", ".join(names[:_NAMED]) + (", and others" if len(names) > _NAMED else "") or "the same task"


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, LandedObject):
        yield value.name
    elif isinstance(value, DataFile):
        yield value.uri
    elif isinstance(value, Mapping):
        yield from _names(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item)
    elif hasattr(value, "files"):
        yield from _names(value.files)


@dataclass(frozen=True)
class _TimedTask(Generic[T]):
    """A task that returns its result, the id of its process, and the CPU seconds spent there."""

    function: Callable[..., T]

    @property
    def __name__(self) -> str:
        """The name in a cluster's dashboard and in its statistics of durations."""
        return self.function.__name__

    def __call__(self, *arguments: Any) -> tuple[T, str, float]:
        began = time.process_time()
        with raise_panics_as_errors():  # a panic could not be sent from one process to another
            return self.function(*arguments), _THIS_PROCESS, time.process_time() - began


def _cancel(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.cancel()
