"""Bodies of one event type → typed columns, and `_rescued` with the values that fit no column.

Blocks of rows are parsed in bulk with a strict parser, which rejects a block if one row has a value of another type, an
unknown field, or a repeated key. The rows of a rejected block are checked one by one; those that do not fit take the
slow path, field by field (`rescue`). The parser does not read maps and variants: bodies that may contain them are
rewritten first (`rewriting`).
"""

from functools import cached_property
from itertools import islice
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
from pyarrow import json as arrow_json

from event_platform.events.catalog import EventType
from event_platform.events.columns import Kind, kinds_below, typed
from event_platform.events.conforming import conform_keys
from event_platform.events.envelope import Envelope
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.numbers import rows_that_may_lose_digits
from event_platform.events.rescue import NOT_DECODED, Rescuer
from event_platform.events.rewriting import Rewriter, is_rewritten
from event_platform.events.wire import arrow_schema, is_wide, object_decoder

#: Rows of a block: enough to make the cost of a call negligible, few enough that a bad row slows down few others.
_ROWS_AT_ONCE = 4_096

#: Bytes of a block: Arrow's parser takes less than 2 GiB, and arrays of entries are up to four times as long as maps.
_BYTES_AT_ONCE = 2**28

#: A block whose rows fit individually but not together is halved down to this size.
_ROWS_IN_DOUBT = 64

#: Cannot be the name of a column.
_ROW = "$row"


