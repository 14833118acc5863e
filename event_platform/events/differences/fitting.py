"""The schema of a property, changed so that it holds what arrives as well: the least change that loses nothing.

Integers and other numbers are numbers; dates and timestamps are timestamps; other scalars are strings; objects,
arrays and maps get what is new in them. Values of other types have only a variant in common.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from event_platform.events.column_definitions import has_personal
from event_platform.events.column_history import READ
from event_platform.events.column_names import UniqueNames, is_column_name
from event_platform.events.columns import ESCAPED, Column, Kind, typed
from event_platform.events.draft import JSON_TYPES, TEXT_KINDS, content_of, draft_definition, is_typed
from event_platform.events.evolution.widening import earlier_type, is_wider
from event_platform.events.rescue import MOMENTS
from event_platform.events.shapes import Shape, identifier_keys, is_map, value_shape

Definition = dict[str, Any]

#: Kinds of values (of `Shape`) that each type holds.
_HELD: dict[Kind, set[str]] = {
    Kind.INTEGER: {"integer", "long"},
    Kind.NUMBER: {"integer", "number"},
    Kind.BOOLEAN: {"boolean"},
    Kind.STRING: set(TEXT_KINDS),
    Kind.DATE: {"date"},
    Kind.DATE_TIME: {"date-time"},
}
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
_EMPTY = {"empty array": "array", "empty object": "object"}
_HOLDS_EMPTY = {"empty array": {Kind.ARRAY}, "empty object": {Kind.OBJECT, Kind.MAP}}


def fit(column: Column, definition: Mapping[str, Any], shape: Shape, *, has_long: bool) -> Definition | None:
    """Return the schema of a property that holds the values of a shape as well; None if only a variant does.

    A column gets the type in place: it is wider. `has_long` says whether an integer column has values that a number
    would change.
    """
    empty = {key: name for key, name in _EMPTY.items() if shape.kinds[key] and column.kind not in _HOLDS_EMPTY[key]}
    kinds = Counter({kind: seen for kind, seen in shape.kinds.items() if kind not in empty})
    found = _fit(column, definition, replace(shape, kinds=kinds), has_long=has_long)
    if found is None:
        return None
    if empty:  # nothing is lost with it, and no column has it beside its values
        found["x-mixed"] = sorted({*empty.values(), *found.get("x-mixed", ())})
    return found


def as_variant(definition: Mapping[str, Any], shape: Shape) -> Definition:
    """Return the schema of a property whose column has the JSON text of every value."""
    declared = definition.get("type", [])
    types = {declared} if isinstance(declared, str) else set(declared)
    types |= {JSON_TYPES.get(kind, kind) for kind in shape.kinds}
    kept = {key: value for key, value in definition.items() if key not in _OF_TYPE}
    half = {"x-mixed": sorted(types - {"null"})} if _has_half(shape) else {}
    personal = {"x-personal": True} if has_personal(definition) else {}  # its text has the values of all that is in it
    return {**kept, **personal, "type": sorted(types), "x-variant": True, **half}


def _has_half(shape: Shape) -> bool:
    """Return whether there is half of an emoji in a value, which no text holds."""
    below = [*shape.fields.values(), *filter(None, (shape.item, shape.value))]
    return shape.kinds["misfit text"] > 0 or any(map(_has_half, below))


def is_empty_draft(definition: Mapping[str, Any]) -> bool:
    """Return whether a schema says only that a property is null, `{}` or `[]`: it was drafted before it had a value."""
    declared = definition.get("type")
    types = {declared} if isinstance(declared, str) else set(declared or ())
    if not types or len(types - {"null"}) > 1 or not types <= {"null", "object", "array"}:
        return False
    if definition.keys() & {"items", "additionalProperties", "x-variant"}:
        return False
    return all(isinstance(each, Mapping) and is_empty_draft(each) for each in definition.get("properties", {}).values())


def without_required(definition: Mapping[str, Any]) -> Definition:
    """Return a drafted schema that requires nothing, at any depth: it was drafted from a sample."""
    found = {key: value for key, value in definition.items() if key != "required"}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), Mapping):
            found[key] = without_required(found[key])
    if "properties" in found:
        found["properties"] = {key: without_required(below) for key, below in found["properties"].items()}
    return found


def _fit(column: Column, definition: Mapping[str, Any], shape: Shape, *, has_long: bool = False) -> Definition | None:
    kinds = shape.kinds.keys() - {"null"}
    if not kinds:
        return dict(definition)
    match column.kind:
        case Kind.UNTYPED:
            found = draft_whole(shape, in_array=True)  # what has no column leaves the whole array without
            return {**definition, **found} if has_column(found) and is_empty_draft(definition) else None
        case Kind.OBJECT:
            return _fit_object(column, definition, shape) if kinds <= {"object", "empty object"} else None
        case Kind.MAP:
            return _fit_item(
                column, definition, "additionalProperties", value_shape(shape), kinds <= {"object", "empty object"}
            )
        case Kind.ARRAY:
            return _fit_item(column, definition, "items", shape.item or Shape(), kinds <= {"array", "empty array"})
        case _:
            return _fit_scalar(column, definition, kinds, has_long=has_long)


def _fit_scalar(column: Column, definition: Mapping[str, Any], kinds: set[str], *, has_long: bool) -> Definition | None:
    if kinds <= _HELD.get(column.kind, set()):
        return dict(definition)
    if column.kind is Kind.INTEGER and kinds <= _HELD[Kind.NUMBER] and not has_long:
        return _retyped(definition, "number")
    if column.kind in MOMENTS and kinds <= {"date", "date-time"}:
        return {**definition, "format": "date-time", "x-was-type": ["date"]}
    return _fit_text(column, definition, kinds)


def _fit_text(column: Column, definition: Mapping[str, Any], kinds: set[str]) -> Definition | None:
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
    return (kept if is_text else _retyped(kept, "string")) | ({"x-was-type": sorted(read)} if read else {})


def _retyped(definition: Mapping[str, Any], name: str) -> Definition:
    """Return a schema of another type, without the format of the one before."""
    kept = {key: value for key, value in definition.items() if key != "format"}
    return {**kept, "type": [name, "null"] if "null" in definition.get("type", ()) else name}


def draft_fields(fields: Mapping[str, Shape], names: UniqueNames, *, in_array: bool) -> dict[str, Definition]:
    """Return schemas for new fields of an object, with columns of free names: each has a place for all values."""
    order = sorted(fields, key=lambda key: (not is_column_name(key), -fields[key].seen))
    found = {
        key: _with_name(key, {} if ESCAPED.search(key) else draft_whole(fields[key], in_array=in_array), names)
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
    misplaced = sorted(name for key, name in _EMPTY.items() if shape.kinds[key] and name != whole.get("type"))
    if "x-variant" in whole or not misplaced:
        return whole
    return as_variant({}, shape) if in_array else {**whole, "x-mixed": misplaced}


def _draft_mixture(shape: Shape, *, in_array: bool) -> Definition:
    """Return a schema for values that `draft` has no one type for."""
    kinds = set(content_of(shape))
    if kinds == {"object"}:
        found = _draft_object(shape, in_array=in_array)
    elif kinds == {"array"} and shape.item and not _has_half(shape):
        found = {"type": "array", "items": draft_whole(shape.item, in_array=True)}
    else:
        found = _fit_text(Column("", "", Kind.STRING), {"type": "string"}, kinds) or {}
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


def _fit_item(
    column: Column,
    definition: Mapping[str, Any],
    key: str,
    shape: Shape,
    is_same: bool,  # noqa: FBT001 - of a match
) -> Definition | None:
    if not is_same or column.item is None:
        return None
    found = _fit(column.item, definition[key], shape)
    return None if found is None else {**definition, key: found}


def _fit_object(column: Column, definition: Mapping[str, Any], shape: Shape) -> Definition | None:
    """Return the schema of objects in an array or map: each of their fields must have a place."""
    known = {each.field: each for each in column.fields}
    taken = {each.name.casefold() for each in typed(column.fields)}
    properties, names = dict(definition["properties"]), UniqueNames(frozenset(taken))
    for key in [key for key in shape.fields if key in known]:
        found = _fit(known[key], properties[key], shape.fields[key])
        if found is None and known[key].kind in (Kind.UNTYPED, Kind.VARIANT):
            return None
        found = found or as_variant(properties[key], shape.fields[key])
        properties[key] = _with_name(key, found, names) if known[key].kind is Kind.UNTYPED else found
    new = {key: below for key, below in shape.fields.items() if key not in known and content_of(below)}
    if shape.value or any(map(ESCAPED.search, new)) or _has_half(shape):
        return None
    return {**definition, "properties": {**properties, **draft_fields(new, names, in_array=True)}}


def _with_name(key: str, definition: Definition, names: UniqueNames) -> Definition:
    """Give a new property that has a column a name that is free."""
    name = names.free(key) if has_column(definition) else key
    return definition if name == key else {**definition, "x-column": name}
