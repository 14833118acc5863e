"""Files of raw_events → files of deduplicated_events and duplicate_events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.event import SOURCE_COLUMNS
from event_platform.lake.file_writer import FileWriter, sort_by_name
from event_platform.lake.files import DataFile, scan_pieces
from event_platform.lake.lake import Lake
from event_platform.pipeline.sizing import Sizing

_SOUND = pl.col("corruption_reason").is_null()
_ORDER = list(SOURCE_COLUMNS)
_PARTITION = "created_date"


@dataclass(frozen=True)
class Split:
    """The files that a task wrote with the sound records of its input."""

    unique: list[AddAction]
    duplicates: list[AddAction]


def rows_per_task(files: Sequence[DataFile], sizing: Sizing) -> int:
    """Return the rows that each task splits of some files."""
    rows = sum(file.rows for file in files)
    return min(sizing.rows_per_split_task, max(sizing.rows_per_split_batch, rows // sizing.min_split_tasks))


def split_files(
    lake: Lake, sizing: Sizing, files: list[DataFile], dates: list[date], duplicates: pl.DataFrame
) -> Split:
    """Write the sound records of `files` that belong to `dates`, to one table or, for `duplicates`, to the other.

    There is one file for each date and table. In it, every event name has a few row groups for each input file.
    """
    deduplicated, duplicate = lake.deduplicated_events, lake.duplicate_events
    writers: dict[tuple[str, date], FileWriter] = {}
    for piece in scan_pieces(lake.raw_events, files, sizing.rows_per_split_batch):
        records = piece.filter(_sound_of(dates)).select(deduplicated.schema.names()).collect()
        losers = records.join(duplicates, on=_ORDER, how="inner").select(duplicate.schema.names())
        winners = records.join(duplicates, on=_ORDER, how="anti") if losers.height else records
        for table, rows in ((deduplicated, sort_by_name(winners)), (duplicate, losers)):
            for (day,), part in rows.partition_by(_PARTITION, as_dict=True, maintain_order=True).items():
                if (table.name, day) not in writers:
                    writers[table.name, day] = FileWriter(table, day)
                writers[table.name, day].write(part)
    split = Split([], [])
    for (name, _), writer in writers.items():
        (split.unique if name == deduplicated.name else split.duplicates).append(writer.close())
    return split


def _sound_of(dates: list[date]) -> pl.Expr:
    return _SOUND & pl.col(_PARTITION).is_in(dates)
