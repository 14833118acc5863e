"""The properties of a JSON Schema → the typed columns of a table."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any

import polars as pl

from event_platform.events.earlier import earlier_faults, earlier_keys, earlier_types, key_faults
from event_platform.events.event import RESERVED_COLUMNS, UTC_DATETIME


class Kind(StrEnum):
    """Type of a column. An UNTYPED property is known but has no column; its values go to `_rescued` unless empty."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE_TIME = "date-time"
    DATE = "date"
    ARRAY = "array"
    OBJECT = "object"
    MAP = "map"
    VARIANT = "variant"
    UNTYPED = "untyped"


_SCALARS: dict[Kind, pl.DataType] = {
    Kind.STRING: pl.String(),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.DATE_TIME: UTC_DATETIME,
    Kind.DATE: pl.Date(),
    Kind.VARIANT: pl.String(),
}
_FORMATS = {"date-time": Kind.DATE_TIME, "date": Kind.DATE}
#: Keywords that hold the schema of an array's items, and of a map's values.
_ITEMS = {Kind.ARRAY: "items", Kind.MAP: "additionalProperties"}
#: Letters of any script, with their marks composed.
_COLUMN_NAME = re.compile(r"[^\W\d]\w*")

#: Characters that JSON escapes in a key. A field with such a key gets no column.
ESCAPED = re.compile(r'["\\\x00-\x1f]')
_JSON_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.STRING: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.DECIMAL: (int, float),
    Kind.BOOLEAN: (bool,),
}
#: Depth of nesting up to which columns are typed. Delta logs can be read up to about forty.
MAX_DEPTH = 32
_INT64, _INT128 = range(-(2**63), 2**63), range(-(2**127), 2**127)
#: JSON types that `x-mixed` may list.
_TYPE_NAMES = ("array", "boolean", "integer", "number", "object", "string")

#: The largest precision of a decimal in Delta.
_MAX_PRECISION = 38

#: Keywords that refer to another schema. A column's type must be written where the column is.
UNSUPPORTED = ("$ref", "$dynamicRef")


@dataclass(frozen=True)
class Constraints:
    """What a schema requires of a value beyond its type. Broken constraints are counted by the conformance check."""

    required: bool = False
    enum: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Column:
    """A property of a schema: its key in JSON (`field`), the `name` of its column, and its type."""

    field: str
    name: str
    kind: Kind
    description: str = ""
    constraints: Constraints = Constraints()
    fields: tuple["Column", ...] = ()  # of an object
    item: "Column | None" = None  # of an array; of a map, its values
    digits: tuple[int, int] = (0, 0)  # of a decimal: precision and scale
    empty: Kind = Kind.UNTYPED  # of an untyped one: OBJECT if `{}` is expected, ARRAY if `[]` is
    was: tuple[str, ...] = ()  # keys that it had: the first of all that has a value is read
    was_types: tuple[str, ...] = ()  # types that it had, whose values are read as well
    mixed: frozenset[str] = frozenset()  # other JSON types that are expected; their values go to `_rescued`
    is_personal: bool = False  # pages mask its values

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in JSON that it is read from."""
        return (self.field, *self.was)

    @property
    def has_json_texts(self) -> bool:
        """Whether it is a text into which values that are no texts are read as they are written in JSON."""
        return self.kind is Kind.VARIANT or (self.kind is Kind.STRING and bool(self.was_types))

    @property
    def dtype(self) -> pl.DataType:
        """The polars type of the column."""
        if self.kind is Kind.OBJECT:
            return pl.Struct({column.name: column.dtype for column in typed(self.fields)})
        if self.item is not None:
            return pl.Map(pl.String(), self.item.dtype) if self.kind is Kind.MAP else pl.List(self.item.dtype)
        if self.kind is Kind.DECIMAL:
            return pl.Decimal(*self.digits)
        return _SCALARS[self.kind]


def typed(columns: tuple[Column, ...]) -> list[Column]:
    """Return the properties that have a column in the table."""
    return [column for column in columns if column.kind is not Kind.UNTYPED]


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
            fault = _name_fault(column.name, names)
            if fault:
                faults.append(f"{where}.{field}: {fault}; give it another with x-column: <name>")
            elif any(map(ESCAPED.search, column.keys)):
                faults.append(f"{where}.{field!r}: a key that JSON has to escape has no column; leave out its type")
            names.add(str(column.name).casefold())
        columns.append(column)
    faults.extend(f"{where}.{fault}" for fault in key_faults((column.field, column.was) for column in columns))
    return tuple(columns)


def walk(columns: tuple[Column, ...], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Column]]:
    """Yield every typed column with its path of names, objects before their fields."""
    for column in typed(columns):
        yield (*path, column.name), column
        yield from walk(column.fields, (*path, column.name))


def variant_paths(columns: Iterable[Column], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the columns that are variants, or arrays or maps of them, nested ones included."""
    for column in columns:
        name, inner = (*path, column.name), column
        while inner.item is not None:
            inner = inner.item
        if inner.kind is Kind.VARIANT:
            yield name
        yield from variant_paths(inner.fields, name)


