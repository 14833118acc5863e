"""Days that a table of an event type never had, because the type is new in the catalog, or back in it.

Its events of these days are in unregistered_events, unless another type had their name before.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import polars as pl

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.errors import StorageError, raise_panics_as_errors
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.storage.polars_errors import translate_errors


def find_new_types(
    lake: Lake,
    catalog: Catalog,
    deduplicated: Snapshot,
    tables: Mapping[str, Snapshot],
    without: Collection[date],
) -> dict[str, dict[date, int]]:
    """Return the days that tables never had, with the number of their events in unregistered_events, by table.

    `tables` are the tables of event types by key. Nothing is read for tables that have every day.
    """
    days = sorted(deduplicated.rows_by_date().keys() - set(without))
    missing = {key: [day for day in days if not each.was_built(day)] for key, each in tables.items()}
    missing = {key: lacking for key, lacking in missing.items() if lacking}
    if not missing:
        return {}
    looked_at = sorted({day for lacking in missing.values() for day in lacking})
    found = _count(lake.unregistered_events.snapshot(), looked_at, [catalog.by_key[key] for key in missing])
    return {
        tables[key].table.name: {day: found.get((key, day), 0) for day in lacking} for key, lacking in missing.items()
    }


def _count(
    unregistered: Snapshot, days: Sequence[date], event_types: Sequence[EventType]
) -> Mapping[tuple[str, date], int]:
    """Return the number of events of each type by key and day; an upper bound if they cannot be read."""
    keys = {name: each.key for each in event_types for name in each.names}
    events = unregistered.scan(days).filter(pl.col("event_name").is_in(list(keys)))
    key = pl.col("event_name").replace_strict(keys, return_dtype=pl.String).alias("key")
    try:
        with translate_errors(), raise_panics_as_errors():
            counts = events.group_by(key, "created_date").agg(pl.len()).collect(engine="streaming")
    except Exception as error:
        if isinstance(error, StorageError) and error.transient:
            raise
        rows = unregistered.rows_by_date(days)  # such as of a missing file, which a run builds again
        return {(each.key, day): count for each in event_types for day, count in rows.items()}
    return {(key, day): count for key, day, count in counts.iter_rows()}
