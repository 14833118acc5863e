"""Schemas for new fields and values. They hold all values.

In contrast, a draft of a whole catalog leaves a few values of other types in `_rescued`. Here, these values are to be
accepted. Texts, numbers and booleans become texts; values of other types become variants, separately for each field of
an object.
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

#: Keywords of a type. A variant has none of them.
_TYPE_KEYWORDS = {
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
#: Keywords for numbers and booleans, which do not apply to their JSON texts.
_VALUE_KEYWORDS = {"minimum", "maximum", "enum", "x-decimal"}
#: Kinds of empty values, and the types that hold them.
EMPTY_TYPES = {"empty array": "array", "empty object": "object"}


def as_variant(definition: Mapping[str, Any], shape: Shape) -> Definition:
    """Return the schema of a property whose column has the JSON text of every value."""
    types = types_of(definition) | {JSON_TYPES.get(kind, kind) for kind in shape.kinds}
    keywords = {key: value for key, value in definition.items() if key not in _TYPE_KEYWORDS}
    mixed = {"x-mixed": sorted(types - {"null"})} if has_lone_surrogate(shape) else {}
    personal = {"x-personal": True} if has_personal(definition) else {}  # its text contains all nested values
    names = sorted(types)
    return {**keywords, **personal, "type": names if names[1:] else names[0], "x-variant": True, **mixed}


def has_lone_surrogate(shape: Shape) -> bool:
    """Return whether a value has a lone surrogate (half of an emoji), which no text column can store."""
    nested_shapes = [*shape.fields.values(), *filter(None, (shape.item, shape.value))]
    return shape.kinds["misfit text"] > 0 or any(map(has_lone_surrogate, nested_shapes))


def draft_fields(fields: Mapping[str, Shape], names: UniqueNames, *, in_array: bool) -> dict[str, Definition]:
    """Return schemas for new fields of an object, with unused column names. Each holds all values of its field."""
    order = sorted(fields, key=lambda key: (not is_column_name(key), -fields[key].seen))
    definitions = {
        key: with_name(key, {} if ESCAPED.search(key) else draft_lossless(fields[key], in_array=in_array), names)
        for key in order
    }
    return {key: definitions[key] for key in fields}


def draft_lossless(shape: Shape, *, in_array: bool) -> Definition:
    """Return a schema that holds all of the new values; without a type if all of them are empty.

    In contrast, `draft` may leave a few values of other types in `_rescued`. Here, these values are to be accepted.
    """
    content = content_of(shape)
    draft, misfits = draft_definition(replace(shape, kinds=content), in_array=True)
    if not content:
        return without_required(draft_definition(shape, in_array=in_array)[0])
    definition = (
        without_required(draft) if has_column(draft) and not misfits else _draft_mixture(shape, in_array=in_array)
    )
    other_types = sorted(
        name for key, name in EMPTY_TYPES.items() if shape.kinds[key] and name != definition.get("type")
    )
    if "x-variant" in definition or not other_types:
        return definition
    return as_variant({}, shape) if in_array else {**definition, "x-mixed": other_types}


def empty_types(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Return the types of empty values that a property had first, if its new type has no column for them."""
    return {*EMPTY_TYPES.values()} & types_of(old) - types_of(new) if "x-variant" not in new else set()


def types_of(definition: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a schema declares."""
    names = definition.get("type", [])
    return {names} if isinstance(names, str) else set(names)


def _draft_mixture(shape: Shape, *, in_array: bool) -> Definition:
    """Return a schema for values that have no common type in `draft`."""
    kinds = set(content_of(shape))
    if kinds == {"object"}:
        definition = _draft_object(shape, in_array=in_array)
    elif kinds == {"array"} and shape.item and not has_lone_surrogate(shape):
        definition = {"type": "array", "items": draft_lossless(shape.item, in_array=True)}
    else:
        definition = fit_text(Column("", "", Kind.STRING), {"type": "string"}, kinds) or {}
    return definition if has_column(definition) else as_variant({}, shape)


def _draft_object(shape: Shape, *, in_array: bool) -> Definition:
    if is_map(shape):
        values = draft_lossless(value_shape(shape), in_array=in_array)
        return {"type": "object", "x-map": True, "additionalProperties": values} if has_column(values) else {}
    id_keys = identifier_keys(shape.fields)
    untyped = {
        key for key, nested in shape.fields.items() if (key in id_keys or ESCAPED.search(key)) and content_of(nested)
    }
    if in_array and untyped:  # if a field has no column, the whole array has none
        return {}
    fields = {key: nested for key, nested in shape.fields.items() if key not in id_keys}
    return {"type": "object", "properties": draft_fields(fields, UniqueNames(frozenset()), in_array=in_array)}


def has_column(definition: Mapping[str, Any]) -> bool:
    """Return whether a property with this schema has a column."""
    if "x-variant" in definition:
        return True
    if definition.get("type") == "object" and "x-map" not in definition:
        return any(map(has_column, definition.get("properties", {}).values()))
    return has_column(definition.get("items", {})) if definition.get("type") == "array" else is_typed(definition)


def without_required(definition: Mapping[str, Any]) -> Definition:
    """Return a drafted schema without `required` at any depth: it was drafted from a sample."""
    result = {key: value for key, value in definition.items() if key != "required"}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), Mapping):
            result[key] = without_required(result[key])
    if "properties" in result:
        result["properties"] = {key: without_required(nested) for key, nested in result["properties"].items()}
    return result


def fit_text(column: Column, definition: Mapping[str, Any], kinds: set[str]) -> Definition | None:
    """Return a text schema that reads values of other types as their JSON text; None if that is impossible."""
    is_text = column.kind is Kind.STRING
    column_types = column.was_types if is_text else [earlier_type(Kind.STRING, column.kind)]
    earlier_types = {JSON_TYPES.get(kind, kind) for kind in kinds - {*TEXT_KINDS}} | {*filter(None, column_types)}
    if (
        not (is_text or is_wider(Kind.STRING, column.kind))
        or "misfit text" in kinds
        or not earlier_types <= {*READ["string"]}
    ):
        return None
    if "number" in earlier_types:  # integers are numbers
        earlier_types.discard("integer")
    dropped_keywords = {"x-was-type"} if is_text or column.kind in MOMENTS else {"x-was-type", *_VALUE_KEYWORDS}
    keywords = {key: value for key, value in definition.items() if key not in dropped_keywords}
    return (keywords if is_text else with_type(keywords, "string")) | (
        {"x-was-type": sorted(earlier_types)} if earlier_types else {}
    )


def with_type(definition: Mapping[str, Any], name: str) -> Definition:
    """Return a schema with another type, without the format of the earlier type."""
    keywords = {key: value for key, value in definition.items() if key != "format"}
    return {**keywords, "type": [name, "null"] if "null" in definition.get("type", ()) else name}


def with_name(key: str, definition: Definition, names: UniqueNames) -> Definition:
    """Give the column of a new property an unused name."""
    name = names.free(key) if has_column(definition) else key
    return definition if name == key else {**definition, "x-column": name}
