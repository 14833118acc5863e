"""The smallest change of a property's schema that also holds the arriving values, without loss.

Integers and other numbers become numbers; dates and timestamps become timestamps; other scalars become strings;
objects, arrays and maps get the new fields and items. Other combinations of types only fit a variant.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from event_platform.events.column_names import UniqueNames
from event_platform.events.columns import ESCAPED, Column, Kind, typed
from event_platform.events.differences.drafting import (
    EMPTY_TYPES,
    Definition,
    as_variant,
    draft_fields,
    draft_lossless,
    empty_types,
    fit_text,
    has_column,
    has_lone_surrogate,
    types_of,
    with_name,
    with_type,
)
from event_platform.events.draft import TEXT_KINDS, content_of
from event_platform.events.rescue import MOMENTS
from event_platform.events.shapes import Shape, value_shape

#: Kinds of values (see `Shape`) that a column of each type holds.
_KINDS_OF_TYPE: dict[Kind, set[str]] = {
    Kind.INTEGER: {"integer", "long"},
    Kind.NUMBER: {"integer", "number"},
    Kind.BOOLEAN: {"boolean"},
    Kind.STRING: set(TEXT_KINDS),
    Kind.DATE: {"date"},
    Kind.DATE_TIME: {"date-time"},
}
_TYPES_OF_EMPTY = {"empty array": {Kind.ARRAY}, "empty object": {Kind.OBJECT, Kind.MAP}}


def fit(column: Column, definition: Mapping[str, Any], shape: Shape, *, has_long: bool) -> Definition | None:
    """Return the schema of a property that also holds the values of a shape; None if only a variant does.

    The column gets the wider type in place. `has_long` says whether an integer column has values that a float would
    change.
    """
    empty_kinds = {
        key: name for key, name in EMPTY_TYPES.items() if shape.kinds[key] and column.kind not in _TYPES_OF_EMPTY[key]
    }
    kinds = Counter({kind: seen for kind, seen in shape.kinds.items() if kind not in empty_kinds})
    fitted = _fit(column, definition, replace(shape, kinds=kinds), has_long=has_long)
    if fitted is None:
        return None
    if empty_kinds:  # an empty value, which holds no information and needs no column
        fitted["x-mixed"] = sorted({*empty_kinds.values(), *fitted.get("x-mixed", ())})
    return fitted


def is_empty_draft(definition: Mapping[str, Any]) -> bool:
    """Return whether a schema only allows null, `{}` or `[]`, because it was drafted before the property had values."""
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
    """Return the schema of a property in an array that had no values.

    The array's column stores all its items or none.
    """
    if not content_of(shape):
        return dict(definition)
    draft = draft_lossless(shape, in_array=True)
    if not (has_column(draft) and is_empty_draft(definition)):
        return None
    return as_variant(definition, shape) if empty_types(definition, draft) else {**definition, **draft}


def _fit_scalar(column: Column, definition: Mapping[str, Any], kinds: set[str], *, has_long: bool) -> Definition | None:
    if kinds <= _KINDS_OF_TYPE.get(column.kind, set()):
        return dict(definition)
    if column.kind is Kind.INTEGER and kinds <= _KINDS_OF_TYPE[Kind.NUMBER] and not has_long:
        return with_type(definition, "number")
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
    item = _fit(column.item, definition[key], shape)
    return None if item is None else {**definition, key: item}


def _fit_object(column: Column, definition: Mapping[str, Any], shape: Shape) -> Definition | None:
    """Return the schema of objects in an array or map. Each of their fields must have a column."""
    columns = {each.field: each for each in column.fields}
    column_names = {each.name.casefold() for each in typed(column.fields)}
    properties, names = dict(definition["properties"]), UniqueNames(frozenset(column_names))
    shape = _with_present_keys(column, shape)
    for key in [key for key in shape.fields if key in columns]:
        fitted = _fit(columns[key], properties[key], shape.fields[key])
        if fitted is None and columns[key].kind in (Kind.UNTYPED, Kind.VARIANT):
            return None
        fitted = fitted or as_variant(properties[key], shape.fields[key])
        properties[key] = with_name(key, fitted, names) if columns[key].kind is Kind.UNTYPED else fitted
    new_shapes = {key: nested for key, nested in shape.fields.items() if key not in columns and content_of(nested)}
    if shape.value or any(map(ESCAPED.search, new_shapes)) or has_lone_surrogate(shape):
        return None
    return {**definition, "properties": {**properties, **draft_fields(new_shapes, names, in_array=True)}}


def _with_present_keys(column: Column, shape: Shape) -> Shape:
    """Return the shape of objects with the keys that their properties have now (`x-was`)."""
    present_keys = {key: each.field for each in column.fields for key in each.was}
    shapes: dict[str, Shape] = {}
    for key, nested in shape.fields.items():
        shapes.setdefault(present_keys.get(key, key), Shape()).include(nested)
    return replace(shape, fields=shapes) if present_keys else shape
