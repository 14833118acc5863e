"""raw_events → corrupt_events: the dead letters of an arrival date, with their reasons."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import polars as pl

from event_platform.lake.files import write_file
from event_platform.lake.lake import CORRUPT_SCHEMA, Lake
from event_platform.steps.running import until_no_conflict


def set_aside(lake: Lake, dates: Sequence[date]) -> dict[date, Counter[str]]:
    """Make corrupt_events hold the corrupt records of raw_events for the arrival dates; return counts by reason."""
    return until_no_conflict(lambda: _set_aside(lake, dates))


def _set_aside(lake: Lake, dates: Sequence[date]) -> dict[date, Counter[str]]:
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
    target.replace(dates, adds, dict.fromkeys(dates, raw.version))
    return {day: Counter(dict(part["corruption_reason"].value_counts().iter_rows())) for day, part in parts.items()}
