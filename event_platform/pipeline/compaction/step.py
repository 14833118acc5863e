"""Compact small files of partitions before an append, so that the partitions stay fast to read."""

from collections.abc import Collection, Mapping
from datetime import date
from functools import partial
from typing import TypeVar

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from event_platform.events.errors import EventPlatformError
from event_platform.lake.files import DataFile, remove_action
from event_platform.lake.location import TableLocation
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.compaction.tasks import error_or_result, groups_to_compact, try_to_compact
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.sizing import Sizing

K = TypeVar("K")


def compact(
    context: PipelineContext, tables: Mapping[K, tuple[Snapshot, Collection[date]]]
) -> dict[K, list[AddAction | RemoveAction]]:
    """Compact small files before an append, as `compact_tables` does. Raises the error of any of the tables."""
    actions, errors = compact_tables(context, tables)
    for error in errors.values():
        raise error
    return actions


def compact_tables(
    context: PipelineContext, tables: Mapping[K, tuple[Snapshot, Collection[date]]]
) -> tuple[dict[K, list[AddAction | RemoveAction]], dict[K, EventPlatformError]]:
    """Compact small files before an append: of some partitions of several tables.

    Returns the actions to commit with the append, and the error of each table for which this failed.
    """
    actions: dict[K, list[AddAction | RemoveAction]] = {key: [] for key in tables}
    errors: dict[K, EventPlatformError] = {}
    tasks: list[tuple[K, tuple[TableLocation, pl.Schema, list[DataFile]]]] = []
    for key, (snapshot, days) in tables.items():
        groups = error_or_result(snapshot.table, partial(_groups, snapshot, days, context.sizing))
        if isinstance(groups, EventPlatformError):
            errors[key] = groups
        else:
            tasks += [(key, (snapshot.table_to_write, snapshot.schema, files)) for files in groups]
    rows = sum(file.rows for _, (*_, files) in tasks for file in files)
    arguments = [task for _, task in tasks]
    results = context.run_tasks(try_to_compact, arguments, "small files", small=context.is_small(rows))
    for (key, (table, _, files)), result in zip(tasks, results, strict=True):
        if isinstance(result, EventPlatformError):
            errors[key] = result
        else:
            actions[key] += [result, *(remove_action(table, file, data_change=False) for file in files)]
    return actions, errors


def _groups(snapshot: Snapshot, days: Collection[date], sizing: Sizing) -> list[list[DataFile]]:
    return [files for day in sorted(days) for files in groups_to_compact(snapshot.files([day]), sizing)]
