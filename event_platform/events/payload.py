"""Bodies of one event type → typed columns, and `_rescued` for whatever found no place in them.

Rows are parsed in bulk against a schema compiled from the type's. The parser is strict: it refuses a block of rows in
which one has a value of another type, a field that the schema does not know, or a key written twice. Then each row of
the block is looked at by itself, and those that do not fit go through `rescue`, field by field.
"""

from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
from pyarrow import json as arrow_json

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.conforming import conformed, suspect
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.rescue import rescue

#: Many enough that the call itself costs nothing, few enough that a row that does not fit sends little the longer way.
_ROWS_AT_ONCE = 4_096

#: What the parsers read; a timestamp as it is written, for `conformed` to say what it is.
_WIRE_TYPES: dict[Kind, tuple[pa.DataType, Any]] = {
    Kind.STRING: (pa.string(), str),
    Kind.INTEGER: (pa.int64(), int),
    Kind.NUMBER: (pa.float64(), int | float),
    Kind.BOOLEAN: (pa.bool_(), bool),
    Kind.DATE_TIME: (pa.string(), str),
    Kind.DATE: (pa.string(), str),
}

_ROW = "$row"  # no name of a column


class PayloadReader:
    """Reads the payloads of one event type. Holds a compiled schema: make one, use it for many frames."""

    def __init__(self, event_type: EventType, envelope: Envelope) -> None:
        """Compile the type's schema; fields that the `envelope` consumes are neither payload nor unknown."""
        self._columns = event_type.columns
        self._typed = typed(event_type.columns)
        self._consumed = envelope.consumed - {column.field for column in self._columns}
        moment = Kind.DATE_TIME if envelope.unit is TimeUnit.ISO8601 else Kind.NUMBER
        head = [
            Column(field, field, moment if envelope.created_at == (field,) else Kind.STRING) for field in self._consumed
        ]
        self._wire_schema = pa.schema([_arrow_field(column) for column in [*self._typed, *head]])
        self._one_row = msgspec.json.Decoder(_struct_of([*self._typed, *head]))

    def read(self, bodies: pl.Series) -> pl.DataFrame:
        """Return one row for each body, in order: the payload's columns and `_rescued`."""
        starts = range(0, max(len(bodies), 1), _ROWS_AT_ONCE)
        return pl.concat([self._read_block(bodies[start : start + _ROWS_AT_ONCE]) for start in starts], rechunk=True)

    def _read_block(self, bodies: pl.Series) -> pl.DataFrame:
        rows = pl.int_range(len(bodies), dtype=pl.UInt32, eager=True)
        table = self._parse(bodies)
        if table is None:
            rows = rows.filter(pl.Series([self._fits(body) for body in bodies]))
            table = self._parse(bodies.gather(rows))
        if table is None:  # what fits by itself has a key twice, or a number beyond all: all rows go the longer way
            rows, table = rows.clear(), self._wire_schema.empty_table()
        frame = self._conform(table, rows)
        return (frame if frame.height == len(bodies) else self._with_rescued(frame, bodies)).drop(_ROW)

    def _parse(self, bodies: pl.Series) -> pa.Table | None:
        """Return the values as they are written; None where a row does not fit, and where there are none."""
        # One text behind the other, as they are in memory: the parser needs nothing between two objects.
        *_, texts = bodies.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
        try:
            return arrow_json.read_json(
                pa.BufferReader(texts),
                arrow_json.ReadOptions(use_threads=False, block_size=len(texts)),
                arrow_json.ParseOptions(explicit_schema=self._wire_schema, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid:
            return None

    def _fits(self, body: str) -> bool:
        try:
            self._one_row.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        return True

    def _conform(self, table: pa.Table, rows: pl.Series) -> pl.DataFrame:
        """Give the values the types of their columns, and leave out rows that may hold another than was written."""
        names = [column.name for column in self._typed]  # the envelope's fields come last: they are columns already
        parsed = pl.DataFrame(table.select(range(len(names))).rename_columns(names)).insert_column(0, rows.alias(_ROW))
        columns = [(pl.col(column.name), column) for column in self._typed]
        suspects = [found for value, column in columns if (found := suspect(value, column)) is not None]
        frame = parsed.select(
            _ROW,
            *(conformed(value, column) for value, column in columns),
            pl.lit(None, pl.String).alias(RESCUED_COLUMN),
        )
        if not suspects:
            return frame
        doubtful = parsed.select(pl.any_horizontal(suspects).fill_null(value=False)).to_series()
        return frame.filter(~doubtful) if doubtful.any() else frame

    def _with_rescued(self, fitting: pl.DataFrame, bodies: pl.Series) -> pl.DataFrame:
        """Put what does not fit between the rows that do, each with its number."""
        rows = pl.int_range(len(bodies), dtype=pl.UInt32, eager=True)
        unfit = rows.filter(~rows.is_in(fitting[_ROW].implode()))
        rescued = [(row, *rescue(bodies[row], self._columns, self._consumed)) for row in unfit]
        return pl.concat([fitting, pl.DataFrame(rescued, schema=fitting.schema, orient="row")]).sort(_ROW)


def _arrow_field(column: Column) -> pa.Field:
    return pa.field(column.field, _arrow_type(column))


def _arrow_type(column: Column) -> pa.DataType:
    if column.kind is Kind.OBJECT:
        return pa.struct([_arrow_field(field) for field in typed(column.fields)])
    if column.item is not None:
        return pa.list_(_arrow_type(column.item))
    return _WIRE_TYPES[column.kind][0]


def _struct_of(columns: list[Column]) -> type[msgspec.Struct]:
    """Compile a struct that refuses every other field. Its attributes are numbered: a name from a schema may be any."""
    fields = [(f"f{number}", _python_type(column) | None, None) for number, column in enumerate(columns)]
    rename = {f"f{number}": column.field for number, column in enumerate(columns)}
    return msgspec.defstruct("Payload", fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _python_type(column: Column) -> Any:
    if column.kind is Kind.OBJECT:
        return _struct_of(typed(column.fields))
    if column.item is not None:
        return list[_python_type(column.item) | None]  # type: ignore[misc]
    return _WIRE_TYPES[column.kind][1]
