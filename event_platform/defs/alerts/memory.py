"""The cursor of the alerts sensor: what was read, what is failing, and what could not be delivered yet."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import msgspec

from event_platform.defs.alerts.wording import Alert, Finding, Level, partition_ranges

_VERSION = 1

#: Without a cursor: what happened before is no news.
_SECONDS_TO_LOOK_BACK = 24 * 3600.0

#: Of transactions side by side, one may show after another with a higher id: these ids are looked at again.
IDS_TO_LOOK_BACK = 100


@dataclass
class Waiting:
    """What is still to be delivered to one address."""

    alerts: list[Alert] = field(default_factory=list)
    more: int = 0  # findings of which only the number is left
    failures: int = 0  # in a row
    not_before: float = 0.0  # Unix time


@dataclass
class Memory:
    """What the sensor knows from its last tick."""

    since: float  # Unix time from which on endings of runs are told
    version: int = _VERSION
    last: int = 0  # storage id of the last ending that was read
    seen: set[int] = field(default_factory=set)  # of the ids up to it, those that were read
    #: Stretches of partitions by "<asset>:<check>" and level.
    failing: dict[str, dict[Level, list[tuple[str, str]]]] = field(default_factory=dict)
    stale: dict[str, Level] = field(default_factory=dict)  # by asset
    outbox: dict[str, Waiting] = field(default_factory=dict)  # by address

    def read(self, storage_id: int) -> None:
        """Remember an ending as read."""
        self.last = max(self.last, storage_id)
        self.seen = {each for each in (*self.seen, storage_id) if each > self.last - IDS_TO_LOOK_BACK}

    def news(self, evaluations: Iterable[Finding]) -> list[Finding]:
        """Return those that begin to fail, get worse or pass again. An evaluation that passed has Level.RECOVERED.

        What goes on failing is no news: today is evaluated with each object that lands.
        """
        by_check: dict[str, dict[str, Finding]] = {}
        for each in evaluations:
            by_check.setdefault(f"{each.asset}:{each.check}", {})[each.partition] = each
        return [finding for check, latest in by_check.items() for finding in self._news_of(check, latest)]

    def _news_of(self, check: str, latest: dict[str, Finding]) -> list[Finding]:
        known = {day: level for level, kept in self.failing.get(check, {}).items() for day in _days(kept)}
        now = {day: finding.level for day, finding in latest.items()}
        found = [
            replace(finding, was=known.get(day))
            for day, finding in latest.items()
            if (finding.level is Level.RECOVERED and day in known)
            or finding.level.rank < known.get(day, Level.RECOVERED).rank
        ]
        failing = {day: level for day, level in {**known, **now}.items() if level is not Level.RECOVERED}
        self.failing[check] = {
            level: partition_ranges([day for day, each in failing.items() if each is level])
            for level in set(failing.values())
        }
        if not failing:
            del self.failing[check]
        return found

    def as_cursor(self) -> str:
        """Return the cursor that `remembered` takes."""
        return msgspec.json.encode(self, order="deterministic").decode()


def remembered(cursor: str | None, now: float) -> tuple[Memory, str | None]:
    """Return what a cursor says, and what is wrong with it. One that cannot be read makes the last day news again."""
    fresh = Memory(since=now - _SECONDS_TO_LOOK_BACK)
    if not cursor:
        return fresh, None
    try:
        memory = msgspec.json.decode(cursor, type=Memory)
        datetime.fromtimestamp(memory.since, UTC)
        for kept in memory.failing.values():
            for ranges in kept.values():
                list(_days(ranges))
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError) as error:
        return fresh, f"the cursor cannot be read ({error}): alerts of the last day are sent again"
    if memory.version != _VERSION:
        return fresh, f"the cursor has version {memory.version}, not {_VERSION}: alerts of the last day are sent again"
    return memory, None


def _days(kept: Iterable[tuple[str, str]]) -> Iterable[str]:
    for first, last in kept:
        if first == last:
            yield first
        else:
            start, end = date.fromisoformat(first), date.fromisoformat(last)
            yield from ((start + timedelta(days=number)).isoformat() for number in range((end - start).days + 1))
