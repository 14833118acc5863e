"""Days that a table of an event type never had, because the type is new in the catalog, or back in it.

The events of these days are in unregistered_events, or in the table of another type that had their name before: a
retired type, or one with a new name.
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
    excluded_days: Collection[date],
) -> dict[str, dict[date, int]]:
    """Return the days that tables never had, with the number of their events in other tables, by table.

    The other tables are unregistered_events and those of retired types. `tables` are the tables of event types by key.
    Nothing is read for tables that have every day.
    """
    days = sorted(deduplicated.rows_by_date().keys() - set(excluded_days))
    missing_days = {key: [day for day in days if not each.was_built(day)] for key, each in tables.items()}
    missing_days = {key: type_days for key, type_days in missing_days.items() if type_days}
    if not missing_days:
        return {}
    days_to_count = sorted({day for type_days in missing_days.values() for day in type_days})
    event_counts = Counter[tuple[str, date]]()
    for each in (lake.unregistered_events, *lake.retired_tables(catalog.event_types)):
        event_counts.update(_count(each.snapshot(), days_to_count, [catalog.by_key[key] for key in missing_days]))
    return {
        tables[key].table.name: {day: event_counts[key, day] for day in type_days}
        for key, type_days in missing_days.items()
    }


def _count(table: Snapshot, days: Sequence[date], event_types: Sequence[EventType]) -> Mapping[tuple[str, date], int]:
    """Return the number of a table's events of each type by key and day; an upper bound if they cannot be read."""
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
    """Return whether a file may contain events of these names, by its statistics."""
    lowest, highest = file.minimum.get("event_name"), file.maximum.get("event_name")
    return lowest is None or highest is None or any(lowest <= name <= highest for name in names)
