"""Merges small files of a partition into one, so that many increments are read as fast as one load."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.errors import EventPlatformError, TableError, TableStorageError, raise_panics_as_errors
from event_platform.lake.file_figures import read_figure
from event_platform.lake.file_writer import FileWriter
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.location import TableLocation
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.errors import one_line
from event_platform.storage.polars_errors import translate_errors

T = TypeVar("T")


def groups_to_compact(files: Sequence[DataFile], sizing: Sizing) -> list[list[DataFile]]:
    """Return groups of files of a partition to merge into one file each.

    The files of a group are in one size class, and older than the compaction age.
    """
    latest = (time.time() - sizing.compaction_age.total_seconds()) * 1_000
    groups, sizes = [], sizing.compaction_size_classes
    for smaller, size in zip((0, *sizes), sizes, strict=False):
        candidates = sorted(
            (file for file in files if smaller < file.size <= size and file.modified <= latest), key=_arrival
        )
        while _is_due(group := _first_group(candidates, sizing), sizing):
            groups.append(group)
            candidates = candidates[len(group) :]
    return groups


def _arrival(file: DataFile) -> str:
    return str(file.minimum.get("source_object") or file.minimum.get("created_datetime"))


def _first_group(files: Sequence[DataFile], sizing: Sizing) -> list[DataFile]:
    """Return the first files that together fill a file, within the maximum rows of a task."""
    group: list[DataFile] = []
    size = rows = 0
    for file in files:
        if size >= sizing.full_file_bytes or rows + file.rows > sizing.rows_per_compaction:
            break
        group.append(file)
        size, rows = size + file.size, rows + file.rows
    return group


def _is_due(group: Sequence[DataFile], sizing: Sizing) -> bool:
    is_full = sum(file.size for file in group) >= sizing.full_file_bytes
    return len(group) >= sizing.files_per_compaction or (len(group) > 1 and is_full)


def try_to_compact(table: TableLocation, schema: pl.Schema, files: list[DataFile]) -> AddAction | EventPlatformError:
    """Call `compact_files`, and return its error instead of raising it."""
    return error_or_result(table, lambda: compact_files(table, schema, files))


def error_or_result(table: TableLocation, function: Callable[[], T]) -> T | EventPlatformError:
    """Return the result of an operation on a table, or its error, which must not stop the other tables."""
    try:
        with translate_errors(), raise_panics_as_errors():
            return function()
    except EventPlatformError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it is
        kind = TableStorageError if isinstance(error, OSError) else TableError
        return kind(f"{table.uri}: small files cannot be compacted: {one_line(error)}")


def compact_files(table: TableLocation, schema: pl.Schema, files: list[DataFile]) -> AddAction:
    """Write the rows of some files of a partition to one file, and return its add action.

    The action says that no data changed, so that readers of new rows skip it. The remove actions of the old files are
    not returned, because deltalake's RemoveAction cannot be sent between processes.
    """
    (day,) = {file.partition for file in files}
    rows = scan_files(table, files, schema).collect()
    # Rows of one name and hour stay together, so that readers skip the row groups of others.
    order = "event_name" if "body" in rows.columns else "created_datetime"
    if order in rows.columns:
        rows = rows.sort(order, maintain_order=True)
    writer = FileWriter(table, day, data_change=False)
    writer.write(rows)
    for figure in table.spec.figures:
        if figure.is_noted:
            writer.note(figure, read_figure(table, files, figure).drop(str(table.partition_column)))
    return writer.close()
