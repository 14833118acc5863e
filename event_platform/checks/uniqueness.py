"""One row for each event_uuid, counted in the files themselves."""

import polars as pl

from event_platform.checks.verdict import Verdict

NAME = "unique_event_uuid"


#: Rows, distinct uuids and missing ones, to be aggregated for each created_date.
FIGURES = {
    "rows": pl.len(),
    "distinct": pl.col("event_uuid").n_unique(),
    "missing": pl.col("event_uuid").null_count(),
}


def verdict(rows: int, distinct: int, missing: int) -> Verdict:
    """Every row has an event_uuid of its own."""
    return Verdict(
        passed=rows == distinct and not missing,
        description=f"{rows:,} rows, {distinct:,} distinct event_uuid",
        metadata={"rows": rows, "distinct_event_uuid": distinct},
    )
