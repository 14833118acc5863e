"""Small files of a partition → one, so that what came little by little reads as fast as what came at once."""

import time
from collections.abc import Sequence
from datetime import timedelta

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from event_platform.lake.files import DataFile, FileWriter, scan_files
from event_platform.lake.tables import Table, remove_action

#: So many files of about one size become one. A row is written anew when its file is full, and when that one is: with
#: 16 to the power of two increments a day, twice.
FILES_TOGETHER = 16

#: Files up to so many bytes are put together with their like; larger ones stay.
_SIZES = (1 << 20, 16 << 20)

#: What one task holds.
_ROWS = 1_000_000

#: Whoever reads what a table gained looks at the files that were added: for so long they stay as they are.
UNREAD = timedelta(hours=1)


def to_put_together(files: Sequence[DataFile]) -> list[DataFile]:
    """Return the files of a partition that should be one; none where they are few, or may not be read yet."""
    last = (time.time() - UNREAD.total_seconds()) * 1_000
    smaller = 0
    for size in _SIZES:
        alike = [file for file in files if smaller < file.size <= size and file.modified <= last]
        while sum(file.rows for file in alike) > _ROWS:
            alike.pop()
        if len(alike) >= FILES_TOGETHER:
            return alike
        smaller = size
    return []


def put_together(table: Table, schema: pl.Schema, files: list[DataFile]) -> list[AddAction | RemoveAction]:
    """Write the rows of some files of a partition to one, and return the actions that put it in their place.

    They say that no data changed: who waits for new rows finds none in it.
    """
    (day,) = {file.partition for file in files}
    column = str(table.partition_column)
    rows = scan_files(files, schema, column, table.storage).collect()
    if "body" in rows.columns:  # of many event names
        rows = rows.sort("event_name", maintain_order=True)
    writer = FileWriter(table.storage, table.name, column, day, data_change=False)
    writer.write(rows)
    return [writer.close(), *(remove_action(file, column, data_change=False) for file in files)]
