"""The due arrival dates: those with objects to load, and those whose corrupt_events are not up to date."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from event_platform.events.wording import counted
from event_platform.lake.foreign import altered_dates, foreign_dates
from event_platform.lake.lake import Lake
from event_platform.lake.registry import CORRUPT_EVENTS
from event_platform.landing.landing import LandedObject


@dataclass(frozen=True)
class DueArrivals:
    """Due arrival dates, each with the reason: objects, or a table."""

    first_date: date  # of the partitions
    last_date: date
    causes: Mapping[date, Sequence[str]]
    days_outside: Sequence[date]  # days outside of all partitions

    @property
    def warning(self) -> str | None:
        """Warning about objects on days outside of all partitions, or None."""
        return outside_warning(self.days_outside, self.first_date, self.last_date)


def outside_warning(days: Sequence[date], first_date: date, last_date: date) -> str | None:
    """Return the warning about objects on days outside of all partitions; None if there are none."""
    if not days:
        return None
    return (
        f"landing holds objects of {counted(len(days), 'day')} outside the partitions, such as {days[0]}; they "
        f"go from {first_date} (EVENT_PLATFORM_START_DATE) to {last_date}. These objects are not loaded."
    )


def due_arrivals(
    lake: Lake, objects: Iterable[LandedObject], first_date: date, last_date: date, *, look_for_files: bool = False
) -> DueArrivals:
    """Return the arrival dates of `objects` to load, and those of corrupt_events that are due.

    Partitions range from `first_date` to `last_date`. With `look_for_files`, which takes one request per day, days with
    a missing file are due as well.
    """
    causes = defaultdict[date, list[str]](list)
    for day in due_arrival_dates(lake, look_for_files=look_for_files):
        causes[day].append(CORRUPT_EVENTS.name)
    for landed_object in objects:
        causes[landed_object.arrival_date].append(f"{landed_object.name}:{landed_object.size}:{landed_object.etag}")
    inside = {day: causes[day] for day in sorted(causes) if first_date <= day <= last_date}
    return DueArrivals(first_date, last_date, inside, sorted(causes.keys() - inside.keys()))


def due_arrival_dates(lake: Lake, *, look_for_files: bool = False) -> list[date]:
    """Return the arrival dates whose corrupt_events are older than raw_events or altered by others, in order.

    With `look_for_files`, which takes one request per day, days with a missing file are due as well.
    """
    raw, corrupt = lake.raw_events.snapshot(), lake.corrupt_events.snapshot()
    changed_versions = {
        date.fromisoformat(day): info["version"]
        for info in raw.commits_since(0)
        for day in info.get("arrival_dates", [])
    }
    stale = {
        day
        for day, version in changed_versions.items()
        if (built := corrupt.source_version(day)) is None or built < version
    }
    find_altered = altered_dates if look_for_files else foreign_dates
    return sorted({*stale, *find_altered(raw), *find_altered(corrupt)})
