"""Which days of landing a tick lists: recent ones, days not seen yet, and the others in rotation.

The cursor only says where to look first: every day is listed again in rotation, and by the daily reconciliation.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain

from event_platform.lake.ledger import Delivery, compare, count_unread
from event_platform.lake.snapshot import Snapshot
from event_platform.landing.landing import LandedObject, Landing, Survey
from event_platform.landing.omissions import Omissions
from event_platform.quality.partitions import date_ranges

#: Recent days that every tick lists: Firehose may still deliver into them.
_RECENT_DAYS = 3

#: Objects that a tick lists of unseen and of seen days, at a thousand per request.
_UNSEEN_IN_A_TICK, _SEEN_IN_A_TICK = 100_000, 30_000

#: Cost in objects of each further folder of a day: a request.
_FOLDER = 1000

#: Costs in numbers of objects: comparing a day with the ledger, and reading a file of the ledger; then the number of
#: rows that cost as much as one object.
_LOADED_DAY, _LEDGER_FILE, _LEDGER_ROWS = 100, 50, 6_000


@dataclass(frozen=True)
class Position:
    """State of the rotation. A day is in `seen` once it was listed and had nothing left to load."""

    turn: date = date.min  # the last day listed in rotation
    seen: frozenset[date] = frozenset()


@dataclass(frozen=True)
class Look:
    """Result of a tick."""

    delivery: Delivery
    listed: int  # days
    days: int  # that hold objects, among the partitions
    position: Position


def look(
    raw: Snapshot, landing: Landing, position: Position, also: AbstractSet[date], first_date: date, today: date
) -> Look:
    """Compare days of landing with the ledger, and all objects outside of daily folders.

    Days are the recent ones, those of `also`, and, within the limits of a tick, unseen ones and others in rotation.
    Only days with objects cost requests. Raises LandingError.
    """
    omissions = Omissions()
    survey = landing.survey(omissions, often=True)
    outside = defaultdict[date, list[LandedObject]](list)
    for landed in survey.outside:
        if landed.has_date:
            outside[landed.arrival_date].append(landed)
    days = {day for day in {*survey.days, *outside} if first_date <= day <= today}
    loaded = raw.rows_by_date().keys()

    def weight(day: date, objects: list[LandedObject]) -> int:
        files, rows = count_unread(raw, day) if day in loaded else (0, 0)
        more = max(0, len(survey.folders.get(day, ())) - 1) * _FOLDER
        return len(objects) + more + (_LOADED_DAY if day in loaded else 1) + files * _LEDGER_FILE + rows // _LEDGER_ROWS

    def listed(chosen: AbstractSet[date]) -> Iterator[tuple[date, list[LandedObject]]]:
        return _listed(landing, survey, outside, chosen, omissions)

    now = days & {*also, *(today - timedelta(days=back) for back in range(_RECENT_DAYS))}
    seen = days & position.seen - now
    sightings = dict(listed(now))
    sightings.update(_up_to(listed(days - now - seen), weight, _UNSEEN_IN_A_TICK))
    turn = {day for day in seen if day > position.turn}
    in_turn = dict(_up_to(chain(listed(turn), listed(seen - turn)), weight, _SEEN_IN_A_TICK))
    undated = (landed for landed in survey.outside if not landed.has_date)
    objects = chain(undated, *sightings.values(), *in_turn.values())
    delivery = compare(raw, objects, omissions)
    due = {landed.arrival_date for landed in delivery.due}
    last = next(reversed(in_turn), position.turn)
    seen = (seen | sightings.keys()) - due
    return Look(delivery, len(sightings) + len(in_turn), len(days), Position(last, frozenset(seen)))


def look_at(raw: Snapshot, landing: Landing, day: date) -> Delivery:
    """Compare the folder of a day with the ledger. Raises LandingError."""
    omissions = Omissions()
    objects = (landed for _, listed in landing.list_days({day}, omissions) for landed in listed)
    return compare(raw, objects, omissions)


def _listed(
    landing: Landing,
    survey: Survey,
    outside: dict[date, list[LandedObject]],
    days: AbstractSet[date],
    omissions: Omissions,
) -> Iterator[tuple[date, list[LandedObject]]]:
    """Yield days in order, each with its objects."""
    folders = landing.list_days(days & survey.days, omissions, survey)
    for day in sorted(days):
        inside = next(folders)[1] if day in survey.days else []
        yield day, [*inside, *outside.get(day, [])]


def _up_to(
    listed: Iterable[tuple[date, list[LandedObject]]], weight: Callable[[date, list[LandedObject]], int], most: int
) -> Iterator[tuple[date, list[LandedObject]]]:
    """Yield days until the limit is reached."""
    for day, objects in listed:
        yield day, objects
        most -= weight(day, objects)
        if most <= 0:
            break


def position_in(cursor: str | None) -> Position:
    """Parse a cursor. An unreadable one starts the rotation again."""
    turn, _, seen = (cursor or "").partition(" ")[0].partition(";")
    try:
        ranges = [[date.fromisoformat(day) for day in text.split("/")] for text in seen.split(",") if text]
        days = (_days(bounds[0], bounds[-1]) for bounds in ranges)
        return Position(date.fromisoformat(turn), frozenset(chain.from_iterable(days)))
    except ValueError:
        return Position()


def as_cursor(position: Position) -> str:
    """Return the cursor of a position: the day, and the ranges of days that were seen."""
    seen = (f"{first}" if first == last else f"{first}/{last}" for first, last in date_ranges(position.seen))
    return f"{position.turn};{','.join(seen)}"


def _days(first: date, last: date) -> Iterator[date]:
    return (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
