"""The cursor of the alerts sensor: the run endings that were read, current failures, and undelivered alerts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import msgspec

from event_platform.defs.alerts.wording import Alert, Finding, Level
from event_platform.quality.partitions import partition_ranges

_VERSION = 1

#: How far back to read without a cursor.
_SECONDS_TO_LOOK_BACK = 24 * 3600.0

#: Number of ids to read again, because a concurrent transaction may become visible after one with a higher id.
IDS_TO_LOOK_BACK = 100


@dataclass
class Waiting:
    """Undelivered alerts of one address."""

    alerts: list[Alert] = field(default_factory=list)
    more: int = 0  # findings that were dropped and only counted
    failures: int = 0  # in a row
    not_before: float = 0.0  # Unix time


@dataclass
class CursorState:
    """State of the sensor after its last tick."""

    since: float  # Unix time; earlier run endings are ignored
    version: int = _VERSION
    last: int = 0  # storage id of the last run ending that was read
    seen: set[int] = field(default_factory=set)  # ids up to `last` that were read
    #: Ranges of failing partitions by "<asset>:<check>" and level.
    failing: dict[str, dict[Level, list[tuple[str, str]]]] = field(default_factory=dict)
    stale: dict[str, Level] = field(default_factory=dict)  # by asset
    outbox: dict[str, Waiting] = field(default_factory=dict)  # by address

    def read(self, storage_id: int) -> None:
        """Mark a run ending as read."""
        self.last = max(self.last, storage_id)
        self.seen = {run_id for run_id in (*self.seen, storage_id) if run_id > self.last - IDS_TO_LOOK_BACK}

    def changes(self, evaluations: Iterable[Finding]) -> list[Finding]:
        """Return the evaluations that begin to fail, get worse or pass again (Level.RECOVERED if passed).

        A check that keeps failing is not reported again: today is evaluated with each object that lands.
        """
        by_check: dict[str, dict[str, Finding]] = {}
        for evaluation in evaluations:
            by_check.setdefault(f"{evaluation.asset}:{evaluation.check}", {})[evaluation.partition] = evaluation
        return [finding for check, latest in by_check.items() for finding in self._changes_of(check, latest)]

    def _changes_of(self, check: str, latest: dict[str, Finding]) -> list[Finding]:
        known = {day: level for level, ranges in self.failing.get(check, {}).items() for day in _days(ranges)}
        now = {day: finding.level for day, finding in latest.items()}
        changes = [
            replace(finding, was=known.get(day))
            for day, finding in latest.items()
            if (finding.level is Level.RECOVERED and day in known)
            or finding.level.rank < known.get(day, Level.RECOVERED).rank
        ]
        failing = {day: level for day, level in {**known, **now}.items() if level is not Level.RECOVERED}
        self.failing[check] = {
            level: partition_ranges([day for day, day_level in failing.items() if day_level is level])
            for level in set(failing.values())
        }
        if not failing:
            del self.failing[check]
        return changes

    def as_cursor(self) -> str:
        """Serialize for `load_cursor`."""
        return msgspec.json.encode(self, order="deterministic").decode()


def load_cursor(cursor: str | None, now: float) -> tuple[CursorState, str | None]:
    """Parse a cursor. Return the state, and an error if it is unreadable: then the last day is reported again."""
    fresh = CursorState(since=now - _SECONDS_TO_LOOK_BACK)
    if not cursor:
        return fresh, None
    try:
        state = msgspec.json.decode(cursor, type=CursorState)
        datetime.fromtimestamp(state.since, UTC)
        for kept in state.failing.values():
            for stretches in kept.values():
                list(_days(stretches))
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError) as error:
        return fresh, f"the cursor cannot be read ({error}): alerts of the last day are sent again"
    if state.version != _VERSION:
        return fresh, f"the cursor has version {state.version}, not {_VERSION}: alerts of the last day are sent again"
    return state, None


def _days(ranges: Iterable[tuple[str, str]]) -> Iterable[str]:
    for first, last in ranges:
        if first == last:
            yield first
        else:
            start, end = date.fromisoformat(first), date.fromisoformat(last)
            yield from ((start + timedelta(days=number)).isoformat() for number in range((end - start).days + 1))
