"""Partitions that grow file by file are kept readable while they do."""

from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from datetime import date
from typing import TypeVar

from deltalake.transaction import AddAction, RemoveAction

from event_platform.lake.tables import Snapshot, remove_action
from event_platform.steps.running import Progress, run_tasks
from event_platform.tasks.compacted import put_together, to_put_together

K = TypeVar("K")


def compacted(
    growing: Mapping[K, tuple[Snapshot, Collection[date]]], executor: Executor, progress: Progress
) -> dict[K, list[AddAction | RemoveAction]]:
    """Put the small files of partitions together that are about to grow; return what is to be committed with it."""
    due = [
        (key, (snapshot.table, snapshot.schema, files))
        for key, (snapshot, days) in growing.items()
        for day in sorted(days)
        for files in to_put_together(snapshot.files([day]))
    ]
    found: dict[K, list[AddAction | RemoveAction]] = {key: [] for key in growing}
    adds = run_tasks(executor, put_together, [task for _, task in due], progress, "small files")
    for (key, (table, _, files)), add in zip(due, adds, strict=True):
        column = str(table.partition_column)
        found[key] += [add, *(remove_action(file, column, data_change=False) for file in files)]
    return found
