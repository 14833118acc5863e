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

_KEYS = [*SOURCE_COLUMNS, "event_uuid", "created_date"]
_PARTITION = "created_date"


@dataclass(frozen=True)
class Split:
    """What a task did with the sound records of its files, by created_date."""

    unique: dict[date, list[AddAction]]
    duplicates: dict[date, list[AddAction]]
    unique_rows: Counter[date]
    kinds: Counter[tuple[date, str]]


def holding(files: list[DataFile], created_date: date) -> list[DataFile]:
    """Return the files of raw_events that may hold sound records of a created_date, by their statistics."""
    return [
        file
        for file in files
        if file.minimum.get(_PARTITION) is not None
        and file.minimum[_PARTITION] <= created_date <= file.maximum[_PARTITION]
    ]


def history_of(files: list[DataFile], own: list[DataFile], window_days: int) -> list[DataFile]:
    """Return the files that arrived within the window before any of the `own` ones, these included."""
    arrivals = {file.partition for file in own}
    return [
        file for file in files if any(day - timedelta(days=window_days) <= file.partition <= day for day in arrivals)
    ]


def duplicates_of(
    storage: Storage, created_date: date, own: list[DataFile], history: list[DataFile], window_days: int
) -> pl.DataFrame:
    """Judge the records of one created_date, which are in `own` files, by themselves and by `history`.

    Works on 64-bit hashes of the uuids; only records whose hash occurs twice are then compared in full.
    """
    key = pl.col("event_uuid").hash().alias("key")
    records = scan_files(own, RAW_SCHEMA, "arrival_date", storage).filter(_sound_of([created_date]))
    keys = records.select(key).collect(engine="streaming").to_series()
    elsewhere = (
        scan_files(history, RAW_SCHEMA, "arrival_date", storage)
        .filter(pl.col("corruption_reason").is_null() & (pl.col(_PARTITION) != created_date))
        .select(key)
    )
    shared = pl.concat(
        [
            keys.filter(keys.is_duplicated()),
            elsewhere.join(keys.to_frame().lazy(), on="key", how="semi").collect(engine="streaming").to_series(),
        ]
    ).unique()
    if shared.is_empty():
        return find_duplicates(_no_candidates(), created_date, window_days)
    candidates = (
        scan_files([*own, *(file for file in history if file not in own)], RAW_SCHEMA, "arrival_date", storage)
        .filter(pl.col("corruption_reason").is_null())
        .filter(pl.col("event_uuid").hash().is_in(shared.implode()))
        .select(*_KEYS, body_hash=pl.col("body").hash())
    )
    return find_duplicates(candidates.collect(engine="streaming"), created_date, window_days)


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


def _no_candidates() -> pl.DataFrame:
    return pl.DataFrame(schema={**{name: RAW_SCHEMA[name] for name in _KEYS}, "body_hash": pl.UInt64})
