"""The conformance check on rows that are in no table."""

import polars as pl

from event_platform.checks import conformance
from event_platform.checks.result import Result
from event_platform.events.catalog import EventType
from event_platform.events.constraints import count_broken_constraints
from event_platform.events.drift import count_drift


def check_rows(event_type: EventType, rows: pl.LazyFrame) -> Result:
    """Return the result for rows that are all those of a day."""
    counts = count_broken_constraints(event_type, rows, {"rows": pl.len()}).collect().row(0, named=True)
    rescued = rows.select("_rescued").drop_nulls().collect().to_series()
    drift = count_drift(rescued, event_type.columns)
    return conformance.check_day(conformance.count_day(event_type, counts, drift))
