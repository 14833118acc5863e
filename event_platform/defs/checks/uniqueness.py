"""One row per event_uuid, counted in the files of a table."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from event_platform.defs.checks.results import Result
from event_platform.lake.date_groups import group_dates
from event_platform.lake.snapshot import Snapshot

NAME = "unique_event_uuid"

#: Rows that are read together. Each takes about 25 bytes.
_ROWS_AT_ONCE = 25_000_000

#: 64-bit hash of uuid and day. Where two are equal, the uuids themselves are counted.
_KEY = pl.col("event_uuid").hash() ^ pl.col("created_date").hash()


def check_dates(table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Result]]:
    """Count the rows and distinct uuids of each date, and return its result."""
    return [
        (day, check_day(*counted.get(day, (0, 0, 0))))
        for some in group_dates(table, dates, _ROWS_AT_ONCE)
        for counted in [_count(table.scan(some))]
        for day in some
    ]


def check_day(rows: int, distinct: int, missing: int) -> Result:
    """Expect that no two rows have the same event_uuid."""
    return Result(
        passed=rows == distinct and not missing,
        description=f"{rows:,} rows, {distinct:,} distinct event_uuid",
        metadata={"rows": rows, "distinct_event_uuid": distinct},
    )


def _count(rows: pl.LazyFrame) -> dict[date, tuple[int, int, int]]:
    """Return rows, distinct uuids and missing ones of each date."""
    found = rows.select("created_date", key=_KEY, missing=pl.col("event_uuid").is_null()).collect(engine="streaming")
    keys = found["key"].sort()  # takes a fraction of the memory of a set
    if not found["missing"].any() and not (keys == keys.shift()).any():
        return {day: (count, count, 0) for day, count in found["created_date"].value_counts().iter_rows()}
    uuid = pl.col("event_uuid")
    exact = rows.group_by("created_date").agg(pl.len(), distinct=uuid.n_unique(), missing=uuid.null_count()).collect()
    return {day: tuple(counts) for day, *counts in exact.iter_rows()}
