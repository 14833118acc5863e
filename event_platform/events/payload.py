"""Bodies of one event type → typed columns, and `_rescued` for whatever found no place in them.

Rows are decoded in bulk into structs compiled from the schema. A row in which that leaves anything over (a value
that does not fit, a field the schema does not know, a key written twice) goes through `rescue` instead, field by field.
To know that nothing is left over, the keys written in each body are counted and compared with the values found.
"""

from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.envelope import Envelope
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.gathering import Gathered, gather, slot
from event_platform.events.rescue import rescue

#: A key, and one whose value is not null. Both also match inside a text, which only sends that row the longer way.
_KEY = '":'
_KEY_WITH_VALUE = r'":\s*[^n\s]'

#: Neither of the two sees a key that has a blank before its colon. In a text it does no harm, either.
_BLANK_BEFORE_COLON = r"[ \t\r\n]:"

#: Few enough to stay in the cache from decoding to the columns, which halves the time of both.
_ROWS_AT_ONCE = 1_000

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
        gathered, unfit = self._gather(bodies)
        built = [values.build() for values in gathered]
        unfit.update(*(column.misfits for column in built))
        unfit.update(_rows_with_more(bodies, [column.keys for column in built], len(self._consumed)))
        series = [column.series.alias(name) for name, column in zip(self._schema, built, strict=True)]
        nothing_rescued = pl.Series(RESCUED_COLUMN, [None] * len(bodies), dtype=pl.String)
        frame = pl.DataFrame([*series, nothing_rescued])
        return self._with_rescued(frame, bodies, sorted(unfit)) if unfit else frame

    def _gather(self, bodies: pl.Series) -> tuple[list[Gathered], set[int]]:
        """Decode a few rows at a time, and take their values apart while the processor's cache holds them."""
        gathered = [gather(column) for column in self._typed]
        getters = [attrgetter(slot(number)) for number in range(len(self._typed))]
        unfit: set[int] = set()
        for start in range(0, len(bodies), _ROWS_AT_ONCE):
            rows, damaged = self._decode(bodies[start : start + _ROWS_AT_ONCE])
            unfit.update(start + number for number in damaged)
            for values, getter in zip(gathered, getters, strict=True):
                values.extend(list(map(getter, rows)))
        return gathered, unfit

    def _decode(self, bodies: pl.Series) -> tuple[list[Any], list[int]]:
        """Return a row for each body, and which of them are empty because the body does not fit the struct."""
        try:
            return self._decoder.decode_lines(bodies.str.join("\n").item()), []
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass
        rows, damaged = [], []
        for number, body in enumerate(bodies.to_list()):
            try:
                rows.append(self._decoder.decode(body))
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                rows.append(self._struct())
                damaged.append(number)
        return rows, damaged

    def _with_rescued(self, frame: pl.DataFrame, bodies: pl.Series, unfit: list[int]) -> pl.DataFrame:
        rescued = [rescue(body, self._columns, self._consumed) for body in bodies.gather(unfit)]
        replaced = pl.DataFrame(rescued, schema=frame.schema, orient="row")
        index = pl.Series("index", unfit, dtype=pl.UInt32)
        kept = frame.with_row_index("index").filter(~pl.col("index").is_in(index.implode()))
        return pl.concat([kept, replaced.insert_column(0, index)]).sort("index").drop("index")


def _rows_with_more(bodies: pl.Series, found: list[pl.Series], consumed: int) -> list[int]:
    """Return the rows in which more keys are written than were found."""
    keys = sum(found, start=pl.zeros(len(bodies), pl.UInt32, eager=True)) + consumed
    rows = (bodies.str.count_matches(_KEY, literal=True) != keys).arg_true()
    # Most of these only have a null somewhere: nothing that could be left over.
    more = bodies.gather(rows).str.count_matches(_KEY_WITH_VALUE) != keys.gather(rows)
    return [*rows.filter(more), *bodies.str.contains(_BLANK_BEFORE_COLON).arg_true()]


def _struct_of(columns: tuple[Column, ...]) -> type[msgspec.Struct]:
    fields = [(slot(number), _wire_type(column) | None, None) for number, column in enumerate(typed(columns))]
    rename = {slot(number): column.field for number, column in enumerate(typed(columns))}
    return msgspec.defstruct("Payload", fields, rename=rename, gc=False)


def _wire_type(column: Column) -> Any:
    if column.kind is Kind.OBJECT:
        return _struct_of(column.fields)
    if column.item is not None:
        return list[_wire_type(column.item) | None]  # type: ignore[misc]
    return _WIRE_TYPES[column.kind]
