"""The catalog and a lake's figures of its event types → the tracking plan: an index, and a page of each type.

The same catalog and figures give the same bytes. All text comes from the catalog or the data: it passes through
`shown`, and the templates escape everything.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from event_platform.events.catalog import EventType
from event_platform.events.columns import typed, walk_all
from event_platform.events.envelope import Envelope, FieldPath, TimeUnit
from event_platform.events.schema_version import NotedChange, SchemaVersion
from event_platform.events.wording import counted
from event_platform.quality.history import days_before
from event_platform.quality.plots import draw_days, sparkline
from event_platform.quality.rendering import read_script, render
from event_platform.quality.schema_table import Limits, list_schema, list_untyped
from event_platform.quality.text import shown, shown_in_line

#: The address of the index, as seen from itself, and the folder of the other pages.
INDEX, TYPES = "index.html", "types"

#: In the first line of each page.
MARKER = "Written by `event-platform catalog site`: do not edit, write it again."

#: Days of volume.
DAYS = 30

_NAME_LENGTH, _TEXT_LENGTH = 200, 2_000
_LIMITS = Limits(values=500, characters=_TEXT_LENGTH)
_CHANGES_LISTED = 20

_UNITS = {
    TimeUnit.SECONDS: "Unix time in seconds",
    TimeUnit.MILLISECONDS: "Unix time in milliseconds",
    TimeUnit.MICROSECONDS: "Unix time in microseconds",
    TimeUnit.NANOSECONDS: "Unix time in nanoseconds",
    TimeUnit.ISO8601: "ISO 8601",
    TimeUnit.AUTO: "Unix time, its unit by its magnitude, or ISO 8601",
}


@dataclass(frozen=True)
class PlannedType:
    """An event type, and its data in the lake."""

    event_type: EventType
    version: str = str(SchemaVersion())
    changes: Sequence[NotedChange] = ()
    events: Mapping[date, int] = field(default_factory=dict)  # by created_date
    example: str = ""  # a row as JSON, personal values masked
    derived: Sequence[str] = ()  # tables derived from its table
    view: str = ""  # name of its view in warehouses
    report: str = ""  # address of its page in the quality report, relative to its page here


@dataclass(frozen=True)
class Plan:
    """The event types of a catalog. `last` is the last day with figures in the lake; None without a lake."""

    envelope: Envelope
    types: Sequence[PlannedType]
    last: date | None = None

    @property
    def days(self) -> list[date]:
        """The days of volume."""
        return days_before(self.last, DAYS) if self.last else []


@dataclass(frozen=True)
class _Line:
    """An event type in the index. The search also uses `words`, and names the `fields` that match."""

    name: str
    key: str
    description: str
    group: str
    owner: str
    version: str
    columns: int
    events: int
    trend: str
    last_seen: date | None
    words: str
    fields: str


def draw_plan(plan: Plan) -> dict[str, bytes]:
    """Render all pages, by their address as seen from the index."""
    ordered = sorted(plan.types, key=lambda planned: (planned.event_type.group, planned.event_type.name))
    pages = {f"{TYPES}/{planned.event_type.key}.html": _draw_type(plan, planned) for planned in ordered}
    return {INDEX: _draw_index(plan, ordered)} | pages


def _draw_index(plan: Plan, types: Sequence[PlannedType]) -> bytes:
    days = plan.days
    values = {
        "marker": MARKER,
        "types": counted(len(types), "event type"),
        "events": counted(sum(planned.events.get(day, 0) for planned in types for day in days), "event"),
        "days": days,
        "lines": [_line(planned, days) for planned in types],
        "groups": _tally(planned.event_type.group for planned in types),
        "owners": _tally(planned.event_type.owner or "" for planned in types),
        "changes": _latest_changes(types),
        "envelope": list(_envelope(plan.envelope)),
        "script": read_script("index.js"),
    }
    return render("plan_index.html.jinja", values)


def _draw_type(plan: Plan, planned: PlannedType) -> bytes:
    event_type, days = planned.event_type, plan.days
    schema = list_schema(event_type, limits=_LIMITS)
    days_with_events = [day for day in days if planned.events.get(day)]
    values = {
        "marker": MARKER,
        "name": shown(event_type.name, _NAME_LENGTH),
        "key": event_type.key,
        "description": _lines(event_type.description),
        "owner": shown(event_type.owner or "", _NAME_LENGTH),
        "group": shown(event_type.group, _NAME_LENGTH),
        "version": shown(planned.version, _NAME_LENGTH),
        "other_names": [shown(other_name, _NAME_LENGTH) for other_name in event_type.other_names],
        "freshness": event_type.freshness_hours,
        "schema": schema,
        "has_personal": any(line.is_personal for line in schema),
        "untyped": list_untyped(event_type),
        "changes": [_shown_change(change) for change in planned.changes],
        "days": days,
        "events": counted(sum(planned.events.get(day, 0) for day in days), "event"),
        "last_seen": days_with_events[-1] if days_with_events else None,
        "plot": _plot(planned.events, days) if days_with_events else "",
        "example": _indented(planned.example),
        "derived": [shown(column, _NAME_LENGTH) for column in planned.derived],
        "view": shown(planned.view, _NAME_LENGTH),
        "report": planned.report,
        "script": None,
    }
    return render("plan_type.html.jinja", values)


def _indented(example: str) -> str:
    """Return a row, which is JSON, with a line for each value."""
    if not example:
        return ""
    return _lines(json.dumps(json.loads(example), ensure_ascii=False, indent=2))


def _lines(text: str) -> str:
    """Return a text with its line breaks."""
    return "\n".join(shown(line, _TEXT_LENGTH) for line in text.strip().split("\n"))


def _plot(events: Mapping[date, int], days: Sequence[date]) -> str:
    """Draw the events of each day. Days before the first one are unknown."""
    first = min(day for day, value in events.items() if value)
    return draw_days("Events of each day", {day: events.get(day, 0) if day >= first else None for day in days})


def _line(planned: PlannedType, days: Sequence[date]) -> _Line:
    event_type = planned.event_type
    volume = [planned.events.get(day, 0) for day in days]
    return _Line(
        name=shown(event_type.name, _NAME_LENGTH),
        key=event_type.key,
        description=shown_in_line(event_type.description, _NAME_LENGTH),
        group=shown(event_type.group, _NAME_LENGTH),
        owner=shown(event_type.owner or "", _NAME_LENGTH),
        version=shown(planned.version, _NAME_LENGTH),
        columns=len(typed(event_type.columns)),
        events=sum(volume),
        trend=sparkline(volume),
        last_seen=max((day for day in days if planned.events.get(day)), default=None),
        words=" ".join(_words(event_type)),
        fields=" ".join(_fields(event_type)),
    )


def _words(event_type: EventType) -> list[str]:
    """Return the words of a type's other names and of the descriptions of its fields, each once."""
    texts = [*event_type.other_names, *(column.description for _, column in walk_all(event_type.columns))]
    return sorted({word for text in texts for word in shown_in_line(text, _TEXT_LENGTH).lower().split()})


