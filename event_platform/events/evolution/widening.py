"""Which column types are wider than which. A table is rebuilt with a wider type; other changes need a new column.

Tables (`lake.schemas`), the comparison of catalogs, and the advice of both use this rule.
"""

from collections.abc import Mapping

import polars as pl
from polars._typing import PolarsDataType

from event_platform.events.columns import Kind
from event_platform.events.event import UTC_DATETIME

#: By type: the wider types, which hold all its values. Some of them need `x-was-type` to read these.
_WIDER: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.INTEGER: (Kind.NUMBER, Kind.STRING),
    Kind.NUMBER: (Kind.STRING,),
    Kind.DECIMAL: (Kind.STRING,),
    Kind.BOOLEAN: (Kind.STRING,),
    Kind.DATE: (Kind.DATE_TIME, Kind.STRING),
    Kind.DATE_TIME: (Kind.STRING,),
}

#: Names in `x-was-type` of the types that a wider type reads with it.
_NAMES = {
    Kind.INTEGER: "integer",
    Kind.NUMBER: "number",
    Kind.DECIMAL: "number",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
}


_KINDS: list[tuple[PolarsDataType, Kind]] = [
    (pl.String, Kind.STRING),
    (pl.Int64, Kind.INTEGER),
    (pl.Float64, Kind.NUMBER),
    (pl.Boolean, Kind.BOOLEAN),
    (pl.Date, Kind.DATE),
    (UTC_DATETIME, Kind.DATE_TIME),
    (pl.Decimal, Kind.DECIMAL),
    (pl.List, Kind.ARRAY),
    (pl.Struct, Kind.OBJECT),
    (pl.Map, Kind.MAP),
]


def kind_of(dtype: PolarsDataType, *, is_variant: bool = False) -> Kind:
    """Return the kind of an event table's column; UNTYPED for a type that event tables do not have."""
    kind = next((each for type_, each in _KINDS if dtype == type_), Kind.UNTYPED)
    return Kind.VARIANT if is_variant and kind is Kind.STRING else kind


def is_wider(new: Kind, old: Kind) -> bool:
    """Return whether a column of the `old` type can get the `new` type. A variant holds every value."""
    return new in _WIDER.get(old, ()) or (new is Kind.VARIANT and old not in (Kind.VARIANT, Kind.UNTYPED))


def earlier_type(new: Kind, old: Kind) -> str | None:
    """Return the type that `x-was-type` must list so that a wider type reads the old values; None if it need not."""
    is_read = new in (Kind.NUMBER, Kind.VARIANT) or (new is Kind.STRING and old in (Kind.DATE, Kind.DATE_TIME))
    return None if is_read or not is_wider(new, old) else _NAMES[old]


def reading_line(new: Kind, old: Kind) -> str | None:
    """Return the schema line with which a wider type reads the values of the old one; None if it needs none."""
    name = earlier_type(new, old)
    return None if name is None else f"x-was-type: [{name}]"


def column_line(name: str, new: str) -> str:
    """Return the schema line that gives a property a new column, named after its new type."""
    return f"x-column: {name}_{new.partition('(')[0].replace('-', '_')}"
