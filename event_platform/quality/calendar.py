"""Days → the months of a calendar, each day with its status."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from event_platform.checks.result import Finding
from event_platform.quality.failures import Status, count_failed, status_of

_DAYS_OF_A_WEEK = 7

#: Used where the failures are not known by number.
_WORDS = {
    Status.PASSED: "all checks passed",
    Status.UNKNOWN: "not checked",
    Status.WARN: "warnings",
    Status.ERROR: "errors",
}


@dataclass(frozen=True)
class CalendarDay:
    """A day, whether it has a page, and the result of its checks."""

    number: int
    address: str  # empty where there is no page
    status: Status
    title: str


@dataclass(frozen=True)
class Month:
    """The weeks of a month, from Monday; None outside of the month and of the days given."""

    name: str
    weeks: Sequence[Sequence[CalendarDay | None]]


def list_months(
    days: Sequence[date],
    findings: Mapping[date, Sequence[Finding]],
    reported: Collection[date],
    older: Mapping[date, Status],
) -> list[Month]:
    """Return the months of consecutive days, the newest first.

    `reported` days have a page, and so have `older` ones, of which only the status is known.
    """
    known = {day: _day(day, findings.get(day, ()), has_page=day in reported) for day in days}
    known |= {
        day: CalendarDay(day.day, f"{day}.html", status, f"{day}: {_WORDS[status]}") for day, status in older.items()
    }
    months = [list(group) for _, group in groupby(days, lambda day: (day.year, day.month))]
    return [_month(month, known) for month in reversed(months)]


def _month(days: Sequence[date], known: Mapping[date, CalendarDay]) -> Month:
    monday = days[0] - timedelta(days=days[0].weekday())
    length = (days[-1] - monday).days + 1
    own = {day: known[day] for day in days}
    cells = [own.get(monday + timedelta(days=number)) for number in range(-(-length // _DAYS_OF_A_WEEK) * 7)]
    weeks = [cells[start : start + _DAYS_OF_A_WEEK] for start in range(0, len(cells), _DAYS_OF_A_WEEK)]
    return Month(f"{days[0]:%Y-%m}", weeks)


def _day(day: date, findings: Sequence[Finding], *, has_page: bool) -> CalendarDay:
    status = status_of(findings)
    verdict = count_failed(findings) or _WORDS[status]
    return CalendarDay(day.day, f"{day}.html" if has_page else "", status, f"{day}: {verdict}")
