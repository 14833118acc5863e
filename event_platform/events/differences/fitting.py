"""The schema of a property, changed so that it holds what arrives as well: the least change that loses nothing.

Integers and other numbers are numbers; dates and timestamps are timestamps; other scalars are strings; objects,
arrays and maps get what is new in them. Values of other types have only a variant in common.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from event_platform.events.column_names import UniqueNames
from event_platform.events.columns import ESCAPED, Column, Kind, typed
from event_platform.events.differences.drafting import (
    EMPTY,
    Definition,
    as_variant,
    draft_fields,
    draft_whole,
    empty_types,
    fit_text,
    has_column,
    has_half,
    retyped,
    types_of,
    with_name,
)
from event_platform.events.draft import TEXT_KINDS, content_of
from event_platform.events.rescue import MOMENTS
from event_platform.events.shapes import Shape, value_shape

#: Kinds of values (of `Shape`) that each type holds.
_HELD: dict[Kind, set[str]] = {
    Kind.INTEGER: {"integer", "long"},
    Kind.NUMBER: {"integer", "number"},
    Kind.BOOLEAN: {"boolean"},
    Kind.STRING: set(TEXT_KINDS),
    Kind.DATE: {"date"},
    Kind.DATE_TIME: {"date-time"},
}
_HOLDS_EMPTY = {"empty array": {Kind.ARRAY}, "empty object": {Kind.OBJECT, Kind.MAP}}


def fit(column: Column, definition: Mapping[str, Any], shape: Shape, *, has_long: bool) -> Definition | None:
    """Return the schema of a property that holds the values of a shape as well; None if only a variant does.

    A column gets the type in place: it is wider. `has_long` says whether an integer column has values that a number
    would change.
    """
    empty = {key: name for key, name in EMPTY.items() if shape.kinds[key] and column.kind not in _HOLDS_EMPTY[key]}
    kinds = Counter({kind: seen for kind, seen in shape.kinds.items() if kind not in empty})
    found = _fit(column, definition, replace(shape, kinds=kinds), has_long=has_long)
    if found is None:
        return None
    if empty:  # nothing is lost with it, and no column has it beside its values
        found["x-mixed"] = sorted({*empty.values(), *found.get("x-mixed", ())})
    return found


def is_empty_draft(definition: Mapping[str, Any]) -> bool:
    """Return whether a schema says only that a property is null, `{}` or `[]`: it was drafted before it had a value."""
    types = types_of(definition)
    if not types or len(types - {"null"}) > 1 or not types <= {"null", "object", "array"}:
        return False
    if definition.keys() & {"items", "additionalProperties", "x-variant"}:
        return False
    return all(isinstance(each, Mapping) and is_empty_draft(each) for each in definition.get("properties", {}).values())


def _fit(column: Column, definition: Mapping[str, Any], shape: Shape, *, has_long: bool = False) -> Definition | None:
    kinds = shape.kinds.keys() - {"null"}
    if not kinds:
        return dict(definition)
    match column.kind:
        case Kind.UNTYPED:
            return _fit_untyped(definition, shape)
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


def _fit_untyped(definition: Mapping[str, Any], shape: Shape) -> Definition | None:
    """Return the schema of a property in an array that had no values: its column has the array whole, or not at all."""
    if not content_of(shape):
        return dict(definition)
    found = draft_whole(shape, in_array=True)
    if not (has_column(found) and is_empty_draft(definition)):
        return None
    return as_variant(definition, shape) if empty_types(definition, found) else {**definition, **found}


def _fit_scalar(column: Column, definition: Mapping[str, Any], kinds: set[str], *, has_long: bool) -> Definition | None:
    if kinds <= _HELD.get(column.kind, set()):
        return dict(definition)
    if column.kind is Kind.INTEGER and kinds <= _HELD[Kind.NUMBER] and not has_long:
        return retyped(definition, "number")
    if column.kind in MOMENTS and kinds <= {"date", "date-time"}:
        return {**definition, "format": "date-time", "x-was-type": ["date"]}
    return fit_text(column, definition, kinds)


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
    shape = _by_own_keys(column, shape)
    for key in [key for key in shape.fields if key in known]:
        found = _fit(known[key], properties[key], shape.fields[key])
        if found is None and known[key].kind in (Kind.UNTYPED, Kind.VARIANT):
            return None
        found = found or as_variant(properties[key], shape.fields[key])
        properties[key] = with_name(key, found, names) if known[key].kind is Kind.UNTYPED else found
    new = {key: below for key, below in shape.fields.items() if key not in known and content_of(below)}
    if shape.value or any(map(ESCAPED.search, new)) or has_half(shape):
        return None
    return {**definition, "properties": {**properties, **draft_fields(new, names, in_array=True)}}


def _by_own_keys(column: Column, shape: Shape) -> Shape:
    """Return the shape of objects with the keys that their properties have now (`x-was`)."""
    own = {key: each.field for each in column.fields for key in each.was}
    found: dict[str, Shape] = {}
    for key, below in shape.fields.items():
        found.setdefault(own.get(key, key), Shape()).include(below)
    return replace(shape, fields=found) if own else shape
