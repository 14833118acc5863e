"""The daily history → a line for each event type: volume, trend, nulls, drift, verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.checks.result import Finding
from event_platform.events.catalog import EventType
from event_platform.events.columns import typed
from event_platform.quality.failures import Status, status_of
from event_platform.quality.history import RESCUED
from event_platform.quality.plots import sparkline
from event_platform.quality.text import shown

_TEXT_LENGTH = 120
_OTHER_DRIFT = ("broken_rule", "failed_derivation")

#: Values by figure and day, of a type.
_Days = Mapping[str, Mapping[date, int]]


@dataclass(frozen=True)
class TypeLine:
    """An event type, as of its last day with events."""

    name: str
    key: str
    owner: str
    last_seen: date | None
    events: int
    trend: str  # the shape of a sparkline
    null_share: float | None  # of the values of all columns
    drift: int  # values without a column, or that break a rule
    status: Status
    failed_days: int


def list_types(
    history: pl.DataFrame,
    findings: Mapping[date, Sequence[Finding]],
    event_types: Sequence[EventType],
    days: Sequence[date],
) -> list[TypeLine]:
    """Return a line for each event type over the given days: failing types first, then those with most events."""
    values = _values(history, event_types, days)
    by_key = _findings_by_key(findings, days)
    lines = [
        _line(event_type, values.get(event_type.key, {}), by_key.get(event_type.key, {}), days)
        for event_type in event_types
    ]
    ranks = list(Status)
    return sorted(lines, key=lambda line: (-ranks.index(line.status), -line.events, line.name))


def _values(history: pl.DataFrame, event_types: Sequence[EventType], days: Sequence[date]) -> Mapping[str, _Days]:
    keys = {name: event_type.key for event_type in event_types for name in event_type.names}
    figures = ["events", "null", *RESCUED, *_OTHER_DRIFT]
    recent = history.lazy().filter(pl.col("created_date").is_in(days) & pl.col("figure").is_in(figures))
    recent_events = recent.filter(pl.col("event_name").is_not_null())
    sums = recent_events.group_by("event_name", "figure", "created_date").agg(pl.col("value").sum()).collect()
    by_type: dict[str, dict[str, dict[date, int]]] = {}
    for name, figure, day, value in sums.iter_rows():
        if name in keys:
            by_day = by_type.setdefault(keys[name], {}).setdefault(figure, {})
            by_day[day] = by_day.get(day, 0) + value
    return by_type


def _findings_by_key(
    findings: Mapping[date, Sequence[Finding]], days: Sequence[date]
) -> dict[str, dict[date, list[Finding]]]:
    by_key: dict[str, dict[date, list[Finding]]] = {}
    for day in days:
        for finding in findings.get(day, ()):
            by_key.setdefault(finding.asset.removeprefix("events/"), {}).setdefault(day, []).append(finding)
    return by_key


def _line(
    event_type: EventType, values: _Days, findings: Mapping[date, Sequence[Finding]], days: Sequence[date]
) -> TypeLine:
    events = values.get("events", {})
    last = max(events, default=None)
    cells = events.get(last, 0) * len(typed(event_type.stored)) if last else 0
    statuses = {day: status_of(findings_of_day) for day, findings_of_day in findings.items()}
    return TypeLine(
        name=shown(event_type.name, _TEXT_LENGTH),
        key=event_type.key,
        owner=shown(event_type.owner or "", _TEXT_LENGTH),
        last_seen=last,
        events=events.get(last, 0) if last else 0,
        trend=sparkline([events.get(day, 0) for day in days]),
        null_share=values.get("null", {}).get(last, 0) / cells if last and cells else None,
        drift=sum(sum(values.get(figure, {}).values()) for figure in (*RESCUED, *_OTHER_DRIFT)),
        status=statuses[max(statuses)] if statuses else Status.UNKNOWN,
        failed_days=sum(status in (Status.WARN, Status.ERROR) for status in statuses.values()),
    )
