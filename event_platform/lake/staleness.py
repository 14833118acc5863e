"""Which partitions are due, read off the tables' own logs: nothing else remembers, so nothing can be forgotten.

Every commit to raw_events names the created_dates that it may change. Every partition downstream carries the version
of raw_events that it was built from. A run that was killed in between leaves exactly what is still due.
"""

from datetime import date

from event_platform.events.catalog import Catalog
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Snapshot, Table, each_at_once


def due_created_dates(lake: Lake, catalog: Catalog) -> list[date]:
    """Return the created_dates of which anything downstream is older than raw_events, in order."""
    changed = _last_change(lake.raw_events.snapshot(), "created_dates")
    deduplicated = lake.deduplicated_events.snapshot()
    built = {day: deduplicated.built_from(day) for day in changed}
    due = {day for day, version in changed.items() if (mark := built[day]) is None or mark < version}
    downstream = [lake.unregistered_events, lake.quality_report, *map(lake.event_table, catalog.event_types)]
    for snapshot in each_at_once(_snapshot, downstream):
        due.update(day for day in changed if snapshot is None or snapshot.built_from(day) != built[day])
    return sorted(due)


def _snapshot(table: Table) -> Snapshot | None:
    """Return None for a table that cannot be opened: the run that is due then says why."""
    try:
        return table.snapshot()
    except TableError:
        return None


def due_arrival_dates(lake: Lake) -> list[date]:
    """Return the arrival dates whose corrupt_events are older than raw_events, in order."""
    corrupt = lake.corrupt_events.snapshot()
    changed = _last_change(lake.raw_events.snapshot(), "arrival_dates")
    return sorted(
        day for day, version in changed.items() if (mark := corrupt.built_from(day)) is None or mark < version
    )


def _last_change(raw: Snapshot, what: str) -> dict[date, int]:
    """Return the last version of raw_events that changed each date."""
    return {date.fromisoformat(day): info["version"] for info in raw.commits_since(0) for day in info.get(what, [])}
