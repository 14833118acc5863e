"""What every step does: run tasks on an executor, and start over when another writer was faster."""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from event_platform.events.errors import ClusterError, panics_as_errors
from event_platform.lake.tables import ConflictError

_ATTEMPTS = 20

#: Tells this process from those that tasks run in. Ids of processes repeat on other hosts and in containers.
_THIS_PROCESS = uuid.uuid4().hex

#: Called with what is being done, how many of it are, and how many there are.
Progress = Callable[[str, int, int], None]

T = TypeVar("T")


@dataclass
class CpuTime:
    """CPU seconds of a step, once it has ended: of this process meanwhile, and of workers in the step's tasks."""

    seconds: float = 0.0


_CPU_TIME: ContextVar[CpuTime | None] = ContextVar("cpu_time", default=None)


@contextmanager
def counting_cpu_time() -> Iterator[CpuTime]:
    """Count the CPU time of the steps within, and of the tasks that they run."""
    cpu_time, began = CpuTime(), time.process_time()
    token = _CPU_TIME.set(cpu_time)
    try:
        yield cpu_time
    finally:
        _CPU_TIME.reset(token)
        cpu_time.seconds += time.process_time() - began


def run_tasks(
    executor: Executor, function: Callable[..., T], arguments: Sequence[tuple[Any, ...]], progress: Progress, what: str
) -> list[T]:
    """Run `function` once for each tuple of arguments; results in the order of the arguments.

    The first task that fails ends the step with its error; tasks that have not begun are dropped. Raises ClusterError
    where a cluster drops tasks.
    """
    # A pool's start would cost more than it saves. On a cluster, this process may be a small one: it only commits.
    if len(arguments) == 1 and isinstance(executor, ProcessPoolExecutor):
        return [function(*arguments[0])]
    futures: list[Future[tuple[T, str, float]]] = []
    cpu_time = _CPU_TIME.get()
    try:
        futures.extend(executor.submit(_Timed(function), *each) for each in arguments)
        for done, future in enumerate(as_completed(futures), start=1):
            _, process, seconds = future.result()
            if cpu_time is not None and process != _THIS_PROCESS:  # what this one does is counted anyway
                cpu_time.seconds += seconds
            progress(what, done, len(futures))
    except CancelledError as error:  # not by us: `_cancel` is for those that nobody waits for any more
        _cancel(futures)
        raise ClusterError(
            f"{what}: the scheduler of the cluster went away, or dropped tasks; nothing that they wrote is committed: "
            "see that it runs, and run again"
        ) from error
    except BaseException:
        _cancel(futures)
        raise
    return [result for result, *_ in (future.result() for future in futures)]


@dataclass(frozen=True)
class _Timed(Generic[T]):
    """A task that returns its result, the process that did it, and the CPU seconds that it took there."""

    function: Callable[..., T]

    @property
    def __name__(self) -> str:
        """What a cluster's dashboard shows, and learns durations by."""
        return self.function.__name__

    def __call__(self, *arguments: Any) -> tuple[T, str, float]:
        began = time.process_time()
        with panics_as_errors():  # a panic could not be sent from one process to another
            return self.function(*arguments), _THIS_PROCESS, time.process_time() - began


def until_no_conflict(attempt: Callable[[], T]) -> T:
    """Call `attempt` until no other writer gets in between. It must read anew all that its result depends on."""
    for pause in _pauses():
        try:
            return attempt()
        except ConflictError:
            time.sleep(pause)
    return attempt()


def _pauses() -> Iterator[float]:
    for number in range(_ATTEMPTS - 1):
        yield random.uniform(0, min(0.1 * 2**number, 5.0))  # noqa: S311 - spreads writers, keeps no secret


def _cancel(futures: list[Future[Any]]) -> None:
    for future in futures:
        future.cancel()
