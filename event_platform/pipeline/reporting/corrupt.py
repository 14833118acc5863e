"""corrupt_events → its rows of quality_report: corrupt records by reason, and the explanations of their times."""

from collections.abc import Collection
from datetime import date

import polars as pl

from event_platform.checks.corruption import read_times
from event_platform.events.envelope import Envelope
from event_platform.events.figures import REASONS
from event_platform.lake.balance import count_by_day
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.reporting.rows import DATED_SCHEMA


def count_corrupt(corrupt: Snapshot, dates: Collection[date], envelope: Envelope, start: date) -> pl.DataFrame:
    """Return the rows of arrival dates. `start` is the first partition.

    The label of an explanation of times has the fault and its hint.
    """
    reasons = count_by_day(corrupt, dates, REASONS)
    times = read_times(corrupt, dates, reasons, envelope, start)
    rows = [(day, "corrupt", None, *each) for day, counts in reasons.items() for each in counts.items()]
    rows += [
        (day, "corrupt_time", None, *each) for day, explanations in times.items() for each in explanations.as_labels()
    ]
    return pl.DataFrame(rows, schema=DATED_SCHEMA, orient="row")
