"""Sample records → a draft JSON Schema for each event type.

A property gets the widest type that holds all sampled values. If no type fits all values (a text here, a number there),
it gets the type of more than half of them; `x-mixed` lists the JSON types of the others, whose values go to `_rescued`.
If no type is that frequent, it stays untyped. An always empty property stays untyped as well; the schema says whether
it was null, `{}` or `[]`, so that reading it costs nothing. An object whose keys are data becomes a map.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from event_platform.events.column_names import UniqueNames, is_column_name
from event_platform.events.columns import ESCAPED
from event_platform.events.envelope import Envelope
from event_platform.events.event import RESERVED_COLUMNS
from event_platform.events.shapes import Shape, decode, has_many_keys, identifier_keys, is_map, value_shape
from event_platform.events.wording import counted, first_few

#: Number of fields in messages, and number of columns from which on a type is unusual.
_SHOWN, _MANY_FIELDS = 3, 200

_MAP = "Not typed: its keys look like data, and no type holds most of its values."

#: Values that no column holds, and their JSON types.
_MISFITS = {"misfit text": "string", "misfit integer": "integer", "misfit number": "number"}
#: JSON types of the kinds with another name.
_EMPTY_KINDS = ("null", "empty object", "empty array")
TEXT_KINDS = ("string", "date-time", "date")
JSON_TYPES = {
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
                notes.append(f"{name}: no column for {first_few(without, _SHOWN)}: kept in _rescued")
            count = sum(1 for _ in _typed_paths(self._schema(name, shape)))
            if count > _MANY_FIELDS:
                notes.append(f"{name}: {count:,} columns, more than {_MANY_FIELDS}: is one of its objects a map?")
        return notes

    @property
    def _taken_names(self) -> frozenset[str]:
        return RESERVED_COLUMNS | {key.lower() for key in self.envelope.path_columns}

    def _schema(self, name: str, shape: Shape) -> dict[str, Any]:
        payload = {key: below for key, below in shape.fields.items() if key not in self.envelope.consumed}
        return {
            "title": name,
            "description": f"Drafted from {counted(shape.seen, 'event')}.",
            "type": "object",
            **draft_properties(payload, shape.objects, self._taken_names, in_array=False)[0],
        }


def _without_type(fields: Mapping[str, Shape], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of each field that has values and no column, and why."""
    identifiers = identifier_keys(fields)
    for key, shape in fields.items():
        subpath = f"{path}.{key}" if path else key
        if not content_of(shape):
            continue
        if ESCAPED.search(key):
            yield subpath, "its key has to be escaped"
        elif key in identifiers:
            yield subpath, "its key looks like data"
        elif is_map(shape):
            if not is_typed(draft_definition(shape, in_array=False)[0]):
                yield subpath, "its keys look like data, and its values have no type in common"
        elif 2 * content_of(shape)["object"] > content_of(shape).total():
            yield from _without_type(shape.fields, subpath)
        elif not is_typed(draft_definition(shape, in_array=False)[0]):
            yield subpath, _mixture(shape)


def _mixture(shape: Shape) -> str:
    """Say which types the values have."""
    content = content_of(shape)
    types: Counter[str] = Counter()
    for kind, number in content.items():
        types[JSON_TYPES.get(kind, kind)] += number
    if len(types) == 1 and "misfit" not in " ".join(content):
        return f"{next(iter(types))} of mixed items" if shape.item else next(iter(types))
    return ", ".join(f"{name} {number / content.total():.0%}" for name, number in types.most_common())


def _typed_paths(schema: Mapping[str, Any]) -> Iterator[None]:
    for definition in schema.get("properties", {}).values():
        if is_typed(definition):
            yield None
            yield from _typed_paths(definition.get("items", definition))


def draft_properties(
    fields: Mapping[str, Shape], parents: int, reserved: frozenset[str], *, in_array: bool
) -> tuple[dict[str, Any], int]:
    """Return the `properties` of a schema, and an upper bound of the number of values that do not fit their columns."""
    names = UniqueNames(reserved)
    properties: dict[str, Any] = {}
    lost = 0
    without_type = {key for key in fields if ESCAPED.search(key)} | identifier_keys(fields)
    # A valid key is its own name; of two that differ only in case, the more frequent one.
    for key, shape in sorted(fields.items(), key=lambda pair: (not is_column_name(pair[0]), -pair[1].seen)):
        definition, lost_below = (
            ({}, content_of(shape).total()) if key in without_type else draft_definition(shape, in_array=in_array)
        )
        lost += lost_below
        if is_typed(definition):
            name = names.free(key)
            if name != key:
                definition = {**definition, "x-column": name}
        properties[key] = definition
    required = [key for key in fields if fields[key].seen == parents]
    return {
        "properties": {key: properties[key] for key in fields},
        **({"required": required} if required else {}),
    }, lost


