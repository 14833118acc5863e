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

#: Keywords that identify a schema or its parts. They are not exported, and neither are those of the platform (x-…).
_EXCLUDED_KEYWORDS = {"$anchor", "$defs", "$dynamicAnchor", "$id", "$schema"}

#: Keywords beside which `type` does not decide whether null is valid.
_COMBINING_KEYWORDS = {"allOf", "anyOf", "const", "not", "oneOf", "if"}

#: Values that count as absent in an id or a name.
_ABSENT_VALUES = [None, ""]

#: The definition of empty values: null, an array without items, an object without fields. No key begins with `_`.
_EMPTY_VALUE = "_nothing"

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
        **_name_schema(envelope, [name for each in types for name in each.names]),
        **({"allOf": [_type_rule(envelope, each) for each in types]} if types else {}),
        "$defs": {
            each.key: _with_envelope(envelope, each.names, _object(each.columns, files.documents[each.name]))
            for each in types
        }
        | {_EMPTY_VALUE: _empty_value()},
    }


def _type_rule(envelope: Envelope, event_type: EventType) -> Schema:
    return {"if": _name_schema(envelope, event_type.names), "then": {"$ref": f"#/$defs/{event_type.key}"}}


def _empty_value() -> Schema:
    inside = {"$ref": f"#/$defs/{_EMPTY_VALUE}"}
    return {"type": ["null", "array", "object"], "maxItems": 0, "additionalProperties": inside}


def _object(columns: Iterable[Column], definition: Mapping[str, Any]) -> Schema:
    """Return the schema of an object with these columns; other properties must be empty."""
    properties = {column.field: _property(column, definition["properties"][column.field]) for column in columns}
    required = [column.field for column in columns if _is_required(column)]
    keywords = {key: value for key, value in _record_keywords(definition).items() if key != "required"}
    object_keywords = {
        "type": "object",
        "properties": properties,
        "additionalProperties": {"$ref": f"#/$defs/{_EMPTY_VALUE}"},
    }
    return keywords | object_keywords | ({"required": required} if required else {})


def _is_required(column: Column) -> bool:
    """Return whether a missing value is a fault. Properties without a column are not checked."""
    return column.constraints.required and column.kind is not Kind.UNTYPED


def _property(column: Column, definition: Any) -> Schema:
    """Return the schema of a property, nullable if it is not required."""
    if not isinstance(definition, Mapping):  # true or false, which the tables ignore
        return {}
    schema = _value(column, definition)
    if column.mixed:
        schema = {"anyOf": [schema, {"type": sorted(column.mixed)}]}
    return schema if _is_required(column) else _or_null(schema)


def _value(column: Column, definition: Mapping[str, Any]) -> Schema:
    if column.kind is Kind.OBJECT:
        return _object(column.fields, definition)
    if column.item is None:
        return _record_keywords(definition)
    keyword = "additionalProperties" if column.kind is Kind.MAP else "items"
    return _record_keywords(definition) | {keyword: _property(column.item, definition[keyword])}


def _record_keywords(definition: Mapping[str, Any]) -> Schema:
    """Return the keywords to export, as a copy: fields of the envelope are added to it later."""
    keywords = {
        key: value for key, value in definition.items() if key not in _EXCLUDED_KEYWORDS and not key.startswith("x-")
    }
    return deepcopy(keywords)


def _or_null(schema: Schema) -> Schema:
    """Return a schema that is valid for null as well."""
    if _COMBINING_KEYWORDS.intersection(schema):
        return {"anyOf": [schema, {"type": "null"}]}
    changes: Schema = {}
    if "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        changes["type"] = [*types, *(["null"] if "null" not in types else [])]
    if "enum" in schema:
        changes["enum"] = [*schema["enum"], *([None] if None not in schema["enum"] else [])]
    return schema | changes


