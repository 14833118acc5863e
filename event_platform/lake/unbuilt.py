"""Days on which tables cannot be compared: a run is building them, or has failed before it built them."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from event_platform.lake.pinned_lake import PinnedLake
from event_platform.lake.registry import EVENTS_FOLDER
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import FoundTable, Table


def unbuilt_arrival_dates(lake: PinnedLake) -> set[date]:
    """Return the arrival dates with records in raw_events that corrupt_events was not built from."""
    return _newer(lake.raw_events.snapshot().commits_since(0), "arrival_dates", lake.corrupt_events.snapshot())


def unbuilt_created_dates(lake: PinnedLake, tables: Iterable[Table]) -> set[date]:
    """Return the created_dates on which deduplicated_events, or one of `tables`, was not built from the newest records.

    Tables that a run builds together have the same source version on a day. Tables of retired types are not compared:
    they are built no more.
    """
    deduplicated = lake.deduplicated_events.snapshot()
    versions = deduplicated.source_versions(deduplicated.rows_by_date())
    others = [lake.duplicate_events, lake.unregistered_events]
    others += [
        table for table in tables if table.name.startswith(f"{EVENTS_FOLDER}/") and not isinstance(table, FoundTable)
    ]
    return _newer(lake.raw_events.snapshot().commits_since(0), "created_dates", deduplicated) | {
        day
        for table in others
        for day, version in lake.snapshots[table.name].source_versions(versions).items()
        if version not in {-1, versions[day]}
    }


def _newer(commits: Iterable[Mapping[str, Any]], key: str, built: Snapshot) -> set[date]:
    newest = {date.fromisoformat(day): info["version"] for info in commits for day in info.get(key, [])}
    return {day for day, version in built.source_versions(newest).items() if version < newest[day]}
