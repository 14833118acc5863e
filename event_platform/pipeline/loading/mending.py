"""Arrival dates and objects that were loaded with other functions of `catalog/mend` than the present ones.

A day stores the fingerprint of the functions that it was loaded with. It is due if that has changed and it has records
that a function now receives, or has mended before: their objects are reloaded.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date

import polars as pl

from event_platform.events.event import MENDED_BY
from event_platform.events.mending.files import Mending
from event_platform.lake.files import scan_files
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot

#: The fingerprint of a day whose objects were loaded with different functions. All others are CRCs of 32 bits.
_MIXED = 1 << 32


def due_mending(lake: Lake, mending: Mending) -> dict[date, int]:
    """Return the due arrival dates, each with the number of records that functions receive or have mended.

    Corrupt records are counted in corrupt_events, and unregistered ones in the tables after deduplication: no row of
    raw_events is read.
    """
    raw = lake.raw_events.snapshot()
    mended_counts = raw.values_by_date(MENDED_BY)
    if not (mended_counts or mending.functions):
        return {}
    days = _days_with_other_functions(raw, raw.rows_by_date(), mending)
    if not days:
        return {}
    counts = Counter({day: mended_counts.get(day, 0) for day in days})
    if mending.functions:
        counts.update(_count(lake.corrupt_events.snapshot().scan(days).filter(mending.selection)))
    if mending.event_names:
        is_named = pl.col("event_name").is_in(mending.event_names) & pl.col("arrival_date").is_in(days)
        for table in (lake.unregistered_events, lake.duplicate_events):
            counts.update(_count(table.snapshot().scan().filter(is_named, pl.col(MENDED_BY).is_null())))
    return {day: counts[day] for day in sorted(counts) if counts[day]}


def objects_to_mend(raw: Snapshot, mending: Mending, dates: Collection[date]) -> dict[str, date]:
    """Return the objects of due days with records that functions receive or have mended, each with its day."""
    days = _days_with_other_functions(raw, dates, mending)
    rows = scan_files(raw.table, raw.files(days), raw.schema).filter(
        mending.selection | pl.col(MENDED_BY).is_not_null()
    )
    objects = rows.select("source_object", "arrival_date").unique().collect(engine="streaming")
    return dict(objects.iter_rows())


def mend_transactions(
    raw: Snapshot, mending: Mending, days: Collection[date], complete_days: Collection[date]
) -> dict[str, int]:
    """Return the app transactions with the fingerprints of days, if they change with a commit on top of `raw`.

    All objects of the days in `complete_days` were loaded with the present functions.
    """
    rows, present_fingerprint = raw.rows_by_date(days), mending.fingerprint
    transactions: dict[str, int] = {}
    for day in days:
        old_fingerprint = _fingerprint_of(raw, day)
        new_fingerprint = (
            present_fingerprint
            if day in complete_days or day not in rows or old_fingerprint == present_fingerprint
            else _MIXED
        )
        transactions |= {_id(raw, day): new_fingerprint} if new_fingerprint != old_fingerprint else {}
    return transactions


def _days_with_other_functions(raw: Snapshot, dates: Collection[date], mending: Mending) -> list[date]:
    return [day for day in dates if _fingerprint_of(raw, day) != mending.fingerprint]


def _fingerprint_of(raw: Snapshot, day: date) -> int:
    return raw.transaction(_id(raw, day)) or 0


def _id(raw: Snapshot, day: date) -> str:
    return f"mend:{raw.app_id(day)}"


def _count(rows: pl.LazyFrame) -> Mapping[date, int]:
    return dict(rows.group_by("arrival_date").agg(pl.len()).collect(engine="streaming").iter_rows())
