"""Records seen → a JSON Schema that holds them: the first draft of a tracking plan.

Every property gets the widest type that loses nothing of what was seen. Where there is none (a text here, a number
there), the property is listed without a type: it is known, has no column, and its values live in `_rescued`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from event_platform.events.columns import DEEPEST, ESCAPED
from event_platform.events.envelope import Envelope
from event_platform.events.event import RESERVED_COLUMNS
from event_platform.events.rescue import RFC3339
from event_platform.events.wire import EXACT_INTEGERS, INT64

_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_MISFIT = "misfit"


@dataclass
class Shape:
    """What was seen at one place of the records: how often, with which JSON types, and what was below it."""

    seen: int = 0
    types: Counter[str] = field(default_factory=Counter)
    fields: dict[str, "Shape"] = field(default_factory=dict)
    item: "Shape | None" = None

    def add(self, value: Any, depth: int = 0) -> None:
        """Widen the shape by one value, as `msgspec.json.decode` gives it."""
        self.seen += 1
        self.types[_type_of(value)] += 1
        if depth > DEEPEST:  # it gets no type, and lives in `_rescued`
            return
        if isinstance(value, dict):
            for key, below in value.items():
                self.fields.setdefault(key, Shape()).add(below, depth + 1)
        elif isinstance(value, list):
            self.item = self.item or Shape()
            for below in value:
                self.item.add(below, depth + 1)


@dataclass
class Draft:
    """The shapes of a stream's event types, by event name."""

    envelope: Envelope
    shapes: dict[str, Shape] = field(default_factory=dict)

    def add(self, names: Iterable[str], bodies: Iterable[str]) -> None:
        """Widen the shapes by sound records: their names and bodies, in step."""
        for name, body in zip(names, bodies, strict=True):
            self.shapes.setdefault(name, Shape()).add(_decode(body))

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Return a JSON Schema for each event name seen, in alphabetical order."""
        return {name: self._schema(name, shape) for name, shape in sorted(self.shapes.items())}

    def _schema(self, name: str, shape: Shape) -> dict[str, Any]:
        payload = {key: below for key, below in shape.fields.items() if key not in self.envelope.consumed}
        return {
            "title": name,
            "description": f"Drafted from {shape.seen:,} events.",
            "type": "object",
            **_properties(payload, shape.types["object"], RESERVED_COLUMNS),
        }


def _decode(body: str) -> Any:
    try:
        return msgspec.json.decode(body)
    # A number beyond what a double can hold, or a value too deep to decode: decode the fields one by one.
    except (msgspec.MsgspecError, RecursionError):
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return {key: _decode_or_misfit(raw) for key, raw in fields.items()}


def _decode_or_misfit(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return 2**64  # no column holds it


def _type_of(value: Any) -> str:  # noqa: PLR0911 - one for each JSON type
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer" if value in EXACT_INTEGERS else "long" if value in INT64 else _MISFIT
        case float():
            return "number"
        case str():
            return "date-time" if RFC3339.match(value) else "date" if _DATE.fullmatch(value) else "string"
        case dict():
            return "object"
        case _:
            return "array"


def _properties(fields: Mapping[str, Shape], parents: int, reserved: frozenset[str]) -> dict[str, Any]:
    taken = set(reserved)
    properties: dict[str, Any] = {}
    # The most frequent of two names that differ only in case keeps its own.
    for key, shape in sorted(fields.items(), key=lambda pair: -pair[1].seen):
        definition = {} if ESCAPED.search(key) else _definition(shape)
        if "type" in definition:
            name = _column_name(key, taken)
            taken.add(name.lower())
            if name != key:
                definition = {**definition, "x-column": name}
        properties[key] = definition
    required = [key for key in fields if fields[key].seen == parents]
    return {
        "properties": {key: properties[key] for key in fields},
        **({"required": required} if required else {}),
    }


def _definition(shape: Shape) -> dict[str, Any]:  # noqa: PLR0911 - one for each mixture
    kinds = set(shape.types) - {"null"}
    nullable = bool(shape.types["null"])
    match sorted(kinds):
        case ["object"]:
            below = _properties(shape.fields, shape.types["object"], frozenset())
            typed = any("type" in definition for definition in below["properties"].values())
            return {"type": _with_null("object", nullable=nullable), **below} if typed else {}
        case ["array"]:
            items = _definition(shape.item) if shape.item and shape.item.seen else {}
            return {"type": _with_null("array", nullable=nullable), "items": items} if "type" in items else {}
        case ["integer"] | ["long"] | ["integer", "long"]:
            return {"type": _with_null("integer", nullable=nullable)}
        case ["number"] | ["integer", "number"]:
            return {"type": _with_null("number", nullable=nullable)}
        case ["boolean"]:
            return {"type": _with_null("boolean", nullable=nullable)}
        case ["date-time"] | ["date"]:
            (kind,) = kinds
            return {"type": _with_null("string", nullable=nullable), "format": kind}
        case _ if kinds and kinds <= {"string", "date-time", "date"}:
            return {"type": _with_null("string", nullable=nullable)}
        case _:
            return {}


def _with_null(name: str, *, nullable: bool) -> str | list[str]:
    return [name, "null"] if nullable else name


def _column_name(key: str, taken: set[str]) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", key).strip("_") or "field"
    name = f"_{name}" if name[0].isdigit() else name
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        name = key
    candidates = [name, *(f"{name}_{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate.lower() not in taken)
