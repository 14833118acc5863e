"""A Parquet object → its rows as JSON, in pieces of bounded size.

Kilobytes of Parquet may become a hundred gigabytes of text, because repeated values are stored once. Therefore only a
few rows are read together, and the size of their text is estimated first.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
from polars._typing import PolarsDataType
from polars.datatypes import Map
from pyarrow import parquet

from event_platform.events.corruption import MAX_RECORD_BYTES
from event_platform.landing.pieces import RECORDS_PER_PIECE, Limits, Piece, too_large, unreadable
from event_platform.landing.rows import gather_pieces

#: Bytes of a value in polars, which points to a text that is stored once.
_VALUE = 16

#: Characters of JSON around a value: quotation marks, comma and brackets.
_AROUND = 8

#: Errors of pyarrow and polars for a damaged file. A panic is not an Exception.
_ERRORS = (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError)

#: Numbers that JSON does not support: as polars writes them, and as texts that do not parse as numbers.
_NOT_FINITE = {"NaN": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


_TOO_MUCH = (
    "parquet: its rows are more than {:,} bytes of JSON, the limit for an object (object_limit_bytes of the resource "
    "rules); the rest is not read: land smaller objects, or raise the limit"
)

_TOO_MANY = (
    "parquet: it has {:,} rows, more than the {:,} that an object may have (object_limit_bytes of the rules, at "
    "64 bytes a row); none is read: land smaller objects, or raise the limit"
)


#: Converts fractional numbers before they are written.
Form = Callable[[pl.Expr], pl.Expr]


class _LargeError(Exception):
    """Rows that cannot be read within the limits."""


def parquet_pieces(data: bytes, limits: Limits) -> Iterator[Piece]:
    """Yield the rows of a file as JSON lines. If they end early, the last piece has the reason.

    A file with more rows than `limits` allow is not read: rows of nulls take no bytes in a file, but each is a record.
    """
    remaining_bytes = limits.object_bytes
    try:
        metadata = parquet.read_metadata(pa.BufferReader(data))
        if metadata.num_rows > limits.object_rows:
            yield unreadable(b"", _TOO_MANY.format(metadata.num_rows, limits.object_rows))
            return
        for start, rows in _ranges(metadata, limits):
            frame = pl.scan_parquet(data).slice(start, rows).collect()
            for piece in _as_pieces(frame, limits.piece_bytes):
                remaining_bytes -= len(piece.data)
                if remaining_bytes < 0:
                    yield unreadable(b"", _TOO_MUCH.format(limits.object_bytes))
                    return
                yield piece
    except _LargeError as error:
        yield unreadable(b"", f"parquet: {error}")
    except _ERRORS as error:
        yield unreadable(b"", f"parquet: {' '.join(str(error).split())[:200]}")


def _ranges(metadata: Any, limits: Limits) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows to read at a time, as start and length: small row groups together, large ones in parts.

    Raises _LargeError for a row group that cannot be read within the limits.
    """
    start = rows = 0
    range_bytes = limits.task_bytes // 8
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        fixed_memory, row_memory = _memory_to_read(group, metadata)
        if fixed_memory > limits.task_bytes:
            if rows:
                yield start, rows
            raise _LargeError(
                f"row group {number} takes {fixed_memory:,} bytes to be read, more than a task may hold "
                f"({limits.task_bytes:,}, task_limit_bytes of the resource rules); it and the rest are not read"
            )
        max_rows = max(1, min(RECORDS_PER_PIECE, range_bytes // max(row_memory, 1)))
        if rows and rows + group.num_rows > max_rows:
            yield start, rows
            start, rows = start + rows, 0
        rows += group.num_rows
        while rows > max_rows:
            yield start, max_rows
            start, rows = start + max_rows, rows - max_rows
    if rows:
        yield start, rows


def _memory_to_read(group: Any, metadata: Any) -> tuple[int, int]:
    """Return the memory needed to read one row of a row group, and the additional memory per row, in bytes."""
    columns = [group.column(number) for number in range(group.num_columns)]
    fixed_memory = sum(column.total_uncompressed_size for column in columns)
    row_size = 0
    for number, column in enumerate(columns):
        schema = metadata.schema.column(number)
        value = _VALUE
        if schema.physical_type == "FIXED_LEN_BYTE_ARRAY":
            value += schema.length
        if "DELTA_BYTE_ARRAY" in column.encodings:  # each value may repeat the beginning of the previous one
            value += column.total_uncompressed_size
        per_row = -(-column.num_values // max(1, group.num_rows))
        row_size += value * per_row
        if schema.max_repetition_level:  # all values may be in one row
            fixed_memory += _VALUE * column.num_values
    return fixed_memory, row_size


def _as_pieces(frame: pl.DataFrame, piece_bytes: int) -> Iterator[Piece]:
    """Split rows until each part fits a piece. Only the beginning of a row that is too large is kept."""
    size = _text_bytes(frame)
    if frame.height > 1 and size > piece_bytes:
        half = frame.height // 2
        yield from _as_pieces(frame[:half], piece_bytes)
        yield from _as_pieces(frame[half:], piece_bytes)
    elif frame.height == 1 and size > max(piece_bytes, MAX_RECORD_BYTES):
        small = [name for name in frame.columns if _text_bytes(frame.select(name)) <= MAX_RECORD_BYTES]
        yield too_large(_as_json(frame.select(small))[0].encode())
    else:
        yield from gather_pieces((row.encode() for row in _as_json(frame)), piece_bytes)


def _text_bytes(frame: pl.DataFrame) -> int:
    """Estimate the size of rows as JSON: values and names."""
    return sum(
        int(values.cat.len_bytes().sum() if values.dtype in (pl.Categorical, pl.Enum) else values.estimated_size())
        + len(values) * (len(path.encode()) + _AROUND)
        for name in frame.columns
        for path, values in _leaves(name, frame[name])
    )


def _leaves(path: str, values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Yield the leaf columns of a column, with their paths of names."""
    if isinstance(values.dtype, pl.Struct):
        for name in (field.name for field in values.dtype.fields):
            yield from _leaves(f"{path}.{name}", values.struct.field(name))
    elif isinstance(values.dtype, Map):
        yield from _leaves(path, values.map.entries())
    elif isinstance(values.dtype, pl.List | pl.Array):
        yield from _leaves(path, values.explode())
    else:
        yield path, values


def _as_json(frame: pl.DataFrame) -> list[str]:
    """Return each row as a JSON object. NaN and infinities become texts."""
    rows = _encode(frame, _identity)
    if not all(_is_finite(values) for name in frame.columns for _, values in _leaves(name, frame[name])):
        texts = _encode(frame, _as_text)
        rows = [_with_nonfinite(row, text) for row, text in zip(rows, texts, strict=True)]
    return rows


def _encode(frame: pl.DataFrame, number: Form) -> list[str]:
    columns = [_for_json(pl.col(name), dtype, number) for name, dtype in frame.schema.items()]
    if not columns:
        return ["{}"] * frame.height
    return frame.select(pl.struct(columns).struct.json_encode()).to_series().to_list()


def _is_finite(values: pl.Series) -> bool:
    return not values.dtype.is_float() or bool(values.is_finite().all())


def _with_nonfinite(row: str, texts: str) -> str:
    """Replace nulls of `row` by the texts of numbers that are not finite."""
    if not any(f'"{text}"' in texts for text in _NOT_FINITE):
        return row
    return msgspec.json.encode(_with_texts(msgspec.json.decode(row), msgspec.json.decode(texts))).decode()


def _with_texts(value: Any, texts: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_texts(member, texts[name]) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_texts(member, text) for member, text in zip(value, texts, strict=True)]
    # A text "NaN" is a text in `value` as well.
    return _NOT_FINITE[texts] if value is None and texts is not None else value


def _as_text(values: pl.Expr) -> pl.Expr:
    return values.cast(pl.String)


def _identity(values: pl.Expr) -> pl.Expr:
    return values


def _for_json(values: pl.Expr, dtype: PolarsDataType, number: Form) -> pl.Expr:
    """Convert types that JSON lacks, at every depth, and fractional numbers by `number`."""
    if isinstance(dtype, pl.List):
        return values.list.eval(_for_json(pl.element(), dtype.inner, number))
    if isinstance(dtype, Map):
        entry = pl.Struct({"key": dtype.key, "value": dtype.value})
        return _keys_as_texts(values.map.entries(), entry, number).list.to_map()
    if isinstance(dtype, pl.Array):
        return _for_json(values.arr.to_list(), pl.List(dtype.inner), number)
    if isinstance(dtype, pl.Struct) and dtype.fields:
        return values.struct.with_fields(
            [_for_json(pl.field(field.name), field.dtype, number) for field in dtype.fields]
        )
    return number(values) if dtype.is_float() else _value_for_json(values, dtype)


def _keys_as_texts(entries: pl.Expr, entry: pl.Struct, number: Form) -> pl.Expr:
    key, value = entry.fields
    return entries.list.eval(
        pl.struct(
            key=_for_json(pl.element().struct.field("key"), key.dtype, _as_text).cast(pl.String),
            value=_for_json(pl.element().struct.field("value"), value.dtype, number),
        )
    )


def _value_for_json(values: pl.Expr, dtype: PolarsDataType) -> pl.Expr:
    """Return bytes as base64, and timestamps without a zone as UTC."""
    if dtype == pl.Binary:
        return values.bin.encode("base64")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return values.dt.replace_time_zone("UTC")
    return values
