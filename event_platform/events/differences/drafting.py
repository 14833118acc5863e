"""Schemas for new fields and values, with a place for all of them.

Unlike a draft of a whole catalog, which leaves a few values of other types in `_rescued`: these are there, and to be
accepted. Texts, numbers and booleans are texts; values of other types are variants, each field of an object by itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from event_platform.events.column_definitions import has_personal
from event_platform.events.column_history import READ
from event_platform.events.column_names import UniqueNames, is_column_name
from event_platform.events.columns import ESCAPED, Column, Kind
from event_platform.events.draft import JSON_TYPES, TEXT_KINDS, content_of, draft_definition, is_typed
from event_platform.events.evolution.widening import earlier_type, is_wider
from event_platform.events.rescue import MOMENTS
from event_platform.events.shapes import Shape, identifier_keys, is_map, value_shape

Definition = dict[str, Any]

#: Keywords of a type that a variant does not have.
_OF_TYPE = {
    "type",
    "format",
    "items",
    "properties",
    "required",
    "additionalProperties",
    "x-decimal",
    "x-map",
    "x-mixed",
    "x-was-type",
}
#: Rules of numbers and booleans, which say nothing of the text that each is in JSON.
_OF_VALUES = {"minimum", "maximum", "enum", "x-decimal"}
#: Empty values, and the types that hold them.
EMPTY = {"empty array": "array", "empty object": "object"}


def as_variant(definition: Mapping[str, Any], shape: Shape) -> Definition:
    """Return the schema of a property whose column has the JSON text of every value."""
    types = types_of(definition) | {JSON_TYPES.get(kind, kind) for kind in shape.kinds}
    kept = {key: value for key, value in definition.items() if key not in _OF_TYPE}
    half = {"x-mixed": sorted(types - {"null"})} if has_half(shape) else {}
    personal = {"x-personal": True} if has_personal(definition) else {}  # its text has the values of all that is in it
    names = sorted(types)
    return {**kept, **personal, "type": names if names[1:] else names[0], "x-variant": True, **half}


def has_half(shape: Shape) -> bool:
    """Return whether there is half of an emoji in a value, which no text holds."""
    below = [*shape.fields.values(), *filter(None, (shape.item, shape.value))]
    return shape.kinds["misfit text"] > 0 or any(map(has_half, below))


def draft_fields(fields: Mapping[str, Shape], names: UniqueNames, *, in_array: bool) -> dict[str, Definition]:
    """Return schemas for new fields of an object, with columns of free names: each has a place for all values."""
    order = sorted(fields, key=lambda key: (not is_column_name(key), -fields[key].seen))
    found = {
        key: with_name(key, {} if ESCAPED.search(key) else draft_whole(fields[key], in_array=in_array), names)
        for key in order
    }
    return {key: found[key] for key in fields}


def draft_whole(shape: Shape, *, in_array: bool) -> Definition:
    """Return a schema for new values that has a place for all of them; without a type where all are empty.

    Unlike that of `draft`, which leaves a few values of other types in `_rescued`: they are there, and to be accepted.
    """
    content = content_of(shape)
    found, lost = draft_definition(replace(shape, kinds=content), in_array=True)
    if not content:
        return without_required(draft_definition(shape, in_array=in_array)[0])
    whole = without_required(found) if has_column(found) and not lost else _draft_mixture(shape, in_array=in_array)
    misplaced = sorted(name for key, name in EMPTY.items() if shape.kinds[key] and name != whole.get("type"))
    if "x-variant" in whole or not misplaced:
        return whole
    return as_variant({}, shape) if in_array else {**whole, "x-mixed": misplaced}


def empty_types(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Return the types of empty values that a property had before its first type, which has no place for them."""
    return {*EMPTY.values()} & types_of(old) - types_of(new) if "x-variant" not in new else set()


def types_of(definition: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a schema declares."""
    declared = definition.get("type", [])
    return {declared} if isinstance(declared, str) else set(declared)


def _draft_mixture(shape: Shape, *, in_array: bool) -> Definition:
    """Return a schema for values that `draft` has no one type for."""
    kinds = set(content_of(shape))
    if kinds == {"object"}:
        found = _draft_object(shape, in_array=in_array)
    elif kinds == {"array"} and shape.item and not has_half(shape):
        found = {"type": "array", "items": draft_whole(shape.item, in_array=True)}
    else:
        found = fit_text(Column("", "", Kind.STRING), {"type": "string"}, kinds) or {}
    return found if has_column(found) else as_variant({}, shape)


def _draft_object(shape: Shape, *, in_array: bool) -> Definition:
    if is_map(shape):
        values = draft_whole(value_shape(shape), in_array=in_array)
        return {"type": "object", "x-map": True, "additionalProperties": values} if has_column(values) else {}
    data = identifier_keys(shape.fields)
    untyped = {key for key, below in shape.fields.items() if (key in data or ESCAPED.search(key)) and content_of(below)}
    if in_array and untyped:  # what has no column leaves the whole array without
        return {}
    fields = {key: below for key, below in shape.fields.items() if key not in data}
    return {"type": "object", "properties": draft_fields(fields, UniqueNames(frozenset()), in_array=in_array)}


def has_column(definition: Mapping[str, Any]) -> bool:
    """Return whether a property with this schema has a column."""
    if "x-variant" in definition:
        return True
    if definition.get("type") == "object" and "x-map" not in definition:
        return any(map(has_column, definition.get("properties", {}).values()))
    return has_column(definition.get("items", {})) if definition.get("type") == "array" else is_typed(definition)


def without_required(definition: Mapping[str, Any]) -> Definition:
    """Return a drafted schema that requires nothing, at any depth: it was drafted from a sample."""
    found = {key: value for key, value in definition.items() if key != "required"}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), Mapping):
            found[key] = without_required(found[key])
    if "properties" in found:
        found["properties"] = {key: without_required(below) for key, below in found["properties"].items()}
    return found


def fit_text(column: Column, definition: Mapping[str, Any], kinds: set[str]) -> Definition | None:
    """Return the schema of a text that reads values of other types as their text in JSON; None if it cannot."""
    is_text = column.kind is Kind.STRING
    earlier = column.was_types if is_text else [earlier_type(Kind.STRING, column.kind)]
    read = {JSON_TYPES.get(kind, kind) for kind in kinds - {*TEXT_KINDS}} | {*filter(None, earlier)}
    if not (is_text or is_wider(Kind.STRING, column.kind)) or "misfit text" in kinds or not read <= {*READ["string"]}:
        return None
    if "number" in read:  # integers are numbers
        read.discard("integer")
    left_out = {"x-was-type"} if is_text or column.kind in MOMENTS else {"x-was-type", *_OF_VALUES}
    kept = {key: value for key, value in definition.items() if key not in left_out}
    return (kept if is_text else retyped(kept, "string")) | ({"x-was-type": sorted(read)} if read else {})


def retyped(definition: Mapping[str, Any], name: str) -> Definition:
    """Return a schema of another type, without the format of the one before."""
    kept = {key: value for key, value in definition.items() if key != "format"}
    return {**kept, "type": [name, "null"] if "null" in definition.get("type", ()) else name}


def with_name(key: str, definition: Definition, names: UniqueNames) -> Definition:
    """Give a new property that has a column a name that is free."""
    name = names.free(key) if has_column(definition) else key
    return definition if name == key else {**definition, "x-column": name}
