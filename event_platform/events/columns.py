"""The columns of event tables: types, constraints, and iteration over nested ones."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from event_platform.events.event import UTC_DATETIME


class Kind(StrEnum):
    """Type of a column. An UNTYPED property has no column; its values go to `_rescued` unless they are empty."""

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
#: Characters that JSON escapes in a key. A field with such a key gets no column.
ESCAPED = re.compile(r'["\\\x00-\x1f]')
#: Depth of nesting up to which columns are typed. Delta logs can be read up to about forty.
MAX_DEPTH = 32


@dataclass(frozen=True)
class Constraints:
    """Rules of a schema for a value beyond its type. The conformance check counts broken ones."""

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
    empty: Kind = Kind.UNTYPED  # of an untyped column: OBJECT if `{}` is expected, ARRAY if `[]` is
    was: tuple[str, ...] = ()  # earlier keys; the first key with a value is read
    was_types: tuple[str, ...] = ()  # earlier types, whose values are still read
    mixed: frozenset[str] = frozenset()  # other JSON types that are expected; their values go to `_rescued`
    is_personal: bool = False  # its values are masked on pages

    @property
    def keys(self) -> tuple[str, ...]:
        """The JSON keys that the column is read from."""
        return (self.field, *self.was)

    @property
    def innermost(self) -> "Column":
        """The column, or the items of an array or the values of a map, at any depth of these."""
        return self.item.innermost if self.item else self

    @property
    def has_json_texts(self) -> bool:
        """Whether the column is a text that also takes other values, as their JSON text."""
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


def walk(columns: tuple[Column, ...], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Column]]:
    """Yield every typed column with its path of names, objects before their fields."""
    for column in typed(columns):
        yield (*path, column.name), column
        yield from walk(column.fields, (*path, column.name))


def walk_all(columns: tuple[Column, ...], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Column]]:
    """Yield every typed column with its path of names, fields of objects in arrays and maps as well."""
    for column in typed(columns):
        yield (*path, column.name), column
        yield from walk_all(column.innermost.fields, (*path, column.name))


def variant_paths(columns: Iterable[Column], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of variant columns, and of arrays or maps of variants, nested ones included."""
    for column in columns:
        name = (*path, column.name)
        if column.innermost.kind is Kind.VARIANT:
            yield name
        yield from variant_paths(column.innermost.fields, name)


def inner_columns(columns: Iterable[Column]) -> Iterator[Column]:
    """Yield the columns, nested ones included, items and values of maps as well."""
    for column in columns:
        yield column
        yield from inner_columns([*column.fields, *([column.item] if column.item else [])])


def kinds_below(columns: Iterable[Column]) -> Iterator[Kind]:
    """Yield the kinds of the columns, nested ones included."""
    return (column.kind for column in inner_columns(columns))


def storage_shape(columns: tuple[Column, ...]) -> list[Any]:
    """Return, as JSON values, the schema behind the rows of a table: field, name and type of columns, sorted by field.

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
