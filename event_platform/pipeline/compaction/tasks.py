"""Small files of a partition → one, so that what came little by little reads as fast as what came at once."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.errors import EventPlatformError, TableError, TableStorageError, panics_as_errors
from event_platform.lake.files import DataFile, FileWriter, scan_files
from event_platform.lake.tables import Table
from event_platform.storage.errors import one_line
from event_platform.storage.polars_errors import translate_errors

T = TypeVar("T")

#: So many files of about one size become one. A row is written anew when its file is full, and when that one is: with
#: 16 to the power of two increments a day, twice.
FILES_TOGETHER = 16

#: Fewer become one where they have so many bytes together: about what a task writes of a day that comes at once.
FULL = 72 << 20

#: Files up to so many bytes are put together with their like; larger ones stay. The last is less than `FULL`, since
#: rows take fewer bytes beside their like.
_SIZES = (1 << 20, 16 << 20, 48 << 20)

#: What one task holds at the most, where rows are so alike that they take few bytes.
_ROWS = 2_000_000

#: Whoever reads what a table gained looks at the files that were added: for so long they stay as they are.
UNREAD = timedelta(hours=1)


def to_put_together(files: Sequence[DataFile]) -> list[list[DataFile]]:
    """Return groups of files of a partition that should be one each; none of files that may not be read yet."""
    last = (time.time() - UNREAD.total_seconds()) * 1_000
    groups = []
    for smaller, size in zip((0, *_SIZES), _SIZES, strict=False):
        alike = sorted((f for f in files if smaller < f.size <= size and f.modified <= last), key=_arrival)
        while _is_due(group := _one_file_of(alike)):
            groups.append(group)
            alike = alike[len(group) :]
    return groups


def _arrival(file: DataFile) -> str:
    return str(file.minimum.get("source_object") or file.minimum.get("created_datetime"))


def _one_file_of(files: Sequence[DataFile]) -> list[DataFile]:
    """Return the first files, up to the one that fills them; of small ones no more than a task holds the rows of."""
    group: list[DataFile] = []
    size = rows = 0
    for file in files:
        if size >= FULL or rows + file.rows > _ROWS:
            break
        group.append(file)
        size, rows = size + file.size, rows + file.rows
    return group


def _is_due(group: Sequence[DataFile]) -> bool:
    return len(group) >= FILES_TOGETHER or (len(group) > 1 and sum(file.size for file in group) >= FULL)


def try_to_put_together(table: Table, schema: pl.Schema, files: list[DataFile]) -> AddAction | EventPlatformError:
    """Do as `put_together`, as `tried`."""
    return tried(table, lambda: put_together(table, schema, files))


def tried(table: Table, function: Callable[[], T]) -> T | EventPlatformError:
    """Return the result of what is done to the files of a table, or its error: it must not stop the other tables."""
    try:
        with translate_errors(), panics_as_errors():
            return function()
    except EventPlatformError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it is
        kind = TableStorageError if isinstance(error, OSError) else TableError
        return kind(f"{table.uri}: small files cannot be put together: {one_line(error)}")


def put_together(table: Table, schema: pl.Schema, files: list[DataFile]) -> AddAction:
    """Write the rows of some files of a partition to one, and return the action that adds it.

    It says that no data changed: who waits for new rows finds none in it. Those that take the files out again are not
    for a task to return: deltalake's RemoveAction cannot be sent from one process to another.
    """
    (day,) = {file.partition for file in files}
    column = str(table.partition_column)
    rows = scan_files(files, schema, column, table.storage).collect()
    # Of each name those of an hour stand together, so that whoever reads it skips the row groups of the others.
    order = "event_name" if "body" in rows.columns else "created_datetime"
    if order in rows.columns:
        rows = rows.sort(order, maintain_order=True)
    writer = FileWriter(table.storage, table.name, column, day, data_change=False)
    writer.write(rows)
    return writer.close()
