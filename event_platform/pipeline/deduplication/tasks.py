"""Files of raw_events → files of deduplicated_events and duplicate_events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.event import SOURCE_COLUMNS
from event_platform.lake.files import DataFile, FileWriter, by_name, scan_pieces
from event_platform.lake.lake import DEDUPLICATED_SCHEMA, DUPLICATE_SCHEMA, RAW_SCHEMA
from event_platform.storage.storage import Storage

#: What a task takes, where there is enough for all cores: its file is about 64 MB.
ROWS_PER_TASK = 800_000

#: What it holds at a time.
ROWS_AT_ONCE = 125_000

#: However little there is, tasks are at least so many where each has ROWS_AT_ONCE.
_TASKS = 16

_SOUND = pl.col("corruption_reason").is_null()
_ORDER = list(SOURCE_COLUMNS)
_PARTITION = "created_date"


@dataclass(frozen=True)
class Split:
    """What a task wrote of the sound records of its files."""

    unique: list[AddAction]
    duplicates: list[AddAction]


def task_rows(files: Sequence[DataFile]) -> int:
    """Return the rows that each task takes of some files."""
    return min(ROWS_PER_TASK, max(ROWS_AT_ONCE, sum(file.rows for file in files) // _TASKS))


def split_files(storage: Storage, files: list[DataFile], dates: list[date], duplicates: pl.DataFrame) -> Split:
    """Write the sound records of `files` that belong to `dates`: first arrivals here, duplicates there.

    There is one file for each date and table, in which every event name is a few row groups for each file read.
    """
    writers: dict[tuple[str, date], FileWriter] = {}
    for piece in scan_pieces(files, RAW_SCHEMA, "arrival_date", storage, ROWS_AT_ONCE):
        records = piece.filter(_sound_of(dates)).select(DEDUPLICATED_SCHEMA.names()).collect()
        losers = records.join(duplicates, on=_ORDER, how="inner").select(DUPLICATE_SCHEMA.names())
        winners = records.join(duplicates, on=_ORDER, how="anti") if losers.height else records
        for table, rows in (("deduplicated_events", by_name(winners)), ("duplicate_events", losers)):
            for (day,), part in rows.partition_by(_PARTITION, as_dict=True, maintain_order=True).items():
                if (table, day) not in writers:
                    writers[table, day] = FileWriter(storage, table, _PARTITION, day)
                writers[table, day].write(part)
    split = Split([], [])
    for (table, _), writer in writers.items():
        (split.unique if table == "deduplicated_events" else split.duplicates).append(writer.close())
    return split


def _sound_of(dates: list[date]) -> pl.Expr:
    return _SOUND & pl.col(_PARTITION).is_in(dates)
