"""Bodies of one event type → typed columns, and `_rescued` for whatever found no place in them.

All rows are decoded at once into structs compiled from the schema. A row in which that leaves anything over (a value
that does not fit, a field the schema does not know, a key written twice) goes through `rescue` instead, field by field.
To know that nothing is left over, the keys written in each body are counted and compared with the values found.
"""

from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl
from polars._typing import PolarsDataType

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.envelope import Envelope
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.rescue import EXACT_INTEGERS, INT64, RFC3339, rescue

#: A key whose value is not null. It also matches inside a text, which only sends that row the longer way.
_KEY_WITH_VALUE = r'":\s*[^n\s]'

_WIRE_TYPES: dict[Kind, Any] = {
    Kind.STRING: str,
    Kind.INTEGER: int,
    Kind.NUMBER: int | float,
    Kind.BOOLEAN: bool,
    Kind.DATE_TIME: str,
    Kind.DATE: str,
}


class PayloadReader:
    """Reads the payloads of one event type. Holds a compiled decoder: make one, use it for many frames."""

    def __init__(self, event_type: EventType, envelope: Envelope) -> None:
        """Compile the type's schema; fields that the `envelope` consumes are neither payload nor unknown."""
        self._columns = event_type.columns
        self._typed = typed(event_type.columns)
        self._consumed = envelope.consumed - {column.field for column in self._columns}
        self._struct = _struct_of(event_type.columns)
        self._decoder = msgspec.json.Decoder(self._struct)
        self._schema = pl.Schema({column.name: column.dtype for column in self._typed})

    def read(self, bodies: pl.Series) -> pl.DataFrame:
        """Return one row for each body, in order: the payload's columns and `_rescued`."""
        texts = bodies.to_list()
        rows, unfit = self._decode(texts)
        series = []
        for column in self._typed:
            values, misfits = _build(list(map(attrgetter(column.name), rows)), column)
            series.append(values.alias(column.name))
            unfit.update(misfits)
        frame = pl.DataFrame(series, height=len(texts))
        found = frame.select(_values_found(self._schema) + len(self._consumed)).to_series()
        unfit.update((bodies.str.count_matches(_KEY_WITH_VALUE) != found).arg_true())
        frame = frame.with_columns(pl.lit(None, pl.String).alias(RESCUED_COLUMN))
        return self._with_rescued(frame, texts, sorted(unfit)) if unfit else frame

    def _decode(self, texts: list[str]) -> tuple[list[Any], set[int]]:
        try:
            return self._decoder.decode_lines("\n".join(texts)), set()
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass
        rows, unfit = [], set()
        for index, text in enumerate(texts):
            try:
                rows.append(self._decoder.decode(text))
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                rows.append(self._struct())
                unfit.add(index)
        return rows, unfit

    def _with_rescued(self, frame: pl.DataFrame, texts: list[str], unfit: list[int]) -> pl.DataFrame:
        rescued = [rescue(texts[index], self._columns, self._consumed) for index in unfit]
        replaced = pl.DataFrame(rescued, schema=frame.schema, orient="row")
        index = pl.Series("index", unfit, dtype=pl.UInt32)
        kept = frame.with_row_index("index").filter(~pl.col("index").is_in(index.implode()))
        return pl.concat([kept, replaced.insert_column(0, index)]).sort("index").drop("index")


def _struct_of(columns: tuple[Column, ...]) -> type[msgspec.Struct]:
    fields = [(column.name, _wire_type(column) | None, None) for column in typed(columns)]
    rename = {column.name: column.field for column in typed(columns)}
    return msgspec.defstruct("Payload", fields, rename=rename, gc=False)


def _wire_type(column: Column) -> Any:
    if column.kind is Kind.OBJECT:
        return _struct_of(column.fields)
    if column.item is not None:
        return list[_wire_type(column.item) | None]  # type: ignore[misc]
    return _WIRE_TYPES[column.kind]


def _build(values: list[Any], column: Column) -> tuple[pl.Series, set[int]]:
    """Return the column and the positions of the values that do not fit it."""
    if column.kind is Kind.OBJECT:
        return _build_objects(values, column)
    if column.item is not None:
        return _build_arrays(values, column.item)
    if column.kind is Kind.INTEGER:
        return _build_integers(values)
    if column.kind is Kind.NUMBER:
        return _build_numbers(values)
    if column.kind in {Kind.DATE_TIME, Kind.DATE}:
        return _build_moments(pl.Series(values, dtype=pl.String), column.kind)
    return pl.Series(values, dtype=column.dtype), set()


