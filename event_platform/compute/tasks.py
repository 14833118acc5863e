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

#: Number of workers that a task may kill, and maximum number of such tasks that are skipped before the step fails.
_DEATHS, _MAX_SKIPPED = 3, 3

#: Files and objects that an error names.
_MAX_NAMES = 5

#: Identifies this process. Process ids repeat on other hosts and in containers.
_THIS_PROCESS = uuid.uuid4().hex

#: Called with the label of a step, the number of its completed tasks, and the number of all of its tasks.
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
class TaskSplit(Generic[T]):
    """How to split a task, and the result of a part that cannot be split and kills its worker every time."""

    halves: Callable[..., list[tuple[Any, ...]]]  # arguments → those of two smaller tasks; empty if indivisible
    result_if_lost: Callable[[tuple[Any, ...], WorkerError], T]


def run_tasks(
    executor: Executor,
    function: Callable[..., T],
    arguments: Sequence[tuple[Any, ...]],
    progress: Progress,
    label: str,
    *,
    small: bool = False,
    large: bool = False,
    split: TaskSplit[T] | None = None,
) -> list[T]:
    """Run `function` once for each tuple of arguments. Results are in the order of the arguments and of their parts.

    `label` names the tasks in progress and in errors. With `split`, a task that killed its worker is run in parts.

    The first failing task ends the step with its error, and tasks that have not started are dropped. Raises
    ClusterError if a cluster drops tasks, and WorkerError if a task ends its worker at every attempt. Tasks that are
    `small` together, and a single task that is not `large`, run in this process.
    """
    # Starting a pool would cost more than it saves. On a cluster, this process may be small: it only commits.
    if (small or (len(arguments) == 1 and not large)) and isinstance(executor, LocalPool):
        return [function(*argument) for argument in arguments]
    run = _Run(executor, _TimedTask(function), progress, label, split)
    pending = [_Task(number, argument) for number, argument in enumerate(arguments)]
    run.total = len(pending)
    while pending:
        lost = run.run_parallel(pending)
        # The first lost tasks were running: one of them killed its worker, and the others were lost with it.
        workers = executor.workers if isinstance(executor, LocalPool) else len(lost)
        for task in lost[:workers]:
            run.run_alone(replace(task, deaths=1))
        pending = lost[workers:]
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
    label: str
    split: TaskSplit[T] | None
    results: dict[int, list[T]] = field(default_factory=dict)
    total: int = 0
    completed: int = 0
    skipped_errors: list[WorkerError] = field(default_factory=list)

    def run_parallel(self, tasks: Sequence[_Task]) -> list[_Task]:
        """Run tasks in parallel. Return the tasks whose worker was killed, in order."""
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
                f"{self.label}: the scheduler of the cluster went away, or dropped tasks; nothing that they wrote is "
                "committed: see that it runs, and run again"
            ) from error
        except BaseException:
            _cancel(futures)
            raise
        return sorted(lost, key=lambda task: task.number)

    def run_alone(self, task: _Task) -> None:
        """Run a task that may have killed its worker alone, in smaller and smaller parts."""
        queue = [task]
        while queue:
            part = queue.pop(0)
            if not self.run_parallel([part]):
                continue
            part = replace(part, deaths=part.deaths + 1)
            halves = self.split.halves(*part.arguments) if self.split else []
            if halves:
                self.total += 1
                queue = [replace(part, arguments=half) for half in halves] + queue
            elif part.deaths < _DEATHS:
                queue.insert(0, part)
            else:
                self._give_up(part)

    def _finish(self, task: _Task, output: tuple[T, str, float]) -> None:
        result, process, seconds = output
        cpu_time = _CPU_TIME.get()
        if cpu_time is not None and process != _THIS_PROCESS:  # the CPU time of this process is counted anyway
            cpu_time.seconds += seconds
        self._add(task, result)

    def _add(self, task: _Task, result: T) -> None:
        self.results.setdefault(task.number, []).append(result)
        self.completed += 1
        self.progress(self.label, self.completed, self.total)

    def _give_up(self, task: _Task) -> None:
        error = WorkerError(
            f"{self.label}: the process that worked on {_describe_arguments(task.arguments)} was ended by the system "
            f"{task.deaths} times, most likely because memory ran out (see `dmesg`, or for 137 as the exit code of the "
            "container). Run fewer workers (resource compute: workers), or give the machine more memory."
        )
        self.skipped_errors.append(error)
        if self.split is None or len(self.skipped_errors) > _MAX_SKIPPED:
            raise WorkerError(" ".join(map(str, self.skipped_errors)))
        self._add(task, self.split.result_if_lost(task.arguments, error))


def _describe_arguments(arguments: tuple[Any, ...]) -> str:
    """Return the names of the first objects and files of a task."""
    names = list(islice(_names(arguments), _MAX_NAMES + 1))
    return ", ".join(names[:_MAX_NAMES]) + (", and others" if len(names) > _MAX_NAMES else "") or "the same task"


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
