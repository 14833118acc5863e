"""Values of JSON types → values of column types, and the rows whose value may have changed in the conversion.

Works on Arrow arrays, recursively: the fields of an object and the items of an array are arrays themselves.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from functools import cache
from itertools import count, islice
from typing import Any

import polars as pl
import pyarrow as pa
from pyarrow import compute

from event_platform.events.columns import Column, Kind
from event_platform.events.event import UTC_DATETIME
from event_platform.events.rescue import DATE, MOMENTS, RFC3339
from event_platform.events.wire import EXACT_INTEGERS, KEY, VALUE

#: Range of timestamps that Python can show.
_YEARS_1_TO_9999 = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_EXACT = Context(prec=38)

#: An Arrow array of row positions.
Positions = Any


def conform(array: pa.Array, column: Column) -> tuple[pa.Array, list[Positions]]:
    """Convert an array to the type of its column. Return it, and the positions of values to check individually.

    At every depth, texts become timestamps and dates (null if invalid), and arrays of entries become maps. Fields get
    their column names; untyped fields are dropped. The values to check are: texts that are not timestamps; numbers so
    large that they may be integers that a float cannot hold; decimals with more digits than the column (Arrow accepts
    these in exponent notation); untyped arrays that are not empty.
    """
    if column.kind in MOMENTS:
        return _conform_texts(array, column)
    if column.kind is Kind.NUMBER:
        return array, _positions(compute.greater_equal(compute.abs(array), _scalar(float(EXACT_INTEGERS.stop - 1))))
    if column.kind is Kind.DECIMAL:
        precision, scale = column.digits
        largest = pa.scalar(Decimal("9" * precision).scaleb(-scale, _EXACT), array.type)
        return array, _positions(compute.greater(compute.abs(array), largest))
    if column.empty is Kind.ARRAY:
        return array, _positions(compute.greater(compute.list_value_length(array), _scalar(0)))
    if column.item is not None:
        return (_conform_entries if column.kind is Kind.MAP else _conform_items)(array, column.item)
    return _conform_fields(array, column) if column.fields else (array, [])


def conform_keys(arrays: Sequence[pa.Array], column: Column) -> tuple[pa.Array, list[Positions]]:
    """Convert the arrays of a column, one for each of its JSON keys. The first value in a row is taken.

    The positions to check are those of `conform`, and rows with a value for several keys.
    """
    (array, doubtful), *others = (conform(level, column) for level in arrays)
    for earlier, positions in others:
        doubtful += [*positions, *_positions(compute.and_(array.is_valid(), earlier.is_valid()))]
        array = compute.if_else(array.is_valid(), array, earlier)
    return array, doubtful


def _conform_texts(array: pa.Array, column: Column) -> tuple[pa.Array, list[Positions]]:
    text = pl.col("text")
    moment = _moment(text, column.kind)
    if column.was_types:
        moment = pl.coalesce(moment, _moment(text, Kind.DATE).cast(UTC_DATETIME))
    texts = pl.DataFrame({"text": array}).with_columns(moment=moment)
    doubtful = texts.select(text.is_not_null() & pl.col("moment").is_null()).to_series()
    return texts["moment"].to_arrow(), _positions(doubtful.to_arrow())


def _conform_items(array: pa.Array, item: Column) -> tuple[pa.Array, list[Positions]]:
    items, doubtful = conform(array.values, item)
    rows = [compute.list_parent_indices(array).take(positions) for positions in doubtful]
    if items is array.values:
        return array, rows
    return pa.ListArray.from_arrays(array.offsets, items, mask=array.is_null()), rows


def _conform_entries(array: pa.Array, value: Column) -> tuple[pa.Array, list[Positions]]:
    keys, values = array.values.field(KEY), array.values.field(VALUE)
    values, doubtful = conform(values, value)
    rows = [compute.list_parent_indices(array).take(positions) for positions in doubtful]
    return pa.MapArray.from_arrays(array.offsets, keys, values, mask=array.is_null()), rows


def _conform_fields(array: pa.Array, column: Column) -> tuple[pa.Array, list[Positions]]:
    doubtful: list[Positions] = []
    fields: list[pa.Array] = []
    arrays = map(array.field, count())
    for field in column.fields:
        values, positions = conform_keys(list(islice(arrays, len(field.keys))), field)
        doubtful.extend(positions)
        if field.kind is not Kind.UNTYPED:
            fields.append(values)
    names = [field.name for field in column.fields if field.kind is not Kind.UNTYPED]
    return pa.StructArray.from_arrays(fields, names, mask=array.is_null()), doubtful


@cache
def _scalar(value: float) -> pa.Scalar:
    """Return a number as an Arrow scalar. (`pa.scalar` imports pandas if it is installed: 0.15 s in each process)."""
    return pl.Series([value]).to_arrow()[0]


def _positions(chosen: pa.Array) -> list[Positions]:
    """Return the positions of true values as one array; no array if there are none, which is usual."""
    return [compute.indices_nonzero(chosen)] if compute.any(chosen).as_py() else []


def _moment(text: pl.Expr, kind: Kind) -> pl.Expr:
    if kind is Kind.DATE:
        day = pl.when(text.str.contains(DATE.pattern)).then(text).str.to_date("%Y-%m-%d", strict=False)
        return pl.when(day >= date.min).then(day)
    shaped = pl.when(text.str.contains(RFC3339.pattern)).then(text)
    moment = shaped.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    return pl.when(moment.is_between(*_YEARS_1_TO_9999)).then(moment)
