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
from event_platform.events.columns import Column, Kind, kinds_below, typed
from event_platform.events.conforming import conform
from event_platform.events.envelope import Envelope
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.numbers import doubtful_rows
from event_platform.events.rescue import Rescuer
from event_platform.events.wire import arrow_schema, is_wide, object_decoder

#: Enough that the call itself costs nothing, few enough that a row that does not fit sends little to the slow path.
_ROWS_AT_ONCE = 4_096

#: Where rows fit by themselves and not together, those are looked for in halves down to so many.
_ROWS_IN_DOUBT = 64

#: No name of a column.
_ROW = "$row"


class PayloadReader:
    """Reads the payloads of one event type. Holds a compiled schema: make one, use it for many frames."""

    def __init__(self, event_type: EventType, envelope: Envelope) -> None:
        """Compile the type's schema; fields that the `envelope` consumes are neither payload nor unknown."""
        self._name = event_type.name
        self._columns = event_type.columns
        consumed = envelope.consumed - {column.field for column in event_type.columns}
        moment = Kind.DATE_TIME if envelope.unit.is_text else Kind.NUMBER
        head = [Column(field, field, moment if envelope.created_at == (field,) else Kind.STRING) for field in consumed]
        self._schema = arrow_schema([*self._columns, *head])
        self._one_row = None if is_wide(self._columns) else object_decoder([*self._columns, *head])
        self._rescuer = Rescuer(event_type.columns, consumed)
        kinds = set(kinds_below(self._columns))
        self._has_numbers, self._has_decimals = Kind.NUMBER in kinds, Kind.DECIMAL in kinds

    def read(self, bodies: pl.Series) -> pl.DataFrame:
        """Return one row for each body, in order: the payload's columns and `_rescued`."""
        starts = range(0, max(len(bodies), 1), _ROWS_AT_ONCE)
        return pl.concat([self._read_block(bodies[start : start + _ROWS_AT_ONCE]) for start in starts], rechunk=True)

    def _read_block(self, bodies: pl.Series) -> pl.DataFrame:
        rows = pl.int_range(len(bodies), dtype=pl.UInt32, eager=True)
        # Arrow takes texts for decimals.
        table = None if self._has_decimals else self._parse(bodies)
        if table is None:
            rows = rows.filter(self._fitting(bodies))
            table = self._parse(bodies.gather(rows))
        if table is None:  # what fits by itself has a key twice, or a decimal has too many digits
            if len(bodies) > _ROWS_IN_DOUBT:
                half = len(bodies) // 2
                return pl.concat([self._read_block(bodies[:half]), self._read_block(bodies[half:])])
            rows, table = rows.clear(), self._schema.empty_table()
        frame, doubtful = self._conform(table, rows)
        if self._has_numbers:
            doubtful += doubtful_rows(bodies.gather(rows) if len(rows) < len(bodies) else bodies)
        if len(rows) == len(bodies) and not doubtful:
            return frame.drop(_ROW)
        return self._with_rescued(_without(frame, doubtful), bodies).drop(_ROW)

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

    def _fitting(self, bodies: pl.Series) -> pl.Series:
        """Say of each body whether it fits by itself; it may, where that cannot be told at a fair price."""
        if self._one_row is None:
            return pl.repeat(True, len(bodies), dtype=pl.Boolean, eager=True)  # noqa: FBT003 - a value
        decode, fits = self._one_row.decode, [True] * len(bodies)
        for row, body in enumerate(bodies.to_list()):
            try:
                decode(body)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                fits[row] = False
        return pl.Series(fits, dtype=pl.Boolean)

    def _conform(self, table: pa.Table, rows: pl.Series) -> tuple[pl.DataFrame, list[int]]:
        """Give the values the types of their columns, and say which rows may hold another than was written."""
        # The envelope's fields come last: they are columns already.
        conformed = [conform(_whole(table.column(number)), column) for number, column in enumerate(self._columns)]
        doubtful = [position for _, found in conformed for positions in found for position in positions.to_pylist()]
        names = [column.name for column in typed(self._columns)]
        arrays = [
            values
            for (values, _), column in zip(conformed, self._columns, strict=True)
            if column.kind is not Kind.UNTYPED
        ]
        frame = pl.DataFrame(pa.table([rows.to_arrow(), *arrays], [_ROW, *names]))
        return frame.with_columns(pl.lit(None, pl.String).alias(RESCUED_COLUMN)), doubtful

    def _with_rescued(self, fitting: pl.DataFrame, bodies: pl.Series) -> pl.DataFrame:
        """Put what does not fit between the rows that do: what of it fits its columns, and the rest as text."""
        rows = pl.int_range(len(bodies), dtype=pl.UInt32, eager=True)
        unfit = rows.filter(~rows.is_in(fitting[_ROW].implode()))
        held, left = zip(*map(self._rescuer.split, bodies.gather(unfit)), strict=True)
        table = self._parse(pl.Series(held))
        if table is None:
            raise ValueError(f"{self._name}: what fits the columns by itself does not fit them together")
        rescued, _ = self._conform(table, unfit)
        return pl.concat([fitting, rescued.with_columns(pl.Series(RESCUED_COLUMN, left, pl.String))]).sort(_ROW)


def _without(frame: pl.DataFrame, positions: list[int]) -> pl.DataFrame:
    if not positions:
        return frame
    kept = [True] * frame.height
    for position in positions:
        kept[position] = False
    return frame.filter(pl.Series(kept))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