def inner_columns(columns: Iterable[Column]) -> Iterator[Column]:
    """Yield the columns, nested ones included, items and values of maps as well."""
    for column in columns:
        yield column
        yield from inner_columns([*column.fields, *([column.item] if column.item else [])])


def kinds_below(columns: Iterable[Column]) -> Iterator[Kind]:
    """Yield the kinds of the columns, nested ones included."""
    return (column.kind for column in inner_columns(columns))


def storage_shape(columns: tuple[Column, ...]) -> list[Any]:
    """Return, as JSON values, what the rows of a table depend on: field, name and type of each column, sorted by field.

    Descriptions, constraints and untyped properties are left out.
    """
    return [
        [
            column.field,
            column.name,
            column.kind.value,
            storage_shape(column.fields),
            column.item and storage_shape((column.item,)),
            *(column.digits if column.kind is Kind.DECIMAL else ()),
            *([["was", *column.was]] if column.was else []),
            *([["was_types", *column.was_types]] if column.was_types else []),
        ]
        for column in sorted(typed(columns), key=lambda column: column.field)
    ]


def is_column_name(name: Any) -> bool:
    """Return whether a column can have this name."""
    return isinstance(name, str) and bool(_COLUMN_NAME.fullmatch(name)) and unicodedata.is_normalized("NFC", name)


def _name_fault(name: Any, taken: set[str]) -> str | None:
    if not is_column_name(name):
        return f"{name!r} is not a column name (letters, digits and _)"
    if name.casefold() in taken:
        return f"the column name {name!r} is taken (case is ignored)"
    return None


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
    found = [*_digit_faults(kind, definition), *_mixed_faults(mixed), *_map_faults(kind, definition)]
    found += [*_variant_faults(definition), *earlier_faults(definition, kind, has_column=kind is not Kind.UNTYPED)]
    if not isinstance(definition.get("x-personal", False), bool):
        found.append(f"x-personal: expected true or false, got {definition['x-personal']!r}")
    faults.extend(f"{where}.{fault}" for fault in found)
    faults.extend(f"{where}.{fault}" for fault in _constraint_faults(kind, constraints))
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
        is_personal=_is_personal(definition, inside=kind is Kind.VARIANT),
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


def _is_personal(definition: Any, *, inside: bool) -> bool:
    """Return whether a schema has `x-personal`; with `inside`, also for anything in it."""
    if isinstance(definition, Mapping) and definition.get("x-personal") is True:
        return True
    below = (
        definition.values() if isinstance(definition, Mapping) else definition if isinstance(definition, list) else ()
    )
    return inside and any(_is_personal(each, inside=True) for each in below)


def _map_faults(kind: Kind, definition: Mapping[str, Any]) -> list[str]:
    """Return why `x-map` makes no map of a property that has it."""
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
