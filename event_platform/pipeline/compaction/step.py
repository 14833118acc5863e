"""Partitions that grow file by file are kept readable while they do."""

from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from datetime import date
from functools import partial
from typing import TypeVar

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from event_platform.compute.tasks import Progress, run_tasks
from event_platform.events.errors import EventPlatformError
from event_platform.lake.files import DataFile
from event_platform.lake.tables import Snapshot, Table, remove_action
from event_platform.pipeline.compaction.tasks import to_put_together, tried, try_to_put_together

K = TypeVar("K")


def compacted(
    growing: Mapping[K, tuple[Snapshot, Collection[date]]], executor: Executor, progress: Progress
) -> dict[K, list[AddAction | RemoveAction]]:
    """Do as `each_compacted`, and raise what goes wrong with any of the tables."""
    found, failed = each_compacted(growing, executor, progress)
    for error in failed.values():
        raise error
    return found


def each_compacted(
    growing: Mapping[K, tuple[Snapshot, Collection[date]]], executor: Executor, progress: Progress
) -> tuple[dict[K, list[AddAction | RemoveAction]], dict[K, EventPlatformError]]:
    """Put the small files of partitions together that are about to grow.

    Returns what is to be committed with it, and the tables that this failed for, with the error.
    """
    found: dict[K, list[AddAction | RemoveAction]] = {key: [] for key in growing}
    failed: dict[K, EventPlatformError] = {}
    due: list[tuple[K, tuple[Table, pl.Schema, list[DataFile]]]] = []
    for key, (snapshot, days) in growing.items():
        groups = tried(snapshot.table, partial(_groups, snapshot, days))
        if isinstance(groups, EventPlatformError):
            failed[key] = groups
        else:
            due += [(key, (snapshot.table, snapshot.schema, files)) for files in groups]
    results = run_tasks(executor, try_to_put_together, [task for _, task in due], progress, "small files")
    for (key, (table, _, files)), result in zip(due, results, strict=True):
        if isinstance(result, EventPlatformError):
            failed[key] = result
        else:
            column = str(table.partition_column)
            found[key] += [result, *(remove_action(file, column, data_change=False) for file in files)]
    return found, failed


def _groups(snapshot: Snapshot, days: Collection[date]) -> list[list[DataFile]]:
    return [files for day in sorted(days) for files in to_put_together(snapshot.files([day]))]
