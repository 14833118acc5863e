"""Sample records → a draft JSON Schema for each event type.

A property gets the widest type that loses nothing of what was seen. If no type fits all values (a text here, a number
there), it gets the type of more than half of them, and `x-mixed` lists the JSON types of the others, whose values go to
`_rescued`. If no type is that frequent, it stays untyped. So does a property that was always empty: the schema says
whether it was null, `{}` or `[]`, so that reading it costs nothing. An object whose keys are data is a map.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from event_platform.events.columns import ESCAPED, is_column_name
from event_platform.events.envelope import Envelope
from event_platform.events.event import RESERVED_COLUMNS
from event_platform.events.shapes import Shape, decode, has_many_keys, identifier_keys, is_map, value_shape

#: Fields of a type that are named, and columns from which on a type is unusual.
_SHOWN, _MANY_FIELDS = 3, 200

_MAP = "Not typed: its keys look like data, and no type holds most of its values."

#: Words for signs of keys that would otherwise be alike: `a.b` and `a-b`.
_WORDS = {".": "dot", "-": "dash", " ": "space", "/": "slash", ":": "colon", "$": "dollar", "@": "at", "#": "number"}
_MOST_SIGNS = 4
_SIGNS = re.compile("|".join(map(re.escape, _WORDS)))

#: Values that no column holds, and their JSON types.
_MISFITS = {"misfit text": "string", "misfit integer": "integer", "misfit number": "number"}
#: JSON types of the kinds whose name is not one.
_EMPTY_KINDS = ("null", "empty object", "empty array")
_TEXT_KINDS = ("string", "date-time", "date")
_JSON_TYPES = {
    **_MISFITS,
    "long": "integer",
    "date-time": "string",
    "date": "string",
    "empty object": "object",
    "empty array": "array",
}


@dataclass
class Draft:
    """The shapes of a stream's event types, by event name."""

    envelope: Envelope
    shapes: dict[str, Shape] = field(default_factory=dict)

    def add(self, names: Iterable[str], bodies: Iterable[str]) -> None:
        """Add sound records: their names and bodies, in the same order."""
        for name, body in zip(names, bodies, strict=True):
            self.shapes.setdefault(name, Shape()).add(decode(body))

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Return a JSON Schema for each event name seen, in alphabetical order."""
        return {name: self._schema(name, shape) for name, shape in sorted(self.shapes.items())}

    def notes(self) -> list[str]:
        """Return a line for each type that is unusual: fields without a type and why, and more fields than are read."""
        notes = []
        for name, shape in sorted(self.shapes.items()):
            fields = {key: below for key, below in shape.fields.items() if key not in self.envelope.consumed}
            without = [f"{path} ({why})" for path, why in _without_type(fields)]
            if without:
                more = f", and {len(without) - _SHOWN:,} more" if len(without) > _SHOWN else ""
                notes.append(f"{name}: no column for {', '.join(without[:_SHOWN])}{more}: kept in _rescued")
            count = sum(1 for _ in _typed_paths(self._schema(name, shape)))
            if count > _MANY_FIELDS:
                notes.append(f"{name}: {count:,} columns, more than {_MANY_FIELDS}: is one of its objects a map?")
        return notes

    @property
    def _taken(self) -> frozenset[str]:
        return RESERVED_COLUMNS | {key.lower() for key in self.envelope.path_columns}

    def _schema(self, name: str, shape: Shape) -> dict[str, Any]:
        payload = {key: below for key, below in shape.fields.items() if key not in self.envelope.consumed}
        return {
            "title": name,
            "description": f"Drafted from {shape.seen:,} events.",
            "type": "object",
            **_properties(payload, shape.objects, self._taken, in_array=False)[0],
        }


def _without_type(fields: Mapping[str, Shape], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of each field that has values and no column, and why."""
    identifiers = identifier_keys(fields)
    for key, shape in fields.items():
        where = f"{path}.{key}" if path else key
        if not _content(shape):
            continue
        if ESCAPED.search(key):
            yield where, "its key has to be escaped"
        elif key in identifiers:
            yield where, "its key looks like data"
        elif is_map(shape):
            if not _is_typed(_definition(shape, in_array=False)[0]):
                yield where, "its keys look like data, and its values have no type in common"
        elif 2 * _content(shape)["object"] > _content(shape).total():
            yield from _without_type(shape.fields, where)
        elif not _is_typed(_definition(shape, in_array=False)[0]):
            yield where, _mixture(shape)


