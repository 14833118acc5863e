"""Files of raw_events → files of deduplicated_events and duplicate_events."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.deduplication import find_duplicates
from event_platform.events.event import SOURCE_COLUMNS
from event_platform.lake.files import DataFile, scan_files, write_file
from event_platform.lake.lake import DEDUPLICATED_SCHEMA, DUPLICATE_SCHEMA, RAW_SCHEMA
from event_platform.lake.storage import Storage

ROWS_PER_TASK = 250_000

#: Uuids whose hashes one task holds at a time, with their counts: about 50 bytes for each.
ROWS_PER_SEARCH = 8_000_000

_KEYS = [*SOURCE_COLUMNS, "event_uuid", "created_date"]
_PARTITION = "created_date"
_NO_CANDIDATES = pl.DataFrame(schema={**{name: RAW_SCHEMA[name] for name in _KEYS}, "body_hash": pl.UInt64})


@dataclass(frozen=True)
class Split:
    """What a task did with the sound records of its files, by created_date."""

    unique: dict[date, list[AddAction]]
    duplicates: dict[date, list[AddAction]]
    unique_rows: Counter[date]
    kinds: Counter[tuple[date, str]]


def may_hold(file: DataFile, created_date: date) -> bool:
    """Say whether a file of raw_events may hold sound records of a created_date, by its statistics."""
    first, last = file.minimum.get(_PARTITION), file.maximum.get(_PARTITION)
    return first is not None and last is not None and first <= created_date <= last


def history_of(files: list[DataFile], own: list[DataFile], window_days: int) -> list[DataFile]:
    """Return the files that arrived within the window before any of the `own` ones, these included."""
    arrivals = {file.partition for file in own}
    days = {day - timedelta(days=back) for day in arrivals for back in range(window_days + 1)}
    return [file for file in files if file.partition in days]


def duplicates_of(
    storage: Storage, dates: list[date], history: list[DataFile], window_days: int, bucket: int, buckets: int
) -> pl.DataFrame:
    """Judge the records of some created_dates by the `history` that they are part of.

    Works on 64-bit hashes of the uuids, of which each bucket takes its share: equal uuids are in the same one. Only
    records whose hash occurs twice are then compared in full.
    """
    key = pl.col("event_uuid").hash()
    records = scan_files(history, RAW_SCHEMA, "arrival_date", storage).filter(
        pl.col("corruption_reason").is_null() & (key % buckets == bucket if buckets > 1 else True)
    )
    shared = (
        records.group_by(key.alias("key"))
        .agg(pl.len(), judged=pl.col(_PARTITION).is_in(dates).any())
        .filter((pl.col("len") > 1) & pl.col("judged"))
        .select("key")
        .collect(engine="streaming")
        .to_series()
    )
    if shared.is_empty():
        return find_duplicates(_NO_CANDIDATES, dates, window_days)
    candidates = records.filter(key.is_in(shared.implode())).select(*_KEYS, body_hash=pl.col("body").hash())
    return find_duplicates(candidates.collect(engine="streaming"), dates, window_days)


def split_files(storage: Storage, files: list[DataFile], dates: list[date], duplicates: pl.DataFrame) -> Split:
    """Write the sound records of `files` that belong to `dates`: first arrivals here, duplicates there."""
    records = (
        scan_files(files, RAW_SCHEMA, "arrival_date", storage)
        .filter(_sound_of(dates))
        .select(DEDUPLICATED_SCHEMA.names())
        .collect()
    )
    split = Split({}, {}, Counter(), Counter())
    losers = records.join(duplicates, on=list(SOURCE_COLUMNS), how="inner")
    winners = records.join(duplicates, on=list(SOURCE_COLUMNS), how="anti") if losers.height else records
    # Sorted by name, an event type is a few row groups in the file, and its neighbours compress it well.
    winners = winners.sort("event_name", maintain_order=True)
    for (day,), part in winners.partition_by(_PARTITION, as_dict=True, maintain_order=True).items():
        split.unique[day] = [write_file(part, storage, "deduplicated_events", _PARTITION, day)]
        split.unique_rows[day] += part.height
    for (day,), part in losers.partition_by(_PARTITION, as_dict=True, maintain_order=True).items():
        dead = part.select(DUPLICATE_SCHEMA.names())
        split.duplicates[day] = [write_file(dead, storage, "duplicate_events", _PARTITION, day)]
        split.kinds.update({(day, kind): count for kind, count in dead["kind"].value_counts().iter_rows()})
    return split


def _sound_of(dates: list[date]) -> pl.Expr:
    return pl.col("corruption_reason").is_null() & pl.col(_PARTITION).is_in(dates)
