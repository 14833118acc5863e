"""The columns of an event type → what the two JSON parsers take them for. Both are strict: they cast nothing."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from event_platform.events.columns import Column, Kind, typed

#: What an Int64 column holds, and the integers that a Float64 column holds without loss.
INT64 = range(-(2**63), 2**63)
EXACT_INTEGERS = range(-(2**53), 2**53 + 1)


def _within(values: range) -> Any:
    return Annotated[int, msgspec.Meta(ge=values.start, le=values.stop - 1)]


#: A timestamp is read as it is written: what it is, is not for a parser to say.
_TYPES: dict[Kind, tuple[pa.DataType, Any]] = {
    Kind.STRING: (pa.string(), str),
    Kind.INTEGER: (pa.int64(), _within(INT64)),
    Kind.NUMBER: (pa.float64(), _within(EXACT_INTEGERS) | float),
    Kind.BOOLEAN: (pa.bool_(), bool),
    Kind.DATE_TIME: (pa.string(), str),
    Kind.DATE: (pa.string(), str),
}


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of objects with these fields."""
    return pa.schema([_arrow_field(column) for column in columns])


def object_decoder(columns: Sequence[Column]) -> msgspec.json.Decoder[Any]:
    """Return a decoder of objects with these fields, each of which may be absent; any other one is an error."""
    return msgspec.json.Decoder(_struct_of(columns))


def value_decoder(column: Column) -> msgspec.json.Decoder[Any]:
    """Return a decoder of what a column holds, or null."""
    return msgspec.json.Decoder(_python_type(column) | None)


def _arrow_field(column: Column) -> pa.Field:
    return pa.field(column.field, _arrow_type(column))


def _arrow_type(column: Column) -> pa.DataType:
    if column.kind is Kind.OBJECT:
        return pa.struct([_arrow_field(field) for field in typed(column.fields)])
    if column.item is not None:
        return pa.list_(_arrow_type(column.item))
    return _TYPES[column.kind][0]


def _struct_of(columns: Sequence[Column]) -> type[msgspec.Struct]:
    """Compile a struct. Its attributes are numbered: a name from a schema may mean something in Python."""
    fields = [(f"f{number}", _python_type(column) | None, None) for number, column in enumerate(columns)]
    rename = {f"f{number}": column.field for number, column in enumerate(columns)}
    return msgspec.defstruct("Payload", fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _python_type(column: Column) -> Any:
    if column.kind is Kind.OBJECT:
        return _struct_of(typed(column.fields))
    if column.item is not None:
        return list[_python_type(column.item) | None]  # type: ignore[misc]
    return _TYPES[column.kind][1]
