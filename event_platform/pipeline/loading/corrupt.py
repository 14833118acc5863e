"""raw_events → corrupt_events: the dead letters of an arrival date, with their reasons."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.files import Written, write_file
from event_platform.lake.lake import CORRUPT_SCHEMA, Lake


@dataclass(frozen=True)
class CorruptReport:
    """The corrupt records of one arrival date, by reason."""

    reasons: Counter[str]
    written: Written


def set_aside(lake: Lake, dates: Sequence[date]) -> dict[date, CorruptReport]:
    """Make corrupt_events hold the corrupt records of raw_events for the arrival dates. Returns a report for each."""
    return retry_on_conflict(lambda: _set_aside(lake, dates))


def _set_aside(lake: Lake, dates: Sequence[date]) -> dict[date, CorruptReport]:
    target = lake.corrupt_events.snapshot_to_write()
    raw = lake.raw_events.snapshot()
    corrupt = (
        raw.scan(dates)
        .filter(pl.col("corruption_reason").is_not_null())
        .select(CORRUPT_SCHEMA.names())
        .collect(engine="streaming")
        .sort("source_object", "source_offset")
    )
    parts = {day: corrupt.filter(pl.col("arrival_date") == day) for day in dates}
    adds = [
        write_file(part, lake.storage, "corrupt_events", "arrival_date", day)
        for day, part in parts.items()
        if part.height
    ]
    written = target.replace(dates, adds, dict.fromkeys(dates, raw.version))
    return {day: CorruptReport(_reasons(part), written[day]) for day, part in parts.items()}


def _reasons(corrupt: pl.DataFrame) -> Counter[str]:
    return Counter(dict(corrupt["corruption_reason"].value_counts().iter_rows()))
