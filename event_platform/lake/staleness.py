"""Which partitions are due, read off the tables' own logs: nothing else remembers, so nothing can be forgotten.

Every commit to raw_events names the created_dates that it may change. Every partition downstream carries the version
of raw_events that it was built from. A run that was killed in between leaves exactly what is still due. Marks do not
tell of rows that somebody deletes, or of a type that the catalog loses or gets back: the counts of rows do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from event_platform.events.catalog import Catalog
from event_platform.events.errors import TableError
from event_platform.lake.at_once import each_at_once
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Snapshot, Table


@dataclass(frozen=True)
class DueDates:
    """The created_dates that are to be built."""

    stale: frozenset[date]  # something downstream is older than raw_events
    uneven: Mapping[date, str]  # all is as new, but rows went or came that no run has written; with the counts
    version: int  # of raw_events, up to which this is known

    @property
    def days(self) -> list[date]:
        """All of them, in order."""
        return sorted({*self.stale, *self.uneven})

    @property
    def warning(self) -> str | None:
        """What to tell of the uneven ones; None where there are none."""
        if not self.uneven:
            return None
        day, counts = next(iter(self.uneven.items()))
        return (
            f"{len(self.uneven)} created dates do not hold the rows that were written, such as {day} ({counts}). Rows "
            "were deleted or added by something else, or the catalog changed: these dates are built again"
        )


def due_created_dates(lake: Lake, catalog: Catalog, since: int = 0) -> DueDates:
    """Return the created_dates that are older than raw_events, and those whose rows the logs do not count evenly.

    Only what raw_events gained after its version `since` is looked at: a mark costs a millisecond to read, for each
    table and each day. Rows are counted for all days.
    """
    raw = lake.raw_events.snapshot()
    changed = _last_change(raw, "created_dates", since)
    deduplicated = lake.deduplicated_events.snapshot()
    built = {day: deduplicated.built_from(day) for day in changed}
    stale = {day for day, version in changed.items() if (mark := built[day]) is None or mark < version}
    unregistered, report, *typed = each_at_once(
        _snapshot,
        [lake.unregistered_events, lake.quality_report, *map(lake.event_table, catalog.event_types)],
    )
    for snapshot in (unregistered, report, *typed):
        stale.update(day for day in changed if snapshot is None or snapshot.built_from(day) != built[day])
    retired = each_at_once(_snapshot, lake.retired_tables(catalog.event_types))
    counts = _counts([deduplicated, unregistered, *typed, *retired])
    return DueDates(frozenset(stale), {day: told for day, told in counts.items() if day not in stale}, raw.version)


def _counts(snapshots: Sequence[Snapshot | None]) -> dict[date, str]:
    """Tell the days on which the first table has other rows than all the others together, where all can be opened."""
    rows = [snapshot.rows_by_date() for snapshot in snapshots if snapshot is not None]
    if len(rows) < len(snapshots):
        return {}
    whole, parts = rows[0], Counter[date]()
    for part in rows[1:]:
        parts.update(part)
    return {
        day: f"{whole.get(day, 0):,} deduplicated, {parts[day]:,} in event tables and unregistered_events"
        for day in sorted({*whole, *parts})
        if whole.get(day, 0) != parts[day]
    }


def _snapshot(table: Table) -> Snapshot | None:
    """Return None for a table that cannot be opened: the run that is due then says why."""
    try:
        return table.snapshot()
    except TableError:
        return None


def due_arrival_dates(lake: Lake) -> list[date]:
    """Return the arrival dates whose corrupt_events are older than raw_events, in order."""
    corrupt = lake.corrupt_events.snapshot()
    changed = _last_change(lake.raw_events.snapshot(), "arrival_dates", 0)
    return sorted(
        day for day, version in changed.items() if (mark := corrupt.built_from(day)) is None or mark < version
    )


def _last_change(raw: Snapshot, what: str, since: int) -> dict[date, int]:
    """Return the last version of raw_events that changed each date, of those after `since`."""
    return {date.fromisoformat(day): info["version"] for info in raw.commits_since(since) for day in info.get(what, [])}
