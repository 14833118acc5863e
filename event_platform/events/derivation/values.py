"""Derived values → the type of their column. A lossy conversion is an error."""

import polars as pl
from polars._typing import PolarsDataType

from event_platform.events.columns import Kind
from event_platform.events.event import UTC_DATETIME

_PLAIN = ((pl.String, Kind.STRING), (pl.Boolean, Kind.BOOLEAN), (pl.Date, Kind.DATE), (pl.Datetime, Kind.DATE_TIME))
_YEARS = (1, 9999)  # supported by every reader


def kind_of(dtype: PolarsDataType) -> Kind | None:
    """Return the kind of column for values of a type; None if the schema has to declare it."""
    if dtype.is_integer():
        return Kind.INTEGER
    if dtype.is_float():
        return Kind.NUMBER
    return next((kind for plain, kind in _PLAIN if dtype == plain), None)


def as_column_type(values: pl.Series, dtype: PolarsDataType) -> pl.Series:
    """Convert values to a column's type: integers to 64 bits or floats, times to UTC (as they are without a zone).

    Raises TypeError for other types, ValueError for years that readers do not support, and the errors of polars.
    """
    actual = values.dtype
    if actual == pl.Null:
        return values.cast(dtype)
    if isinstance(actual, pl.Datetime) and dtype == UTC_DATETIME:
        zoned = values.dt.replace_time_zone("UTC") if actual.time_zone is None else values.dt.convert_time_zone("UTC")
        return _with_known_years(zoned.cast(UTC_DATETIME))
    if actual == dtype:
        return _with_known_years(values) if dtype == pl.Date else values
    is_text = dtype == pl.String and isinstance(actual, pl.Categorical | pl.Enum)
    if (
        is_text
        or (actual.is_integer() and dtype in (pl.Int64, pl.Float64))
        or (actual.is_float() and dtype == pl.Float64)
    ):
        return values.cast(dtype)
    raise TypeError(f"expected {_named(dtype)}, got {_named(actual)}; cast it")


def _with_known_years(values: pl.Series) -> pl.Series:
    if not values.dt.year().is_between(*_YEARS).all():
        raise ValueError("a time before the year 1 or after 9999")
    return values


def _named(dtype: PolarsDataType) -> str:
    kind = kind_of(dtype)
    return str(dtype) if kind is None else kind.value
