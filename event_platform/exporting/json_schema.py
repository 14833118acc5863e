"""A catalog → one JSON Schema (2020-12) that accepts exactly the records that are events of the catalog.

A record is read by the envelope, and must be valid for the schema in `$defs` that its name selects. As in the tables, a
property that is not required may be null, and a field that the schema does not know is a fault unless it is empty.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind
from event_platform.events.corruption import MAX_NAME_LENGTH, MAX_UUID_LENGTH
from event_platform.events.envelope import NUMBER, Envelope, FieldPath
from event_platform.events.event import EVENT_COLUMNS
from event_platform.events.evolution.catalogs import CatalogFiles

_MARKER = "Written by `event-platform export jsonschema`: do not edit, export again."

#: Keywords to leave out: those of the platform, and those that identify the schema or parts of it.
_NAMES = {"$anchor", "$defs", "$dynamicAnchor", "$id", "$schema"}

#: Keywords beside which `type` does not decide whether null is valid.
_COMBINED = {"allOf", "anyOf", "const", "not", "oneOf", "if"}

#: What counts as absent in an id or a name.
_EMPTY = [None, ""]

#: The definition of empty values: null, an array without items, an object without fields. No key begins with `_`.
_NOTHING = "_nothing"

Schema = dict[str, Any]


def bundle_text(files: CatalogFiles) -> str:
    """Return the schema of a catalog as text."""
    return json.dumps(bundle(files), ensure_ascii=False, indent=2) + "\n"


def bundle(files: CatalogFiles) -> Schema:
    """Return the schema of a catalog: the types in the order of their keys."""
    envelope = files.catalog.envelope
    types = sorted(files.catalog.event_types, key=lambda each: each.key)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": _MARKER,
        "title": "Event",
        "description": "A record of the stream: an event of one of the types of the catalog.",
        "type": "object",
        **_is_named(envelope, [name for each in types for name in each.names]),
        **({"allOf": [_of_type(envelope, each) for each in types]} if types else {}),
        "$defs": {
            each.key: _with_envelope(envelope, each.names, _object(each.columns, files.documents[each.name]))
            for each in types
        }
        | {_NOTHING: _nothing()},
    }


def _of_type(envelope: Envelope, event_type: EventType) -> Schema:
    return {"if": _is_named(envelope, event_type.names), "then": {"$ref": f"#/$defs/{event_type.key}"}}


def _nothing() -> Schema:
    inside = {"$ref": f"#/$defs/{_NOTHING}"}
    return {"type": ["null", "array", "object"], "maxItems": 0, "additionalProperties": inside}


def _object(columns: Iterable[Column], definition: Mapping[str, Any]) -> Schema:
    """Return the schema of an object with these columns; other properties must be empty."""
    properties = {column.field: _property(column, definition["properties"][column.field]) for column in columns}
    required = [column.field for column in columns if _is_required(column)]
    kept = {key: value for key, value in _kept(definition).items() if key != "required"}
    closed = {"type": "object", "properties": properties, "additionalProperties": {"$ref": f"#/$defs/{_NOTHING}"}}
    return kept | closed | ({"required": required} if required else {})


def _is_required(column: Column) -> bool:
    """Return whether a missing value is a fault. Properties without a column are not checked."""
    return column.constraints.required and column.kind is not Kind.UNTYPED


def _property(column: Column, definition: Any) -> Schema:
    """Return the schema of a property, nullable if it is not required."""
    if not isinstance(definition, Mapping):  # true or false, of which the tables take no notice
        return {}
    schema = _value(column, definition)
    if column.mixed:
        schema = {"anyOf": [schema, {"type": sorted(column.mixed)}]}
    return schema if _is_required(column) else _or_null(schema)


def _value(column: Column, definition: Mapping[str, Any]) -> Schema:
    if column.kind is Kind.OBJECT:
        return _object(column.fields, definition)
    if column.item is None:
        return _kept(definition)
    keyword = "additionalProperties" if column.kind is Kind.MAP else "items"
    return _kept(definition) | {keyword: _property(column.item, definition[keyword])}


def _kept(definition: Mapping[str, Any]) -> Schema:
    """Return a copy of the keywords to keep, to which fields of the envelope are added."""
    kept = {key: value for key, value in definition.items() if key not in _NAMES and not key.startswith("x-")}
    return deepcopy(kept)


def _or_null(schema: Schema) -> Schema:
    """Return a schema that is valid for null as well."""
    if _COMBINED.intersection(schema):
        return {"anyOf": [schema, {"type": "null"}]}
    changed: Schema = {}
    if "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        changed["type"] = [*types, *(["null"] if "null" not in types else [])]
    if "enum" in schema:
        changed["enum"] = [*schema["enum"], *([None] if None not in schema["enum"] else [])]
    return schema | changed


def _with_envelope(envelope: Envelope, names: Sequence[str], schema: Schema) -> Schema:
    """Add the fields of the envelope, with the names that an event of this type can have."""
    identifier: Schema = {"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_UUID_LENGTH}
    for path in envelope.event_uuid:
        _put(schema, path, {"not": {"enum": _EMPTY}} if envelope.is_hashed else _described("event_uuid", identifier))
    for path in envelope.event_name:
        text = {"type": ["string", "integer", "null"], "maxLength": MAX_NAME_LENGTH}
        _put(schema, path, _described("event_name", text), is_required=False)
    _put(schema, envelope.created_at, _described("created_at", _time(envelope)))
    named = _is_named(envelope, names)
    return schema | ({"allOf": [*schema.get("allOf", []), named]} if named else {})


def _described(column: str, schema: Schema) -> Schema:
    return {"description": EVENT_COLUMNS[column].comment} | schema


def _time(envelope: Envelope) -> Schema:
    number: Schema = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": NUMBER.pattern}]}
    if envelope.unit.is_text:
        return {"type": "string", "minLength": 1}
    return number if envelope.unit.per_second is not None else {"type": ["number", "string"]}


def _put(schema: Schema, path: FieldPath, rules: Schema, *, is_required: bool = True) -> None:
    """Add a field to an object, or to a nested one; rules of the catalog for it are kept."""
    key, *below = path
    properties = schema.setdefault("properties", {})
    if below:
        inner = properties.setdefault(key, {})
        if is_required:
            inner["type"] = "object"
        _put(inner, tuple(below), rules, is_required=is_required)
    else:
        known = properties.get(key)
        properties[key] = {"allOf": [known, rules]} if known else rules
    if is_required and key not in schema.get("required", ()):
        schema["required"] = [*schema.get("required", ()), key]


def _is_named(envelope: Envelope, names: Iterable[str]) -> Schema:
    """Return a schema that accepts the events with these names."""
    paths, prefix = envelope.event_name, envelope.name_prefix
    if not paths:
        return {} if prefix in names else {"not": {}}
    if len(paths) == 1 and not prefix:
        return _at(paths[0], {"enum": [value for name in names for value in _values(name)]})
    before = f"{prefix}:" if prefix else ""
    behind = (name.removeprefix(before) for name in names if name.startswith(before))
    found = [{"allOf": rules} for name in behind for rules in _splits(name.split(":"), paths)]
    return {"anyOf": found} if found else {"not": {}}


def _splits(parts: Sequence[str], paths: Sequence[FieldPath]) -> Iterator[list[Schema]]:
    """Yield each distribution of a name's parts over fields, one or more parts per field; other fields are absent."""
    if not paths:
        if not parts:
            yield []
        return
    for rest in _splits(parts, paths[1:]):
        yield [_is_absent(paths[0]), *rest]
    for count in range(1, len(parts) + 1):
        value = ":".join(parts[:count])
        if value:  # an empty part counts as absent
            here = _at(paths[0], {"enum": list(_values(value))})
            yield from ([here, *rest] for rest in _splits(parts[count:], paths[1:]))


def _values(text: str) -> Iterator[str | int]:
    """Yield the values that are read as this text: an integer is as well."""
    yield text
    if text.isascii() and text.removeprefix("-").isdecimal() and str(int(text)) == text:
        yield int(text)


def _at(path: FieldPath, schema: Schema) -> Schema:
    """Return a schema of an object that has a valid value at a path."""
    key, *below = path
    inner = _at(tuple(below), schema) if below else schema
    return {"type": "object", "properties": {key: inner}, "required": [key]}


def _is_absent(path: FieldPath) -> Schema:
    """Return a schema of an object that has no value at a path."""
    key, *below = path
    return {"properties": {key: _is_absent(tuple(below)) if below else {"enum": _EMPTY}}}