def _fields(event_type: EventType) -> list[str]:
    """Return the paths of all columns, and the names of properties without a column or with another column name."""
    paths = [".".join(path) for path, _ in walk_all(event_type.columns)]
    others = {column.field for column in event_type.columns if column.field not in paths}
    return [*paths, *sorted("_".join(shown(other, _NAME_LENGTH).split()) for other in others)]


def _tally(names: Iterable[str]) -> list[tuple[str, str, int]]:
    """Return each name with its search text, which has no blanks, and its number of types."""
    counts = Counter(name for name in names if name)
    return [(shown(name, _NAME_LENGTH), "_".join(name.split()), number) for name, number in sorted(counts.items())]


def _latest_changes(types: Sequence[PlannedType]) -> list[dict[str, str]]:
    noted = [(planned.event_type, change) for planned in types for change in planned.changes]
    latest = sorted(noted, key=lambda dated: dated[1].date, reverse=True)[:_CHANGES_LISTED]
    return [
        {"name": shown(event_type.name, _NAME_LENGTH), "key": event_type.key} | _shown_change(change)
        for event_type, change in latest
    ]


def _shown_change(change: NotedChange) -> dict[str, str]:
    return {
        "version": shown(change.version, _NAME_LENGTH),
        "date": shown(change.date, _NAME_LENGTH),
        "change": shown_in_line(change.change, _TEXT_LENGTH),
    }


def _envelope(envelope: Envelope) -> Iterable[tuple[str, str, str]]:
    """Yield the common fields of events: the name in the tables, the fields in a record, and how they are read."""
    uuid = " + ".join(map(_dotted, envelope.event_uuid)) or "the whole record"
    yield "event_uuid", uuid, "hashed" if envelope.is_hashed else "unique for each event"
    prefix = f"{envelope.name_prefix}:" if envelope.name_prefix and envelope.event_name else envelope.name_prefix
    yield "event_name", prefix + ":".join(map(_dotted, envelope.event_name)), "what happened; it decides the event type"
    yield "created_at", _dotted(envelope.created_at), shown(envelope.time_format or _UNITS[envelope.unit], _NAME_LENGTH)


def _dotted(path: FieldPath) -> str:
    return shown(".".join(path), _NAME_LENGTH)
