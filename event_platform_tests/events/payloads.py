"""An event type with a column of each kind, and its rows."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader

SCHEMA: dict[str, Any] = {
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "score": {"type": "number"},
        "right": {"type": "boolean"},
        "at": {"type": "string", "format": "date-time"},
        "on": {"type": "string", "format": "date"},
        "@tag": {"type": "string", "x-column": "tag"},
        "device": {
            "type": "object",
            "properties": {
                "os": {"type": "string"},
                "screen": {"type": "object", "properties": {"width": {"type": "integer"}}},
            },
        },
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "answers": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "integer"}, "words": {"type": "array", "items": {"type": "string"}}},
            },
        },
        "any": {},
        "none": {"type": "null"},
        "hollow": {"type": "object", "properties": {"a": {"type": "array"}}},
        "list": {"type": ["array", "null"]},
    }
}
UNTYPED = ("any", "none", "hollow", "list")
COLUMNS = parse_columns(SCHEMA, "properties", [])
TYPE = EventType("lesson:started", "lesson_started", COLUMNS)
READER = PayloadReader(TYPE, Envelope())
HEAD = '"event_uuid": "u", "event_name": "lesson:started", "created_at": 1'
NOON = datetime(2025, 6, 2, 12, tzinfo=UTC)


def read(*payloads: str) -> list[dict[str, Any]]:
    """Return the rows of events with these insides; columns without a value are left out."""
    bodies = pl.Series([f"{{{HEAD}{', ' if payload else ''}{payload}}}" for payload in payloads], dtype=pl.String)
    frame = READER.read(bodies)
    assert frame.schema == {**{c.name: c.dtype for c in COLUMNS if c.name not in UNTYPED}, "_rescued": pl.String}
    return [{name: value for name, value in row.items() if value is not None} for row in frame.to_dicts()]
