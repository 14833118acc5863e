"""Hours without an object between hours with objects."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.figures import OBJECTS
from event_platform.lake.file_figures import read_figure
from event_platform.lake.snapshot import Snapshot
from event_platform.landing.dates import date_in

NAME = "arrival_gaps"

_DAY = timedelta(days=1)

#: Share of hours with objects above which a gap is reported. A quiet stream has gaps without being broken.
_BUSY = 0.5


def objects_by_hour(raw: Snapshot, dates: Collection[date]) -> dict[date, dict[int, int]]:
    """Count the objects of each hour of the arrival dates given and of the days around them.

    Day and hour are those of the folders, in the time zone of landing; objects without an hour are left out.
    """
    around = {day + timedelta(days=offset) for day in dates for offset in (-1, 0, 1)}
    objects = read_figure(raw.table, raw.files(around), OBJECTS)["source_object"].unique()
    by_hour: dict[date, dict[int, int]] = {}
    for place in map(date_in, objects):
        if place is not None and place.hour is not None and place.day in around:
            hours = by_hour.setdefault(place.day, {})
            hours[place.hour] = hours.get(place.hour, 0) + 1
    return by_hour


def check_day(day: date, objects: Mapping[date, Mapping[int, int]]) -> Result:
    """Expect objects in every hour between hours that have some, provided most hours have some.

    The days before and after are included, because a gap may cross midnight. The last hours so far are not a gap.
    """
    own = objects.get(day, {})
    # Hours counted from the start of `day`.
    filled = {24 * offset + hour for offset in (-1, 0, 1) for hour in objects.get(day + offset * _DAY, {})}
    span = range(min(filled), max(filled) + 1) if filled else range(0)
    gaps = [hour for hour in range(24) if hour in span and hour not in filled]
    busy = len(filled) > _BUSY * len(span)
    listed = ", ".join(f"{hour:02d}" for hour in gaps)
    counted = f"{sum(own.values()):,} objects in {len(own)} hours"
    failed = bool(gaps) and busy
    return Result(
        passed=not failed,
        severity=Severity.WARN,
        description=f"{counted}; none in hours {listed}, although objects arrived before and after"
        if failed
        else counted,
        metadata={"objects_by_hour": {f"{hour:02d}": own[hour] for hour in sorted(own)}},
        faults={Fault.ARRIVAL_GAP: len(gaps)} if failed else {},
    )