def _mixture(shape: Shape) -> str:
    """Say which types the values have."""
    content = _content(shape)
    types: Counter[str] = Counter()
    for kind, seen in content.items():
        types[_JSON_TYPES.get(kind, kind)] += seen
    if len(types) == 1 and "misfit" not in " ".join(content):
        return f"{next(iter(types))} of mixed items" if shape.item else next(iter(types))
    return ", ".join(f"{name} {seen / content.total():.0%}" for name, seen in types.most_common())


def _typed_paths(schema: Mapping[str, Any]) -> Iterator[None]:
    for definition in schema.get("properties", {}).values():
        if _is_typed(definition):
            yield None
            yield from _typed_paths(definition.get("items", definition))


def _properties(
    fields: Mapping[str, Shape], parents: int, reserved: frozenset[str], *, in_array: bool
) -> tuple[dict[str, Any], int]:
    """Return the `properties` of a schema, and an upper bound of the values that fit none of their columns."""
    names = _UniqueNames(reserved)
    properties: dict[str, Any] = {}
    lost = 0
    without_type = {key for key in fields if ESCAPED.search(key)} | identifier_keys(fields)
    # A key that is a name keeps it; of two that differ only in case, the more frequent does.
    for key, shape in sorted(fields.items(), key=lambda pair: (not is_column_name(pair[0]), -pair[1].seen)):
        definition, lost_below = (
            ({}, _content(shape).total()) if key in without_type else _definition(shape, in_array=in_array)
        )
        lost += lost_below
        if _is_typed(definition):
            name = names.free(key)
            if name != key:
                definition = {**definition, "x-column": name}
        properties[key] = definition
    required = [key for key in fields if fields[key].seen == parents]
    return {
        "properties": {key: properties[key] for key in fields},
        **({"required": required} if required else {}),
    }, lost


def _is_typed(definition: Mapping[str, Any]) -> bool:
    """Return whether a drafted property has a column."""
    types = {definition.get("type")} if isinstance(definition.get("type"), str) else set(definition.get("type", ()))
    if "object" in types:
        return "x-map" in definition or any(map(_is_typed, definition.get("properties", {}).values()))
    return _is_typed(definition.get("items", {})) if "array" in types else bool(types - {"null"})


def _content(shape: Shape) -> Counter[str]:
    """Count the values that are not empty, by kind."""
    return Counter({kind: seen for kind, seen in shape.kinds.items() if kind not in _EMPTY_KINDS})


def _definition(shape: Shape, *, in_array: bool) -> tuple[dict[str, Any], int]:
    """Return the schema of a path, and an upper bound of its values that do not fit."""
    content = _content(shape)
    if not content:
        return _empty_definition(shape, in_array=in_array), 0
    type_name, kinds = _most_frequent_type(content)
    definition, lost = _typed_definition(shape, type_name, in_array=in_array)
    fitting = sum(content[kind] for kind in kinds) - (0 if in_array or type_name != "array" else lost)
    if 2 * fitting <= content.total() or not _is_typed(definition):
        return ({"description": _MAP} if type_name == "object" and is_map(shape) else {}), content.total()
    others = shape.kinds.keys() - kinds - {"null"}
    mixed = {_JSON_TYPES.get(kind, kind) for kind in others} | ({type_name} if type_name == "array" and lost else set())
    if shape.kinds["null"]:
        definition["type"] = [type_name, "null"]
    if mixed and not in_array:
        definition["x-mixed"] = sorted(mixed)
    return definition, lost + sum(shape.kinds[kind] for kind in others)


