"""Days → the months of a calendar, each day with its status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from event_platform.checks.result import Finding
from event_platform.quality.failures import Status, count_failed, status_of

_DAYS_OF_A_WEEK = 7


@dataclass(frozen=True)
class CalendarDay:
    """A day, whether there is a page of it, and what its checks found."""

    number: int
    address: str  # empty where there is no page
    status: Status
    title: str


@dataclass(frozen=True)
class Month:
    """The weeks of a month, from Monday; None outside of the month and of the days given."""

    name: str
    weeks: Sequence[Sequence[CalendarDay | None]]


def list_months(days: Sequence[date], findings: Mapping[date, Sequence[Finding]]) -> list[Month]:
    """Return the months of consecutive days, the newest first."""
    months = [list(group) for _, group in groupby(days, lambda day: (day.year, day.month))]
    return [_month(each, findings) for each in reversed(months)]


def _month(days: Sequence[date], findings: Mapping[date, Sequence[Finding]]) -> Month:
    monday = days[0] - timedelta(days=days[0].weekday())
    known = {day: _day(day, findings.get(day, ())) for day in days}
    length = (days[-1] - monday).days + 1
    cells = [known.get(monday + timedelta(days=number)) for number in range(-(-length // _DAYS_OF_A_WEEK) * 7)]
    weeks = [cells[start : start + _DAYS_OF_A_WEEK] for start in range(0, len(cells), _DAYS_OF_A_WEEK)]
    return Month(f"{days[0]:%Y-%m}", weeks)


def _day(day: date, findings: Sequence[Finding]) -> CalendarDay:
    status = status_of(findings)
    words = {Status.PASSED: "all checks passed", Status.UNKNOWN: "not checked"}
    found = words.get(status) or count_failed(findings)
    return CalendarDay(day.day, f"{day}.html", status, f"{day}: {found}")