def _build_integers(values: list[int | None]) -> tuple[pl.Series, set[int]]:
    try:
        return pl.Series(values, dtype=pl.Int64), set()
    except (TypeError, OverflowError):
        misfits = {i for i, value in enumerate(values) if value is not None and value not in INT64}
        return pl.Series([None if i in misfits else v for i, v in enumerate(values)], dtype=pl.Int64), misfits


def _build_numbers(values: list[float | None]) -> tuple[pl.Series, set[int]]:
    numbers = pl.Series(values, dtype=pl.Float64, strict=False)
    if numbers.null_count() == values.count(None) and not (numbers.abs() >= EXACT_INTEGERS.stop).any():
        return numbers, set()
    return numbers, {i for i, value in enumerate(values) if type(value) is int and value not in EXACT_INTEGERS}


def _build_moments(texts: pl.Series, kind: Kind) -> tuple[pl.Series, set[int]]:
    if kind is Kind.DATE:
        moments = texts.str.to_date("%Y-%m-%d", strict=False).set(texts.str.len_bytes() != len("2025-01-01"), None)
    else:
        shaped = texts.set(~texts.str.contains(RFC3339.pattern), None)
        moments = shaped.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    return moments, set((moments.is_null() & texts.is_not_null()).arg_true())


def _build_objects(values: list[Any], column: Column) -> tuple[pl.Series, set[int]]:
    present = pl.Series([value is not None for value in values], dtype=pl.Boolean)
    if not present.any():
        return pl.Series([None] * len(values), dtype=column.dtype), set()
    if not present.all():
        empty = next(type(value) for value in values if value is not None)()
        values = [empty if value is None else value for value in values]
    fields, misfits = [], set()
    for field in typed(column.fields):
        series, unfit = _build(list(map(attrgetter(field.name), values)), field)
        fields.append(series.alias(field.name))
        misfits |= unfit
    struct = pl.DataFrame(fields).to_struct()
    return struct if present.all() else pl.select(pl.when(present).then(struct)).to_series(), misfits


def _build_arrays(values: list[list[Any] | None], item: Column) -> tuple[pl.Series, set[int]]:
    # From flat values and lengths: polars takes 13 µs a row to make the same column from nested lists.
    lengths = pl.Series([None if value is None else len(value) for value in values], dtype=pl.UInt32)
    flat, unfit = _build(list(chain.from_iterable(value for value in values if value)), item)
    owner = pl.select(pl.int_range(len(values), dtype=pl.UInt32).repeat_by(lengths.fill_null(0)).explode()).to_series()
    owner = owner.drop_nulls()  # an empty list explodes to a null
    lists = pl.DataFrame({"row": owner.set_sorted(), "items": flat}).group_by("row", maintain_order=True).agg("items")
    column = (
        pl.DataFrame({"row": pl.int_range(len(values), dtype=pl.UInt32, eager=True), "length": lengths})
        .join(lists, on="row", how="left", maintain_order="left")
        .select(
            pl.when(pl.col("length") > 0)
            .then("items")
            .when(pl.col("length") == 0)
            .then(pl.lit([], pl.List(flat.dtype)))
        )
    )
    return column.to_series(), {owner[i] for i in unfit}


def _values_found(schema: pl.Schema) -> pl.Expr:
    return pl.sum_horizontal([pl.lit(0, pl.UInt32), *(_keys(pl.col(name), dtype) for name, dtype in schema.items())])


def _keys(value: pl.Expr, dtype: PolarsDataType) -> pl.Expr:
    """Count the keys that a column's value was written with, its own included."""
    own = value.is_not_null().cast(pl.UInt32)
    if isinstance(dtype, pl.Struct):
        return pl.sum_horizontal(own, *(_keys(value.struct.field(field.name), field.dtype) for field in dtype.fields))
    if isinstance(dtype, pl.List) and _holds_objects(dtype.inner):
        below = value.list.eval(_keys(pl.element(), dtype.inner) - pl.element().is_not_null().cast(pl.UInt32))
        return pl.sum_horizontal(own, below.list.sum())
    return own


def _holds_objects(dtype: PolarsDataType) -> bool:
    return isinstance(dtype, pl.Struct) or (isinstance(dtype, pl.List) and _holds_objects(dtype.inner))