class PayloadReader:
    """Reads the payloads of one event type. Holds a compiled schema: create it once, use it for many frames."""

    def __init__(self, event_type: EventType, envelope: Envelope) -> None:
        """Compile the schema. Fields that the `envelope` consumes are neither payload nor unknown."""
        self._name = event_type.name
        self._columns = event_type.columns
        self._consumed = envelope.consumed - {key for column in event_type.columns for key in column.keys}
        is_number = envelope.created_at[0] if envelope.unit.per_second else None
        self._types = {field: pa.float64() if field == is_number else pa.string() for field in self._consumed}
        self._schema = self._schema_of_block()
        kinds = set(kinds_below(self._columns))
        self._has_numbers, self._has_decimals = Kind.NUMBER in kinds, Kind.DECIMAL in kinds
        self._rewrite = Rewriter(self._columns).rewrite if is_rewritten(self._columns) else None

    # For rows that do not fit. Compiled lazily: most small tables have none, and compiling takes as long as reading ten
    # rows.

    @cached_property
    def _one_row(self) -> msgspec.json.Decoder[Any] | None:
        return None if is_wide(self._columns) else object_decoder(self._columns, self._consumed)

    @cached_property
    def _rescuer(self) -> Rescuer:
        return Rescuer(self._columns, self._consumed)

    def read(self, bodies: pl.Series) -> pl.DataFrame:
        """Return the payload columns and `_rescued`, one row for each body, in order."""
        starts = range(0, max(len(bodies), 1), _ROWS_AT_ONCE)
        return pl.concat([self._read_block(bodies[start : start + _ROWS_AT_ONCE]) for start in starts], rechunk=True)

    def _read_block(self, bodies: pl.Series) -> pl.DataFrame:
        if len(bodies) > 1 and bodies.estimated_size() > _BYTES_AT_ONCE:
            return self._read_halves(bodies)
        rows = pl.int_range(len(bodies), dtype=pl.UInt32, eager=True)
        # Arrow would accept texts as decimals.
        table = None if self._has_decimals else self._parse(bodies)
        if table is None:
            rows = rows.filter(self._fitting(bodies))
            table = self._parse(bodies.gather(rows))
        if table is None:  # a row has a key twice, or a decimal has too many digits
            if len(bodies) > _ROWS_IN_DOUBT:
                return self._read_halves(bodies)
            rows, table = rows.clear(), self._schema.empty_table()
        frame, doubtful = self._conform(table, rows)
        if self._has_numbers:
            doubtful += rows_that_may_lose_digits(bodies.gather(rows) if len(rows) < len(bodies) else bodies)
        if len(rows) == len(bodies) and not doubtful:
            return frame.drop(_ROW)
        return self._with_rescued(_drop_rows(frame, doubtful), bodies).drop(_ROW)

    def _read_halves(self, bodies: pl.Series) -> pl.DataFrame:
        half = len(bodies) // 2
        return pl.concat([self._read_block(bodies[:half]), self._read_block(bodies[half:])])

    def _schema_of_block(self) -> pa.Schema:
        return pa.schema([*arrow_schema(self._columns), *self._types.items()])

    def _parse(self, bodies: pl.Series) -> pa.Table | None:
        """Return the values as JSON types. None if a row does not fit, or if there are no rows."""
        texts = bodies if self._rewrite is None else self._rewrite(bodies)
        if texts is None:
            return None
        table = self._parse_block(texts)
        if table is None and len(bodies):
            # An id or a time may be a text in one stream and a number in another: they are as in the first row.
            types = {field: _type_in(bodies[0], field) for field in self._consumed}
            if types != self._types:
                self._types = types
                self._schema = self._schema_of_block()
                table = self._parse_block(texts)
        return table

    def _parse_block(self, bodies: pl.Series) -> pa.Table | None:
        # The texts lie behind each other in memory, and the parser needs no separator between objects.
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
        """Return for each body whether it fits. True also if checking would be too slow (`is_wide`)."""
        if self._one_row is None:
            return pl.repeat(True, len(bodies), dtype=pl.Boolean, eager=True)  # noqa: FBT003 - a value
        decode, fits = self._one_row.decode, [True] * len(bodies)
        for row, body in enumerate(bodies.to_list()):
            try:
                decode(body)
            except NOT_DECODED:
                fits[row] = False
        return pl.Series(fits, dtype=pl.Boolean)

    def _conform(self, table: pa.Table, rows: pl.Series) -> tuple[pl.DataFrame, list[int]]:
        """Convert values to the types of their columns. Return them, and the rows to check one by one."""
        # The envelope's fields come last: they are columns already.
        arrays = map(_combined, table.columns)
        conformed = [conform_keys(list(islice(arrays, len(column.keys))), column) for column in self._columns]
        doubtful = [
            position for _, failures in conformed for positions in failures for position in positions.to_pylist()
        ]
        names = [column.name for column in typed(self._columns)]
        columns = [
            values
            for (values, _), column in zip(conformed, self._columns, strict=True)
            if column.kind is not Kind.UNTYPED
        ]
        frame = pl.DataFrame(pa.table([rows.to_arrow(), *columns], [_ROW, *names]))
        return frame.with_columns(pl.lit(None, pl.String).alias(RESCUED_COLUMN)), doubtful

    def _with_rescued(self, fitting: pl.DataFrame, bodies: pl.Series) -> pl.DataFrame:
        """Insert the rows that do not fit between those that do: their fitting values, and the rest as text."""
        rows = pl.int_range(len(bodies), dtype=pl.UInt32, eager=True)
        unfit = rows.filter(~rows.is_in(fitting[_ROW].implode()))
        fits, remainders = zip(*map(self._rescuer.split, bodies.gather(unfit)), strict=True)
        table = self._parse(pl.Series(fits))
        if table is None:
            raise ValueError(f"{self._name}: rows that fit the columns one by one do not fit them together")
        rescued, _ = self._conform(table, unfit)
        return pl.concat([fitting, rescued.with_columns(pl.Series(RESCUED_COLUMN, remainders, pl.String))]).sort(_ROW)


def _type_in(body: str, field: str) -> pa.DataType:
    """Return the type that an event column has for a field: a text or a number."""
    try:
        value = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get(field)
    except NOT_DECODED:
        value = None
    return pa.string() if value is None or bytes(value).startswith((b'"', b"n")) else pa.float64()


def _drop_rows(frame: pl.DataFrame, positions: list[int]) -> pl.DataFrame:
    if not positions:
        return frame
    mask = [True] * frame.height
    for position in positions:
        mask[position] = False
    return frame.filter(pl.Series(mask))


def _combined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
