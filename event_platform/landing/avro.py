"""An Avro container file → its rows as JSON, in pieces of bounded size.

This module reads the blocks of a container, so that none unpacks to more than a task may hold; fastavro decodes the
rows. It is imported only to read such an object, because importing fastavro is slow.
"""

import bz2
import io
import json
import lzma
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import fastavro
import msgspec
import zstandard

# fastavro's compiled reader crashes on deep recursion; the Python one raises an error.
from fastavro._read_py import schemaless_reader as read_recursive
from fastavro.schema import SchemaParseException

from event_platform.landing.avro_schema import RowSchema, row_schema
from event_platform.landing.pieces import BrokenError, Limits, Piece, UnsupportedError, unreadable
from event_platform.landing.rows import gather_pieces
from event_platform.landing.snappy import unpack_raw
from event_platform.landing.streams import ByteReader, name_errors

#: First bytes of a container.
MAGIC = b"Obj\x01"

#: Bytes of the marker that separates blocks.
_MARKER = 16

#: Bytes of the checksum behind a block of Snappy.
_CHECKSUM = 4

#: Bytes of memory that xz may take.
_XZ_MEMORY = 1 << 27

#: Errors of the decoders for a damaged container.
_DAMAGE = (
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    struct.error,
    OSError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    SchemaParseException,
)

_TOO_MUCH = (
    "avro: its rows are more than {:,} bytes of JSON, the limit for an object (object_limit_bytes of the resource "
    "rules); the rest is not read: land smaller objects, or raise the limit"
)

_TOO_LARGE = (
    "a row may take more memory than a task may hold ({:,} bytes, task_limit_bytes of the resource rules); it and what "
    "is behind are not read"
)

#: Maximum number of entries of a header.
_MOST_SETTINGS = 1000


@dataclass(frozen=True)
class _Container:
    """The header of a container."""

    schema: RowSchema
    unpack: Callable[[bytes, int], bytes]  # unpacks a block, to a maximum number of bytes
    marker: bytes


def avro_pieces(parts: Iterable[bytes], limits: Limits) -> Iterator[Piece]:
    """Yield the rows of a container as JSON lines. If they end early, the last piece has the reason."""
    remaining_bytes = limits.object_bytes
    for piece in gather_pieces(name_errors("avro", _rows(ByteReader(parts), limits)), limits.piece_bytes):
        remaining_bytes -= len(piece.data)
        if remaining_bytes < 0:
            yield unreadable(b"", _TOO_MUCH.format(limits.object_bytes))
            return
        yield piece


def _rows(stream: ByteReader, limits: Limits) -> Iterator[bytes]:
    """Yield rows as JSON. Raises BrokenError and UnsupportedError."""
    try:
        container = _read_header(stream, limits)
        while (count := _count(stream)) is not None:
            block = _block(stream, container, limits)
            yield from _decode_rows(block, count, container.schema, limits)
    except _DAMAGE as error:
        raise BrokenError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error


def _read_header(stream: ByteReader, limits: Limits) -> _Container:
    stream.read_exactly(len(MAGIC))
    settings = _settings(stream, limits)
    codec = settings.get("avro.codec", b"null").decode()
    if codec not in _CODECS:
        raise UnsupportedError(
            f"avro: its blocks are compressed with {codec!r}: write it with one of {', '.join(_CODECS)}"
        )
    schema = row_schema(json.loads(settings["avro.schema"]))
    return _Container(schema, _CODECS[codec], stream.read_exactly(_MARKER))


def _settings(stream: ByteReader, limits: Limits) -> dict[str, bytes]:
    """Return the map of the header."""
    settings: dict[str, bytes] = {}
    while count := _number(stream):
        if count < 0:
            _number(stream)  # the size of the block
        for _ in range(abs(count)):
            name = stream.read_exactly(_size(stream, limits)).decode()
            settings[name] = stream.read_exactly(_size(stream, limits))
            if len(settings) > _MOST_SETTINGS:
                raise BrokenError(f"its header has more than {_MOST_SETTINGS:,} entries")
    return settings


