"""The properties of a JSON Schema → the columns of a table, and the faults of the schema."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl

from event_platform.events.column_history import earlier_faults, earlier_keys, earlier_types, key_faults
from event_platform.events.column_names import name_fault
from event_platform.events.columns import ESCAPED, Column, Constraints, Kind, typed
from event_platform.events.event import RESERVED_COLUMNS

_FORMATS = {"date-time": Kind.DATE_TIME, "date": Kind.DATE}
#: Keywords that hold the schema of an array's items, and of a map's values.
_ITEMS = {Kind.ARRAY: "items", Kind.MAP: "additionalProperties"}
_JSON_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.STRING: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.DECIMAL: (int, float),
    Kind.BOOLEAN: (bool,),
}
_INT64, _INT128 = range(-(2**63), 2**63), range(-(2**127), 2**127)
#: JSON types that `x-mixed` may list.
_TYPE_NAMES = ("array", "boolean", "integer", "number", "object", "string")
#: The largest precision of a decimal in Delta.
_MAX_PRECISION = 38

#: Keywords that refer to another schema. A column's type must be written where the column is.
UNSUPPORTED = ("$ref", "$dynamicRef")


def parse_columns(
    schema: Mapping[str, Any], where: str, faults: list[str], taken: frozenset[str] = RESERVED_COLUMNS
) -> tuple[Column, ...]:
    """Parse the `properties` of a schema into columns. Faults are appended to `faults`, one line each.

    A column has the name of its property, or the one that `x-column` gives. `x-column` is required where the name is
    not a plain identifier (`@timestamp`, `id.orig_h`), is `taken`, or differs from another only in case. A key that
    JSON escapes (quotes, control characters) cannot have a column: its values go to `_rescued`.
    """
    required = frozenset(schema.get("required", []))
    columns: list[Column] = []
    names = set(taken)
    for field, definition in schema.get("properties", {}).items():
        column = _parse(field, definition, f"{where}.{field}", faults, required=field in required)
        if column.kind is not Kind.UNTYPED:
            fault = name_fault(column.name, names)
            if fault:
                faults.append(f"{where}.{field}: {fault}; give it another with x-column: <name>")
            elif any(map(ESCAPED.search, column.keys)):
                faults.append(f"{where}.{field!r}: a key that JSON has to escape has no column; leave out its type")
            names.add(str(column.name).casefold())
        columns.append(column)
    faults.extend(f"{where}.{fault}" for fault in key_faults((column.field, column.was) for column in columns))
    return tuple(columns)


def parse_column(name: str, definition: Mapping[str, Any], where: str, faults: list[str]) -> Column:
    """Parse the schema of one column. Faults are appended to `faults`, one line each."""
    return _parse(name, definition, where, faults, required=False)


def _parse(field: str, definition: Any, where: str, faults: list[str], *, required: bool) -> Column:
    definition = definition if isinstance(definition, Mapping) else {}
    faults.extend(f"{where}: {key} is not supported; write the type here" for key in UNSUPPORTED if key in definition)
    declared = kind = _kind(definition)
    fields = parse_columns(definition, f"{where}.properties", faults, frozenset()) if kind is Kind.OBJECT else ()
    item = None
    if kind in _ITEMS:
        keyword = _ITEMS[kind]
        item = _parse("item", definition.get(keyword), f"{where}.{keyword}", faults, required=False)
        faults.extend([f"{where}.{keyword}.x-was: expected in a property, which has a key"] if item.was else [])
        kind = Kind.UNTYPED if item.kind is Kind.UNTYPED else kind
    if kind is Kind.OBJECT and not typed(fields):
        kind = Kind.UNTYPED
    constraints = _constraints(definition, required=required)
    mixed = definition.get("x-mixed", [])
    problems = [*_digit_faults(kind, definition), *_mixed_faults(mixed), *_map_faults(kind, definition)]
    problems += [*_variant_faults(definition), *earlier_faults(definition, kind, has_column=kind is not Kind.UNTYPED)]
    if not isinstance(definition.get("x-personal", False), bool):
        problems.append(f"x-personal: expected true or false, got {definition['x-personal']!r}")
    faults.extend(f"{where}.{fault}" for fault in [*problems, *_constraint_faults(kind, constraints)])
    return Column(
        field=field,
        name=definition.get("x-column", field),
        kind=kind,
        description=definition.get("description", ""),
        constraints=constraints,
        fields=fields,
        item=item if kind in _ITEMS else None,
        digits=_digits(definition) or (0, 0),
        empty=declared if kind is Kind.UNTYPED else Kind.UNTYPED,
        was=earlier_keys(definition),
        was_types=earlier_types(definition, kind),
        mixed=frozenset(mixed) if not _mixed_faults(mixed) else frozenset(),
        is_personal=has_personal(definition) if kind is Kind.VARIANT else _is_personal(definition),
    )


def _kind(definition: Mapping[str, Any]) -> Kind:
    if definition.get("x-variant") is True:
        return Kind.VARIANT
    declared = definition.get("type", [])
    types = {declared} if isinstance(declared, str) else set(declared)
    types -= {"null"}
    if types in ({"integer", "number"}, {"number"}):
        return Kind.DECIMAL if _digits(definition) else Kind.NUMBER
    if len(types) != 1:
        return Kind.UNTYPED
    (name,) = types
    if name == "string":
        return _FORMATS.get(definition.get("format", ""), Kind.STRING)
    if name == "object" and "x-map" in definition:
        return Kind.MAP
    return Kind.UNTYPED if name == "null" else Kind(name)


def _digits(definition: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return precision and scale of `x-decimal`, or None if they are missing or invalid."""
    match definition.get("x-decimal"):
        case [int() as precision, int() as scale] if 0 < precision <= _MAX_PRECISION and 0 <= scale <= precision:
            return (precision, scale) if not {type(precision), type(scale)} - {int} else None
    return None


