"""Columns → the schemas of the JSON parsers, Arrow and msgspec. Both are strict: they cast nothing.

For an untyped property they accept null and, if the schema says so, `{}` or `[]`. Arrow also accepts nulls in such an
array.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from event_platform.events.columns import ESCAPED, Column, Kind

#: The integers of an Int64 column, and those that a Float64 column holds exactly.
INT64 = range(-(2**63), 2**63)
EXACT_INTEGERS = range(-(2**53), 2**53 + 1)


#: Fields of an entry: Arrow reads no object as a map, but an array of entries (`maps`).
KEY, VALUE = "key", "value"


def _range_type(values: range) -> Any:
    return Annotated[int, msgspec.Meta(ge=values.start, le=values.stop - 1)]


#: Timestamps are read as text: the parsers would accept other formats than ours.
_TYPES: dict[Kind, tuple[pa.DataType, Any]] = {
    Kind.STRING: (pa.string(), str),
    Kind.INTEGER: (pa.int64(), _range_type(INT64)),
    Kind.NUMBER: (pa.float64(), _range_type(EXACT_INTEGERS) | float),
    Kind.BOOLEAN: (pa.bool_(), bool),
    Kind.DATE_TIME: (pa.string(), str),
    Kind.DATE: (pa.string(), str),
    Kind.DECIMAL: (pa.decimal128(1), int | float),  # replaced by the precision of the column
    Kind.VARIANT: (pa.string(), Any),  # rewritten as a text: see `rewriting`
    Kind.UNTYPED: (pa.null(), type(None)),
}


#: Values of earlier types that a column reads (see `Column.was_types`): a date is a text as well.
_EARLIER: dict[str, Any] = {"boolean": bool, "date": str, "integer": int, "number": int | float}

#: Maximum number of fields that msgspec decodes: it searches linearly for fields in another order.
_MAX_FIELDS = 256


def is_wide(columns: Sequence[Column]) -> bool:
    """Return whether an object with these fields, or a nested one, is too large for msgspec (quadratic time)."""
    return len(columns) > _MAX_FIELDS or any(
        is_wide([*column.fields, *([column.item] if column.item else [])]) for column in columns
    )


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of objects with these fields."""
    return pa.schema(_arrow_fields(columns))


def object_decoder(columns: Sequence[Column], anything: Iterable[str]) -> msgspec.json.Decoder[Any]:
    """Return a decoder of objects with these fields, all optional. Any other field is an error.

    The fields of `anything` may have any value.
    """
    return msgspec.json.Decoder(_struct_of(columns, anything))


def value_decoder(column: Column) -> msgspec.json.Decoder[Any]:
    """Return a decoder of a column's values and null."""
    return msgspec.json.Decoder(_python_type(column) | None)


def _arrow_fields(columns: Sequence[Column]) -> list[pa.Field]:
    """Return a field for each key of each column."""
    return [pa.field(key, _arrow_type(column)) for column in columns for key in column.keys]


def _arrow_type(column: Column) -> pa.DataType:
    if Kind.OBJECT in (column.kind, column.empty):
        return pa.struct(_arrow_fields(column.fields))
    if column.empty is Kind.ARRAY:
        return pa.list_(pa.null())
    if column.item is not None:
        item = _arrow_type(column.item)
        return pa.list_(pa.struct([(KEY, pa.string()), (VALUE, item)]) if column.kind is Kind.MAP else item)
    return pa.decimal128(*column.digits) if column.kind is Kind.DECIMAL else _TYPES[column.kind][0]


def _struct_of(columns: Sequence[Column], anything: Iterable[str] = ()) -> type[msgspec.Struct]:
    """Compile a struct. Its attributes are numbered, because a name in a schema may be reserved in Python.

    Keys that JSON escapes are omitted: they are untyped, and msgspec does not find them.
    """
    types = {key: _python_type(column) | None for column in columns for key in column.keys}
    types |= dict.fromkeys(anything, Any)
    addressable = [field for field in types if not ESCAPED.search(field)]
    fields = [(f"f{number}", types[field], None) for number, field in enumerate(addressable)]
    rename = {f"f{number}": field for number, field in enumerate(addressable)}
    return msgspec.defstruct("Payload", fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _python_type(column: Column) -> Any:
    if Kind.OBJECT in (column.kind, column.empty):
        return _struct_of(column.fields)
    if column.empty is Kind.ARRAY:
        return Annotated[list[None], msgspec.Meta(max_length=0)]
    if column.item is not None:
        item = _python_type(column.item) | None
        return dict[str, item] if column.kind is Kind.MAP else list[item]  # type: ignore[valid-type]
    return reduce(or_, (_EARLIER[name] for name in column.was_types), _TYPES[column.kind][1])
