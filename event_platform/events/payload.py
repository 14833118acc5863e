"""Bodies of one event type → typed columns, and `_rescued` for whatever found no place in them.

Rows are parsed in bulk against a schema compiled from the type's. The parser is strict: it refuses a block of rows in
which one has a value of another type, a field that the schema does not know, or a key written twice. Then each row of
the block is looked at by itself, and those that do not fit go through `rescue`, field by field.
"""

import msgspec
import polars as pl
import pyarrow as pa
from pyarrow import json as arrow_json

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.conforming import conformed, suspect
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.rescue import Rescuer
from event_platform.events.wire import arrow_schema, object_decoder

#: Many enough that the call itself costs nothing, few enough that a row that does not fit sends little the longer way.
_ROWS_AT_ONCE = 4_096

#: No names of columns.
_ROW, _DOUBTFUL = "$row", "$doubtful"


class PayloadReader:
    """Reads the payloads of one event type. Holds a compiled schema: make one, use it for many frames."""

    def __init__(self, event_type: EventType, envelope: Envelope) -> None:
        """Compile the type's schema; fields that the `envelope` consumes are neither payload nor unknown."""
        self._name = event_type.name
        self._typed = typed(event_type.columns)
        consumed = envelope.consumed - {column.field for column in event_type.columns}
        moment = Kind.DATE_TIME if envelope.unit is TimeUnit.ISO8601 else Kind.NUMBER
        head = [Column(field, field, moment if envelope.created_at == (field,) else Kind.STRING) for field in consumed]
        self._schema = arrow_schema([*self._typed, *head])
        self._one_row = object_decoder([*self._typed, *head])
        self._rescuer = Rescuer(event_type.columns, consumed)

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
            rows, table = rows.clear(), self._schema.empty_table()
        frame = self._conform(table, rows)
        doubtful = frame.drop_in_place(_DOUBTFUL)
        if len(rows) == len(bodies) and not doubtful.any():
            return frame.drop(_ROW)
        return self._with_rescued(frame.filter(~doubtful), bodies).drop(_ROW)

    def _parse(self, bodies: pl.Series) -> pa.Table | None:
        """Return the values as they are written; None where a row does not fit, and where there are none."""
        # One text behind the other, as they are in memory: the parser needs nothing between two objects.
        *_, texts = bodies.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
        try:
            return arrow_json.read_json(
                pa.BufferReader(texts),
                arrow_json.ReadOptions(use_threads=False, block_size=len(texts)),
                arrow_json.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="error"),
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
        """Give the values the types of their columns, and say which rows may hold another than was written."""
        names = [column.name for column in self._typed]  # the envelope's fields come last: they are columns already
        parsed = pl.DataFrame(table.select(range(len(names))).rename_columns(names)).insert_column(0, rows.alias(_ROW))
        columns = [(pl.col(column.name), column) for column in self._typed]
        doubts = [found for value, column in columns if (found := suspect(value, column)) is not None]
        return parsed.select(
            _ROW,
            *(conformed(value, column) for value, column in columns),
            pl.lit(None, pl.String).alias(RESCUED_COLUMN),
            pl.any_horizontal(pl.col(_ROW).is_null(), *doubts).fill_null(value=False).alias(_DOUBTFUL),
        )

    def _with_rescued(self, fitting: pl.DataFrame, bodies: pl.Series) -> pl.DataFrame:
        """Put what does not fit between the rows that do: what of it fits its columns, and the rest as text."""
        rows = pl.int_range(len(bodies), dtype=pl.UInt32, eager=True)
        unfit = rows.filter(~rows.is_in(fitting[_ROW].implode()))
        held, left = zip(*map(self._rescuer.split, bodies.gather(unfit)), strict=True)
        table = self._parse(pl.Series(held))
        if table is None:
            raise ValueError(f"{self._name}: what fits the columns by itself does not fit them together")
        rescued = self._conform(table, unfit).drop(_DOUBTFUL).with_columns(pl.Series(RESCUED_COLUMN, left, pl.String))
        return pl.concat([fitting, rescued]).sort(_ROW)
