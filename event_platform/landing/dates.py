"""The date in the path of an object: its forms, the arrival date it stands for, and the folders of a day.

Dates and hours in paths are in the time zone of landing. Arrival dates are in UTC.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum, auto

#: The folders of a day, in words and as a pattern. The first form is the one that every release supports.
FORMS = {
    "yyyy/MM/dd": r"([0-9]{4})/([0-9]{2})/([0-9]{2})",
    "year=yyyy/month=MM/day=dd": r"year=([0-9]{4})/month=([0-9]{1,2})/day=([0-9]{1,2})",
    "dt=yyyy-MM-dd": r"(?:dt|date)=([0-9]{4})-([0-9]{2})-([0-9]{2})",
    "dt=yyyyMMdd": r"(?:dt|date)=([0-9]{4})([0-9]{2})([0-9]{2})",
}
_DAY = "|".join(FORMS.values())

#: The folder of an hour, below that of a day.
_HOUR = r"(?:/(?:hour=([0-9]{1,2})|([0-9]{2}))(?=/))?"

#: A polars pattern: the folder of an hour below that of a day, anywhere in a path.
HOUR_IN_PATH = rf"(?:^|/)(?:{_DAY.replace('(?:', '(').replace('(', '(?:')})/(?:hour=)?(?<hour>[01]?[0-9]|2[0-3])/"

_DATE_IN_PATH = re.compile(rf"(?:^|(?<=/))(?P<day>{_DAY})(?=/)(?P<hour>{_HOUR})")

#: The end of a path on the way to a day.
_YEAR_OR_MONTH = re.compile(
    r"(?P<prefix>(?:.*/)?)(?:([0-9]{4})(?:/([0-9]{2}))?|year=([0-9]{4})(?:/month=([0-9]{1,2}))?)"
)

_HOURS, _LAST_HOUR = 24, 23
_DAY_LONG = timedelta(days=1)

#: Groups of a match with the parts of the date, for each form, and with the hour.
_DATE_GROUPS = {form: (2 + 3 * number, 3 + 3 * number, 4 + 3 * number) for number, form in enumerate(FORMS)}
_HOUR_GROUPS = (3 + 3 * len(FORMS), 4 + 3 * len(FORMS))


class FolderKind(Enum):
    """The kind of a folder above or at a day's objects."""

    YEAR_OR_MONTH = auto()
    DAY = auto()
    OTHER = auto()


@dataclass(frozen=True)
class PathDate:
    """The first date in a path, in the time zone of landing."""

    day: date
    hour: int | None  # None without a folder of an hour
    form: str  # one of FORMS

    def arrival_date(self, zone: tzinfo) -> date:
        """Return the day in UTC of the hour; without an hour, the day as it is."""
        return self.day if self.hour is None or zone is UTC else _utc_day(self.day, self.hour, zone)


def date_in(path: str) -> PathDate | None:
    """Return the first date in a path; None if the path has no folder of a day."""
    for match in _DATE_IN_PATH.finditer(path):
        form, groups = next((form, groups) for form, groups in _DATE_GROUPS.items() if match[groups[0]])
        try:
            day = date(*(int(match[group]) for group in groups))
        except ValueError:  # no such day
            continue
        hour = next((int(match[group]) for group in _HOUR_GROUPS if match[group]), None)
        return PathDate(day, hour if hour is None or hour < _HOURS else None, form)
    return None


def arrival_date_in(path: str, zone: tzinfo) -> date | None:
    """Return the arrival date in a path, or None."""
    path_date = date_in(path)
    return None if path_date is None else path_date.arrival_date(zone)


def is_settled(path: str, zone: tzinfo) -> bool:
    """Return whether every version of the platform gives a path the same date: the form is yyyy/MM/dd, in UTC."""
    path_date = date_in(path)
    return path_date is not None and path_date.form == next(iter(FORMS)) and zone is UTC


def folder_kind(path: str) -> FolderKind:
    """Return the kind of a folder, by its path below the root."""
    if date_in(f"{path}/") is not None:
        return FolderKind.DAY
    return FolderKind.OTHER if _YEAR_OR_MONTH.fullmatch(path) is None else FolderKind.YEAR_OR_MONTH


def is_at_root(path: str) -> bool:
    """Return whether a folder is the one of a year or month at the root of landing."""
    match = _YEAR_OR_MONTH.fullmatch(path)
    return match is not None and not match["prefix"]


def arrival_dates_of_folder(folder: str, zone: tzinfo) -> set[date]:
    """Return the days of arrival that objects in the folder of a day may have."""
    path_date = date_in(folder)
    if path_date is None:
        return set()
    return {
        path_date.day,
        *({_utc_day(path_date.day, hour, zone) for hour in (0, _LAST_HOUR)} if zone is not UTC else ()),
    }


def plain_folders(day: date, zone: tzinfo) -> list[str]:
    """Return the folders yyyy/MM/dd of the root that may hold objects of a day of arrival."""
    days = (day + offset * _DAY_LONG for offset in (-1, 0, 1))
    folders = (f"{near_day:%Y/%m/%d}/" for near_day in days)
    return [folder for folder in folders if day in arrival_dates_of_folder(folder, zone)]


def is_past(path: str, today: date) -> bool:
    """Return whether a folder of a year or month is below another folder, and ended more than a month ago."""
    match = _YEAR_OR_MONTH.fullmatch(path)
    if match is None or not match["prefix"]:
        return False
    year, month = int(match[2] or match[4]), int(match[3] or match[5] or 12)
    return (year, month) < ((last_month := today.replace(day=1) - _DAY_LONG).year, last_month.month)


def _utc_day(day: date, hour: int, zone: tzinfo) -> date:
    try:
        return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC).date()
    except OverflowError:  # the first or the last day that there is
        return day
