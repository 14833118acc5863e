"""The context of a step: lake, executor, progress and task sizes."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from event_platform.compute.tasks import Progress, TaskSplit, run_tasks
from event_platform.lake.lake import Lake
from event_platform.pipeline.sizing import DEFAULT_SIZING, Sizing

T = TypeVar("T")


def no_progress(_label: str, _done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class PipelineContext:
    """The context of a step. Tasks receive the parts that can be sent to another process."""

    lake: Lake
    executor: Executor
    progress: Progress = no_progress
    sizing: Sizing = DEFAULT_SIZING

    def is_small(self, rows: int) -> bool:
        """Return whether the driver runs a step with this many rows itself (see `Sizing.small_rows`)."""
        return rows <= self.sizing.small_rows

    def run_tasks(
        self,
        function: Callable[..., T],
        arguments: Sequence[tuple[Any, ...]],
        label: str,
        *,
        small: bool = False,
        large: bool = False,
        split: TaskSplit[T] | None = None,
    ) -> list[T]:
        """Run the tasks of a step (see `compute.tasks.run_tasks`)."""
        return run_tasks(
            self.executor, function, arguments, self.progress, label, small=small, large=large, split=split
        )