def is_typed(definition: Mapping[str, Any]) -> bool:
    """Return whether a drafted property has a column."""
    types = {definition.get("type")} if isinstance(definition.get("type"), str) else set(definition.get("type", ()))
    if "object" in types:
        return "x-map" in definition or any(map(is_typed, definition.get("properties", {}).values()))
    return is_typed(definition.get("items", {})) if "array" in types else bool(types - {"null"})


def content_of(shape: Shape) -> Counter[str]:
    """Count the values that are not empty, by kind."""
    return Counter({kind: number for kind, number in shape.kinds.items() if kind not in _EMPTY_KINDS})


def draft_definition(shape: Shape, *, in_array: bool) -> tuple[dict[str, Any], int]:
    """Return the schema of a path, and an upper bound of the number of its values that do not fit."""
    content = content_of(shape)
    if not content:
        return _empty_definition(shape, in_array=in_array), 0
    type_name, kinds = _most_frequent_type(content)
    definition, lost = _typed_definition(shape, type_name, in_array=in_array)
    fitting = sum(content[kind] for kind in kinds) - (0 if in_array or type_name != "array" else lost)
    if 2 * fitting <= content.total() or not is_typed(definition):
        return ({"description": _MAP} if type_name == "object" and is_map(shape) else {}), content.total()
    others = shape.kinds.keys() - kinds - {"null"}
    mixed = {JSON_TYPES.get(kind, kind) for kind in others} | ({type_name} if type_name == "array" and lost else set())
    if shape.kinds["null"]:
        definition["type"] = [type_name, "null"]
    if mixed and not in_array:
        definition["x-mixed"] = sorted(mixed)
    return definition, lost + sum(shape.kinds[kind] for kind in others)


def _typed_definition(shape: Shape, type_name: str, *, in_array: bool) -> tuple[dict[str, Any], int]:
    """Return the schema for values of one type, and an upper bound of the number that do not fit."""
    if type_name == "object":
        return _map_definition(shape, in_array=in_array) or _object_definition(shape, in_array=in_array)
    if type_name == "array" and shape.item:
        items, lost = draft_definition(shape.item, in_array=True)
        return {"type": "array", "items": items}, lost
    kinds = content_of(shape).keys() & set(TEXT_KINDS)
    if type_name == "string" and kinds in ({"date-time"}, {"date"}):
        return {"type": "string", "format": kinds.pop()}, 0
    return {"type": type_name}, 0


def _object_definition(shape: Shape, *, in_array: bool) -> tuple[dict[str, Any], int]:
    below, lost = draft_properties(shape.fields, shape.objects, frozenset(), in_array=in_array)
    return {"type": "object", **below}, lost


def _map_definition(shape: Shape, *, in_array: bool) -> tuple[dict[str, Any], int] | None:
    """Return the map schema of an object whose keys are data (without a type if it has no values), or None."""
    if not is_map(shape) and not has_many_keys(shape):
        return None
    values, lost = draft_definition(value_shape(shape), in_array=in_array)
    if not is_map(shape) and (lost or not is_typed(values)):
        return None
    return {"type": "object", **({"x-map": True, "additionalProperties": values} if is_typed(values) else {})}, lost


def _most_frequent_type(content: Counter[str]) -> tuple[str, set[str]]:
    """Return the most frequent JSON type, and its kinds."""
    # Both number and integer hold small integers.
    number = (
        ("number", {"number", "integer"})
        if content["number"] >= max(content["long"], 1)
        else ("integer", {"integer", "long"})
    )
    types = [
        ("boolean", {"boolean"}),
        number,
        ("string", set(TEXT_KINDS)),
        ("object", {"object", "empty object"}),
        ("array", {"array", "empty array"}),
    ]
    return max(types, key=lambda pair: sum(content[kind] for kind in pair[1]))


def _empty_definition(shape: Shape, *, in_array: bool) -> dict[str, Any]:
    """Return the schema of a path whose values were all empty."""
    if shape.kinds["empty array"] > shape.kinds["empty object"]:
        return {"type": _with_null("array", shape)}
    if shape.kinds["empty object"]:
        below, _ = draft_properties(shape.fields, shape.objects, frozenset(), in_array=in_array)
        return {"type": _with_null("object", shape), **(below if shape.fields and not is_map(shape) else {})}
    return {"type": "null"}


def _with_null(name: str, shape: Shape) -> str | list[str]:
    return [name, "null"] if shape.kinds["null"] else name