def _typed_definition(shape: Shape, type_name: str, *, in_array: bool) -> tuple[dict[str, Any], int]:
    """Return the schema for values of one type, and an upper bound of those that do not fit."""
    if type_name == "object":
        return _map_definition(shape, in_array=in_array) or _object_definition(shape, in_array=in_array)
    if type_name == "array" and shape.item:
        items, lost = _definition(shape.item, in_array=True)
        return {"type": "array", "items": items}, lost
    kinds = _content(shape).keys() & set(_TEXT_KINDS)
    if type_name == "string" and kinds in ({"date-time"}, {"date"}):
        return {"type": "string", "format": kinds.pop()}, 0
    return {"type": type_name}, 0


def _object_definition(shape: Shape, *, in_array: bool) -> tuple[dict[str, Any], int]:
    below, lost = _properties(shape.fields, shape.objects, frozenset(), in_array=in_array)
    return {"type": "object", **below}, lost


def _map_definition(shape: Shape, *, in_array: bool) -> tuple[dict[str, Any], int] | None:
    """Return the schema of an object whose keys are data (without a type if its values have none), or None."""
    if not is_map(shape) and not has_many_keys(shape):
        return None
    values, lost = _definition(value_shape(shape), in_array=in_array)
    if not is_map(shape) and (lost or not _is_typed(values)):
        return None
    return {"type": "object", **({"x-map": True, "additionalProperties": values} if _is_typed(values) else {})}, lost


def _most_frequent_type(content: Counter[str]) -> tuple[str, set[str]]:
    """Return the JSON type that most values have, and its kinds."""
    # Both number and integer hold small integers.
    number = (
        ("number", {"number", "integer"})
        if content["number"] >= max(content["long"], 1)
        else ("integer", {"integer", "long"})
    )
    types = [
        ("boolean", {"boolean"}),
        number,
        ("string", set(_TEXT_KINDS)),
        ("object", {"object", "empty object"}),
        ("array", {"array", "empty array"}),
    ]
    return max(types, key=lambda each: sum(content[kind] for kind in each[1]))


def _empty_definition(shape: Shape, *, in_array: bool) -> dict[str, Any]:
    """Return the schema of a path whose values were all empty."""
    if shape.kinds["empty array"] > shape.kinds["empty object"]:
        return {"type": _with_null("array", shape)}
    if shape.kinds["empty object"]:
        below, _ = _properties(shape.fields, shape.objects, frozenset(), in_array=in_array)
        return {"type": _with_null("object", shape), **(below if shape.fields and not is_map(shape) else {})}
    return {"type": "null"}


def _with_null(name: str, shape: Shape) -> str | list[str]:
    return [name, "null"] if shape.kinds["null"] else name


class _UniqueNames:
    """Assigns unique column names."""

    def __init__(self, reserved: frozenset[str]) -> None:
        self._taken = set(reserved)
        self._numbers: dict[str, Iterable[int]] = {}

    def free(self, key: str) -> str:
        """Return an unused column name for a key, ignoring case.

        It is the key itself if that is a valid name; else with `_` for what a name cannot have, then with words for it,
        then with a number.
        """
        name = key if is_column_name(key) else _readable(key)
        numbers = self._numbers.setdefault(name.casefold(), count(2))
        spelled = [_readable(_SIGNS.sub(_spell, key))] if 0 < len(_SIGNS.findall(key)) <= _MOST_SIGNS else []
        candidates = chain([name, *spelled], (f"{name}_{number}" for number in numbers))
        free = next(each for each in candidates if each.casefold() not in self._taken)
        self._taken.add(free.casefold())
        return free


def _readable(key: str) -> str:
    """Return a column name like a key: letters of any script, digits and `_`."""
    name = re.sub(r"[^\w]+", "_", unicodedata.normalize("NFC", key)).strip("_") or "field"
    name = f"_{name}" if not is_column_name(name) else name
    return name if is_column_name(name) else "field"


def _spell(sign: re.Match[str]) -> str:
    return f"_{_WORDS[sign[0]]}_"