def _block(stream: ByteReader, container: _Container, limits: Limits) -> bytes:
    data = stream.read_exactly(_size(stream, limits))
    if stream.read_exactly(_MARKER) != container.marker:
        raise BrokenError("a block does not end with the marker of the file")
    return container.unpack(data, limits.task_bytes // 4)


def _decode_rows(block: bytes, count: int, schema: RowSchema, limits: Limits) -> Iterator[bytes]:
    """Yield the rows of a block.

    Each row is decoded from a limited number of bytes, so that it cannot exceed a task's memory, whatever sizes it
    claims.
    """
    max_bytes = (limits.task_bytes // 4 - schema.fixed_memory) // schema.memory_per_byte
    start, window = 0, io.BytesIO(block[: max(max_bytes, 0)])
    for _ in range(count):
        row_start = start + window.tell()
        try:
            row = _read_row(window, schema)
        except (EOFError, IndexError, struct.error):
            if start + max_bytes >= len(block):
                raise
            start, window = row_start, io.BytesIO(block[row_start : row_start + max_bytes])
            row = _first_row(window, schema, limits, is_last=row_start + max_bytes >= len(block))
        yield _as_json(row)
    if start + window.tell() < len(block):
        raise BrokenError("a block has more bytes than its rows")


def _first_row(window: BinaryIO, schema: RowSchema, limits: Limits, *, is_last: bool) -> Any:
    try:
        return _read_row(window, schema)
    except (EOFError, IndexError, struct.error):
        if is_last:
            raise
        raise BrokenError(_TOO_LARGE.format(limits.task_bytes)) from None


def _read_row(window: BinaryIO, schema: RowSchema) -> Any:
    reader = read_recursive if schema.is_recursive else fastavro.schemaless_reader
    return reader(window, schema.parsed_schema, None, handle_unicode_errors="surrogateescape")


def _as_json(row: Any) -> bytes:
    try:
        return msgspec.json.encode(row)
    except UnicodeEncodeError:  # a text is not UTF-8: the record is corrupt, with the bytes as they are
        text = json.dumps(row, ensure_ascii=False, default=lambda value: b64encode(value).decode())
        return text.encode("utf-8", "surrogateescape")


def _size(stream: ByteReader, limits: Limits) -> int:
    size = _number(stream)
    if not 0 <= size <= limits.task_bytes // 4:
        raise BrokenError(
            f"a block or a part of the header has {size:,} bytes; up to {limits.task_bytes // 4:,} are read"
        )
    return size


def _count(stream: ByteReader) -> int | None:
    """Return the number of rows of the next block; None at the end of the stream."""
    first_byte = stream.read(1)
    count = _number(stream, first_byte) if first_byte else 0
    if count < 0:
        raise BrokenError(f"a block has {count} rows")
    return count if first_byte else None


def _number(stream: ByteReader, first_byte: bytes = b"") -> int:
    """Read a number: seven bits per byte, lowest bits first, with the sign in the lowest bit."""
    number = shift = 0
    while shift < 64:  # noqa: PLR2004 - bits of a long
        (byte,), first_byte = first_byte or stream.read_exactly(1), b""
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - no other byte follows
            return (number >> 1) ^ -(number & 1)
    raise BrokenError("a number is longer than 64 bits")


def _inflate(data: bytes, max_bytes: int) -> bytes:
    return _decompress_whole(zlib.decompressobj(-zlib.MAX_WBITS), data, max_bytes)


def _unpack_bzip2(data: bytes, max_bytes: int) -> bytes:
    return _decompress_whole(bz2.BZ2Decompressor(), data, max_bytes)


def _unpack_xz(data: bytes, max_bytes: int) -> bytes:
    return _decompress_whole(lzma.LZMADecompressor(memlimit=_XZ_MEMORY), data, max_bytes)


def _unpack_snappy(data: bytes, max_bytes: int) -> bytes:
    block = unpack_raw(data[:-_CHECKSUM], max_bytes)
    if zlib.crc32(block).to_bytes(_CHECKSUM, "big") != data[-_CHECKSUM:]:
        raise BrokenError("the checksum of a block is another one")
    return block


def _unpack_zstd(data: bytes, max_bytes: int) -> bytes:
    return _check_size(max_bytes, zstandard.ZstdDecompressor().stream_reader(data).read(max_bytes + 1))


def _decompress_whole(decompressor: Any, data: bytes, max_bytes: int) -> bytes:
    block = _check_size(max_bytes, decompressor.decompress(data, max_bytes + 1))
    if not decompressor.eof:
        raise BrokenError("a block ends in the middle of its data")
    return block


def _check_size(max_bytes: int, block: bytes) -> bytes:
    if len(block) > max_bytes:
        raise BrokenError(
            f"a block unpacks to more than {max_bytes:,} bytes, a quarter of task_limit_bytes of the rules"
        )
    return block


#: Functions that decompress a block, by the name of the codec.
_CODECS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": lambda data, _: data,
    "deflate": _inflate,
    "snappy": _unpack_snappy,
    "zstandard": _unpack_zstd,
    "bzip2": _unpack_bzip2,
    "xz": _unpack_xz,
}