def _digit_faults(kind: Kind, definition: Mapping[str, Any]) -> list[str]:
    if "x-decimal" not in definition or kind is Kind.DECIMAL:
        return []
    if _digits(definition):
        return [
            f"x-decimal: only a property of the type number can be a decimal, not one of {definition.get('type')!r}"
        ]
    expected = f"[precision, scale], two integers: 1 to {_MAX_PRECISION}, and 0 to the precision"
    return [f"x-decimal: expected {expected}; got {definition['x-decimal']!r}"]


def _mixed_faults(mixed: Any) -> list[str]:
    if isinstance(mixed, list) and all(isinstance(name, str) and name in _TYPE_NAMES for name in mixed):
        return []
    return [f"x-mixed: expected a list of {', '.join(_TYPE_NAMES)}, got {mixed!r}"]


def _variant_faults(definition: Mapping[str, Any]) -> list[str]:
    if definition.get("x-variant", True) is True:
        return []
    return [f"x-variant: expected true, got {definition['x-variant']!r}"]


def has_personal(definition: Any) -> bool:
    """Return whether a schema, or anything in it, has `x-personal`."""
    if isinstance(definition, Mapping):
        return _is_personal(definition) or any(map(has_personal, definition.values()))
    return isinstance(definition, list) and any(map(has_personal, definition))


def _is_personal(definition: Mapping[str, Any]) -> bool:
    return definition.get("x-personal") is True


def _map_faults(kind: Kind, definition: Mapping[str, Any]) -> list[str]:
    """Return why a property with `x-map` is not a map."""
    if "x-map" not in definition:
        return []
    if definition["x-map"] is not True or "properties" in definition:
        return ["x-map: expected true, in an object without properties"]
    if kind is Kind.MAP:
        return []
    return ["x-map: expected type: object, and in additionalProperties the schema of a value that a column can have"]


def _constraints(definition: Mapping[str, Any], *, required: bool) -> Constraints:
    declared = definition.get("type", [])
    return Constraints(
        # A column cannot tell null from absent, so a nullable property is never counted as missing.
        required=required and "null" not in declared,
        enum=tuple(definition["enum"]) if "enum" in definition else None,
        minimum=definition.get("minimum"),
        maximum=definition.get("maximum"),
        pattern=definition.get("pattern"),
    )


def _constraint_faults(kind: Kind, constraints: Constraints) -> Iterator[str]:
    """Yield the constraints that the conformance check could not evaluate."""
    for value in constraints.enum or ():
        if kind in _JSON_TYPES and value is not None and type(value) not in _JSON_TYPES[kind]:
            yield f"enum: {value!r} does not have the type {kind.value}"
        elif kind in _JSON_TYPES and type(value) is int and value not in (_INT64 if kind is Kind.INTEGER else _INT128):
            yield f"enum: {_shortened(value)} is more than a column holds"
    for name, limit in (("minimum", constraints.minimum), ("maximum", constraints.maximum)):
        if type(limit) is int and limit not in _INT128:
            yield f"{name}: {_shortened(limit)} is more than a column can be compared with"
    if kind is Kind.STRING and constraints.pattern is not None and not _is_pattern(constraints.pattern):
        yield f"pattern: {constraints.pattern!r} cannot be checked: no look-around in regular expressions"


@cache
def _is_pattern(pattern: str) -> bool:
    """Return whether polars accepts a regular expression. Many columns of a catalog share a few."""
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:
        return False
    return True


def _shortened(number: int) -> str:
    return f"{Decimal(number):.3e}"
