"""raw_events → corrupt_events: the dead letters of an arrival date, with their reasons."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.file_writer import write_file
from event_platform.lake.lake import Lake
from event_platform.lake.table_commit import TableCommit, Written


@dataclass(frozen=True)
class CorruptReport:
    """The corrupt records of one arrival date, by reason."""

    reasons: Counter[str]
    written: Written


def quarantine_corrupt(lake: Lake, dates: Sequence[date]) -> dict[date, CorruptReport]:
    """Rebuild corrupt_events from raw_events for the arrival dates given. Returns a report for each."""
    return retry_on_conflict(lambda: _quarantine_corrupt(lake, dates))


def _quarantine_corrupt(lake: Lake, dates: Sequence[date]) -> dict[date, CorruptReport]:
    target = lake.corrupt_events.snapshot_to_write()
    raw = lake.raw_events.snapshot()
    corrupt = (
        raw.scan(dates)
        .filter(pl.col("corruption_reason").is_not_null())
        .select(target.table.schema.names())
        .collect(engine="streaming")
        .sort("source_object", "source_offset")
    )
    parts = {day: corrupt.filter(pl.col("arrival_date") == day) for day in dates}
    adds = [write_file(part, target.table, day) for day, part in parts.items() if part.height]
    written = TableCommit(target).rebuild(dates, adds, dict.fromkeys(dates, raw.version)).commit()
    return {day: CorruptReport(_reasons(part), written[day]) for day, part in parts.items()}


def _reasons(corrupt: pl.DataFrame) -> Counter[str]:
    return Counter(dict(corrupt["corruption_reason"].value_counts().iter_rows()))
