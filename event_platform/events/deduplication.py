"""The deduplication rule: of the records with the same event_uuid, the first to arrive survives.

The order of arrival is (arrival_date, source_object, source_offset). A record is compared with all records that arrived
within the window before it, whatever their created_date, and with all records of its own created_date. The result
depends only on earlier arrivals, so partitions can be processed in any order and in parallel.
"""

from collections.abc import Collection
from datetime import date, timedelta

import polars as pl

from event_platform.events.event import SOURCE_COLUMNS, DuplicateKind

_ORDER = list(SOURCE_COLUMNS)


def find_duplicates(candidates: pl.DataFrame, created_dates: Collection[date], window_days: int) -> pl.DataFrame:
    """Return the duplicates of the given created_dates, each with its kind and its survivor.

    `candidates` holds every record whose uuid occurs more than once: arrival_date, source_object, source_offset,
    event_uuid, created_date, body_hash. The result has the source columns, kind and survivor_*.
    """
    ordered = candidates.sort(_ORDER).with_row_index("rank")
    of_dates = ordered.filter(pl.col("created_date").is_in(list(created_dates)))
    same_day = of_dates.group_by("event_uuid", "created_date").agg(pl.col("rank").min().alias("first_of_day"))
    first_of_window = _first_arrived_since(ordered, of_dates, timedelta(days=window_days))
    survivor = ordered.select(
        pl.col("rank").alias("survivor"),
        pl.col("body_hash").alias("survivor_hash"),
        *(pl.col(name).alias(f"survivor_{name}") for name in _ORDER),
    )
    same_body = pl.col("body_hash") == pl.col("survivor_hash")
    return (
        of_dates.join(same_day, on=["event_uuid", "created_date"])
        .join(first_of_window, on="rank")
        .with_columns(survivor=pl.min_horizontal("first_of_day", "first_of_window"))
        .filter(pl.col("survivor") < pl.col("rank"))
        .join(survivor, on="survivor")
        .select(
            *_ORDER,
            pl.when(same_body)
            .then(pl.lit(DuplicateKind.REDELIVERY.value))
            .otherwise(pl.lit(DuplicateKind.CONFLICT.value))
            .alias("kind"),
            *(f"survivor_{name}" for name in _ORDER),
        )
    )


def _first_arrived_since(ordered: pl.DataFrame, of_dates: pl.DataFrame, window: timedelta) -> pl.DataFrame:
    """Return the rank of each record, and the rank of the first record of its uuid within the window before it."""
    # One row per uuid and day keeps this linear, however often a record was delivered.
    firsts = (
        ordered.group_by("event_uuid", "arrival_date")
        .agg(pl.col("rank").min().alias("first_of_window"))
        .sort("arrival_date")
    )
    return (
        of_dates.select("rank", "event_uuid", since=pl.col("arrival_date") - window)
        .sort("since")
        .join_asof(
            firsts,
            left_on="since",
            right_on="arrival_date",
            by="event_uuid",
            strategy="forward",
            check_sortedness=False,
        )
        .select("rank", "first_of_window")
    )
