"""Rows as readers of Iceberg show them, compared with those of Delta."""

import math
from collections.abc import Callable
from typing import Any

import polars as pl
from polars._typing import PolarsDataType

Convert = Callable[[Any, PolarsDataType], Any]


def same(value: Any, _dtype: PolarsDataType) -> Any:
    """Return the value that a reader shows for one of Delta: the same."""
    return value


def by_pyiceberg(value: Any, dtype: PolarsDataType) -> Any:
    """Return what pyiceberg shows: of lists and maps of objects, one that is null in its file is empty."""
    is_list = isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)
    is_map = isinstance(dtype, pl.Map) and isinstance(dtype.value, pl.Struct)
    return None if (is_list or is_map) and not value else value


def by_clickhouse(value: Any, dtype: PolarsDataType) -> Any:
    """Return what ClickHouse shows: lists, maps and objects are never null."""
    if value is not None:
        return value
    if isinstance(dtype, pl.Struct):
        return {field.name: by_clickhouse(None, field.dtype) for field in dtype.fields}
    return [] if isinstance(dtype, pl.List) else {} if isinstance(dtype, pl.Map) else None


SHOWN: dict[str, Convert] = {"pyiceberg": by_pyiceberg, "ClickHouse": by_clickhouse}


def shown(value: Any, dtype: PolarsDataType, convert: Convert = same) -> Any:
    """Return a value of Delta, or of a reader, in a form that can be compared."""
    value = convert(value, dtype)
    if value is None:
        return None
    if isinstance(dtype, pl.Struct):
        return {field.name: shown(value[field.name], field.dtype, convert) for field in dtype.fields}
    if isinstance(dtype, pl.List):
        return [shown(item, dtype.inner, convert) for item in value]
    if isinstance(dtype, pl.Map):
        return {shown(key, dtype.key): shown(item, dtype.value, convert) for key, item in value.items()}
    if isinstance(value, bytes) and dtype == pl.String:
        return value.decode()  # ClickHouse has one type for both
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def assert_same_rows(found: pl.DataFrame, expected: pl.DataFrame, convert: Convert = same) -> None:
    """Compare all columns of all rows, in any order, but for what a reader cannot tell apart: see `convert`."""
    assert set(found.columns) == set(expected.columns)
    dtypes = [*expected.schema.values()]

    def rows(frame: pl.DataFrame) -> list[str]:
        frame = frame.select(expected.columns)
        times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
        frame = frame.with_columns(pl.col(times).dt.convert_time_zone("UTC"))
        return sorted(
            repr([shown(value, dtype, convert) for value, dtype in zip(row, dtypes, strict=True)])
            for row in frame.iter_rows()
        )

    assert rows(found) == rows(expected)
