"""corrupt_events → what explains invalid times and times out of range, as rows of quality_report."""

from collections.abc import Collection
from datetime import date

import polars as pl

from event_platform.checks.corruption import read_times
from event_platform.events.envelope import Envelope
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.reporting.rows import DATED_SCHEMA


def count_corrupt_times(corrupt: Snapshot, dates: Collection[date], envelope: Envelope, start: date) -> pl.DataFrame:
    """Return the rows of arrival dates: of each fault its records, with its hint in the label."""
    times = read_times(corrupt, dates, count_reasons(corrupt, dates), envelope, start)
    rows = [
        (day, "corrupt_time", None, label, count) for day, each in times.items() for label, count in each.as_labels()
    ]
    return pl.DataFrame(rows, schema=DATED_SCHEMA, orient="row")


def count_reasons(corrupt: Snapshot, dates: Collection[date]) -> dict[date, dict[str, int]]:
    """Return the corrupt records of each arrival date by reason."""
    rows = corrupt.scan(dates).group_by("arrival_date", "corruption_reason").agg(pl.len())
    found: dict[date, dict[str, int]] = {}
    for day, reason, count in rows.collect(engine="streaming").iter_rows():
        found.setdefault(day, {})[reason] = count
    return found
