"""One row for each event_uuid, counted in the files themselves."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from event_platform.defs.checks.verdict import Verdict
from event_platform.lake.date_groups import group_dates
from event_platform.lake.snapshot import Snapshot

NAME = "unique_event_uuid"

#: Rows that are looked at together: each takes about 25 bytes.
_ROWS_AT_ONCE = 25_000_000

#: Equal for equal uuids of a day; that two others are equal is less likely than a broken disk.
_KEY = pl.col("event_uuid").hash() ^ pl.col("created_date").hash()


def verdicts(table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Verdict]]:
    """Count the rows and the distinct uuids of each date, and judge them."""
    return [
        (day, verdict(*counted.get(day, (0, 0, 0))))
        for some in group_dates(table, dates, _ROWS_AT_ONCE)
        for counted in [_count(table.scan(some))]
        for day in some
    ]


def verdict(rows: int, distinct: int, missing: int) -> Verdict:
    """Every row has an event_uuid of its own."""
    return Verdict(
        passed=rows == distinct and not missing,
        description=f"{rows:,} rows, {distinct:,} distinct event_uuid",
        metadata={"rows": rows, "distinct_event_uuid": distinct},
    )


def _count(rows: pl.LazyFrame) -> dict[date, tuple[int, int, int]]:
    """Return rows, distinct uuids and missing ones of each date."""
    found = rows.select("created_date", key=_KEY, missing=pl.col("event_uuid").is_null()).collect(engine="streaming")
    keys = found["key"].sort()  # which takes a fraction of the memory of a set
    if not found["missing"].any() and not (keys == keys.shift()).any():
        return {day: (count, count, 0) for day, count in found["created_date"].value_counts().iter_rows()}
    uuid = pl.col("event_uuid")
    exact = rows.group_by("created_date").agg(pl.len(), distinct=uuid.n_unique(), missing=uuid.null_count()).collect()
    return {day: tuple(counts) for day, *counts in exact.iter_rows()}
