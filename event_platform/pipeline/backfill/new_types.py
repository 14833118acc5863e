"""Days that a table of an event type never had: the catalog has the type since, or again.

Its events of these days are in unregistered_events, unless they were of a type that had the name before.
"""

from collections.abc import Collection, Mapping
from datetime import date

import polars as pl

from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot


def find_new_types(
    lake: Lake,
    catalog: Catalog,
    deduplicated: Snapshot,
    tables: Mapping[str, Snapshot],
    without: Collection[date],
) -> dict[str, dict[date, int]]:
    """Return the days that tables never had, and how many events unregistered_events has for them, by table.

    `tables` are those of event types by their keys. Nothing is read where they have every day.
    """
    days = sorted(deduplicated.rows_by_date().keys() - set(without))
    missing = {key: [day for day in days if not each.was_built(day)] for key, each in tables.items()}
    missing = {key: lacking for key, lacking in missing.items() if lacking}
    if not missing:
        return {}
    keys = {name: key for key in missing for name in catalog.by_key[key].names}
    looked_at = sorted({day for lacking in missing.values() for day in lacking})
    events = lake.unregistered_events.snapshot().scan(looked_at).filter(pl.col("event_name").is_in(list(keys)))
    key = pl.col("event_name").replace_strict(keys, return_dtype=pl.String).alias("key")
    counts = events.group_by(key, "created_date").agg(pl.len()).collect(engine="streaming")
    found = {(table, day): rows for table, day, rows in counts.iter_rows()}
    return {
        tables[table].table.name: {day: found.get((table, day), 0) for day in lacking}
        for table, lacking in missing.items()
    }
