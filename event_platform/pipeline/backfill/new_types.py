"""Days that a table of an event type never had: the catalog has the type since, or again.

Its events of these days are in unregistered_events, or in the table of a type that had the name before: one that the
catalog has no more, or one that has another name now.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import polars as pl

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.errors import StorageError, raise_panics_as_errors
from event_platform.lake.files import DataFile, scan_files
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
    """Return the days that tables never had, and how many events go to them from unregistered_events, by table.

    And from tables of types that the catalog has no more, whose events go the same way. `tables` are those of event
    types by their keys. Nothing is read where they have every day.
    """
    days = sorted(deduplicated.rows_by_date().keys() - set(without))
    missing = {key: [day for day in days if not each.was_built(day)] for key, each in tables.items()}
    missing = {key: lacking for key, lacking in missing.items() if lacking}
    if not missing:
        return {}
    looked_at = sorted({day for lacking in missing.values() for day in lacking})
    found = Counter[tuple[str, date]]()
    for each in (lake.unregistered_events, *lake.retired_tables(catalog.event_types)):
        found.update(_count(each.snapshot(), looked_at, [catalog.by_key[key] for key in missing]))
    return {tables[key].table.name: {day: found[key, day] for day in lacking} for key, lacking in missing.items()}


def _count(table: Snapshot, days: Sequence[date], event_types: Sequence[EventType]) -> Mapping[tuple[str, date], int]:
    """Return how many events of each type are in a table, by key and day; at most so many where it cannot be read."""
    keys = {name: each.key for each in event_types for name in each.names}
    files = [file for file in table.files(days) if _may_have(file, keys)]
    if not files:
        return {}
    events = scan_files(table.table, files, table.schema).filter(pl.col("event_name").is_in(list(keys)))
    key = pl.col("event_name").replace_strict(keys, return_dtype=pl.String).alias("key")
    try:
        with translate_errors(), raise_panics_as_errors():
            counts = events.group_by(key, "created_date").agg(pl.len()).collect(engine="streaming")
    except Exception as error:
        if isinstance(error, StorageError) and error.transient:
            raise
        rows = table.rows_by_date(days)  # such as of a missing file, which a run builds again
        return {(each.key, day): count for each in event_types for day, count in rows.items()}
    return {(key, day): count for key, day, count in counts.iter_rows()}


def _may_have(file: DataFile, names: Collection[str]) -> bool:
    """Return whether a file may have an event of these names, by its statistics."""
    least, most = file.minimum.get("event_name"), file.maximum.get("event_name")
    return least is None or most is None or any(least <= name <= most for name in names)