def _with_envelope(envelope: Envelope, names: Sequence[str], schema: Schema) -> Schema:
    """Add the fields of the envelope, with the names that an event of this type can have."""
    identifier: Schema = {"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_UUID_LENGTH}
    for path in envelope.event_uuid:
        _add_field(
            schema,
            path,
            {"not": {"enum": _ABSENT_VALUES}} if envelope.is_hashed else _with_description("event_uuid", identifier),
        )
    for path in envelope.event_name:
        text = {"type": ["string", "integer", "null"], "maxLength": MAX_NAME_LENGTH}
        _add_field(schema, path, _with_description("event_name", text), is_required=False)
    _add_field(schema, envelope.created_at, _with_description("created_at", _time(envelope)))
    name_rule = _name_schema(envelope, names)
    return schema | ({"allOf": [*schema.get("allOf", []), name_rule]} if name_rule else {})


def _with_description(column: str, schema: Schema) -> Schema:
    return {"description": EVENT_COLUMNS[column].comment} | schema


def _time(envelope: Envelope) -> Schema:
    number: Schema = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": NUMBER.pattern}]}
    if envelope.unit.is_text:
        return {"type": "string", "minLength": 1}
    return number if envelope.unit.per_second is not None else {"type": ["number", "string"]}


def _add_field(schema: Schema, path: FieldPath, rules: Schema, *, is_required: bool = True) -> None:
    """Add a field to an object, or to a nested one; rules of the catalog for it stay."""
    key, *rest = path
    properties = schema.setdefault("properties", {})
    if rest:
        inner = properties.setdefault(key, {})
        if is_required:
            inner["type"] = "object"
        _add_field(inner, tuple(rest), rules, is_required=is_required)
    else:
        existing = properties.get(key)
        properties[key] = {"allOf": [existing, rules]} if existing else rules
    if is_required and key not in schema.get("required", ()):
        schema["required"] = [*schema.get("required", ()), key]


def _name_schema(envelope: Envelope, names: Iterable[str]) -> Schema:
    """Return a schema that accepts the events with these names."""
    paths, prefix = envelope.event_name, envelope.name_prefix
    if not paths:
        return {} if prefix in names else {"not": {}}
    if len(paths) == 1 and not prefix:
        return _at_path(paths[0], {"enum": [value for name in names for value in _values(name)]})
    name_start = f"{prefix}:" if prefix else ""
    suffixes = (name.removeprefix(name_start) for name in names if name.startswith(name_start))
    alternatives = [{"allOf": rules} for name in suffixes for rules in _splits(name.split(":"), paths)]
    return {"anyOf": alternatives} if alternatives else {"not": {}}


def _splits(parts: Sequence[str], paths: Sequence[FieldPath]) -> Iterator[list[Schema]]:
    """Yield each distribution of a name's parts over fields, one or more parts per field; other fields are absent."""
    if not paths:
        if not parts:
            yield []
        return
    for rest in _splits(parts, paths[1:]):
        yield [_absent_schema(paths[0]), *rest]
    for count in range(1, len(parts) + 1):
        value = ":".join(parts[:count])
        if value:  # an empty part counts as absent
            field = _at_path(paths[0], {"enum": list(_values(value))})
            yield from ([field, *rest] for rest in _splits(parts[count:], paths[1:]))


def _values(text: str) -> Iterator[str | int]:
    """Yield the values that are read as this text: the text, and an integer that is written so."""
    yield text
    if text.isascii() and text.removeprefix("-").isdecimal() and str(int(text)) == text:
        yield int(text)


def _at_path(path: FieldPath, schema: Schema) -> Schema:
    """Return a schema of an object that has a valid value at a path."""
    key, *rest = path
    inner = _at_path(tuple(rest), schema) if rest else schema
    return {"type": "object", "properties": {key: inner}, "required": [key]}


def _absent_schema(path: FieldPath) -> Schema:
    """Return a schema of an object that has no value at a path."""
    key, *rest = path
    return {"properties": {key: _absent_schema(tuple(rest)) if rest else {"enum": _ABSENT_VALUES}}}
