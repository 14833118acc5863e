"""Days of which tables cannot be compared: a run is at work on them, or has left them half-way."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from event_platform.lake.pinned_lake import PinnedLake
from event_platform.lake.registry import EVENTS_FOLDER
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import FoundTable, Table


def unbuilt_arrival_dates(lake: PinnedLake) -> set[date]:
    """Return the arrival dates of which raw_events has newer records than corrupt_events was built from."""
    return _newer(lake.raw_events.snapshot().commits_since(0), "arrival_dates", lake.corrupt_events.snapshot())


def unbuilt_created_dates(lake: PinnedLake, tables: Iterable[Table]) -> set[date]:
    """Return the created_dates on which deduplicated_events, or another of some tables, was not built from the newest.

    Those that are built with it, or from it, have a day in the same source version. Of retired types that is long ago.
    """
    deduplicated = lake.deduplicated_events.snapshot()
    versions = deduplicated.source_versions(deduplicated.rows_by_date())
    others = [lake.duplicate_events, lake.unregistered_events]
    others += [
        each for each in tables if each.name.startswith(f"{EVENTS_FOLDER}/") and not isinstance(each, FoundTable)
    ]
    return _newer(lake.raw_events.snapshot().commits_since(0), "created_dates", deduplicated) | {
        day
        for each in others
        for day, version in lake.snapshots[each.name].source_versions(versions).items()
        if version not in {-1, versions[day]}
    }


def _newer(commits: Iterable[Mapping[str, Any]], what: str, built: Snapshot) -> set[date]:
    newest = {date.fromisoformat(day): info["version"] for info in commits for day in info.get(what, [])}
    return {day for day, version in built.source_versions(newest).items() if version < newest[day]}
