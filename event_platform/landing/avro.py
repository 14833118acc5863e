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

#: How a container begins.
MAGIC = b"Obj\x01"

#: Bytes of the marker that separates blocks.
_MARKER = 16

#: Bytes of the checksum behind a block of Snappy.
_CHECKSUM = 4

#: Bytes of memory that xz may take.
_XZ_MEMORY = 1 << 27

#: What damage makes the decoders raise.
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

#: Entries of a header that are read.
_MOST_SETTINGS = 1000


@dataclass(frozen=True)
class _Container:
    """The header of a container."""

    schema: RowSchema
    unpack: Callable[[bytes, int], bytes]  # unpacks a block to at most so many bytes
    marker: bytes


def avro_pieces(parts: Iterable[bytes], limits: Limits) -> Iterator[Piece]:
    """Yield the rows of a container as JSON lines. If they end early, the last piece says why."""
    remaining = limits.object_bytes
    for piece in gather_pieces(name_errors("avro", _rows(ByteReader(parts), limits)), limits.piece_bytes):
        remaining -= len(piece.data)
        if remaining < 0:
            yield unreadable(b"", _TOO_MUCH.format(limits.object_bytes))
            return
        yield piece


def _rows(stream: ByteReader, limits: Limits) -> Iterator[bytes]:
    """Yield rows as JSON. Raises BrokenError and UnsupportedError."""
    try:
        container = _opened(stream, limits)
        while (count := _count(stream)) is not None:
            block = _block(stream, container, limits)
            yield from _decoded(block, count, container.schema, limits)
    except _DAMAGE as error:
        raise BrokenError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error


def _opened(stream: ByteReader, limits: Limits) -> _Container:
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


def _decoded(block: bytes, count: int, schema: RowSchema, limits: Limits) -> Iterator[bytes]:
    """Yield the rows of a block.

    Each row is decoded from a limited number of bytes, so that it cannot exceed a task's memory, whatever sizes it
    claims.
    """
    most = (limits.task_bytes // 4 - schema.fixed_memory) // schema.memory_per_byte
    start, window = 0, io.BytesIO(block[: max(most, 0)])
    for _ in range(count):
        begin = start + window.tell()
        try:
            row = _read_row(window, schema)
        except (EOFError, IndexError, struct.error):
            if start + most >= len(block):
                raise
            start, window = begin, io.BytesIO(block[begin : begin + most])
            row = _first_row(window, schema, limits, is_last=begin + most >= len(block))
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
    read = read_recursive if schema.is_recursive else fastavro.schemaless_reader
    return read(window, schema.parsed, None, handle_unicode_errors="surrogateescape")


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
    """Return how many rows the next block has; None at the end of the stream."""
    first = stream.read(1)
    count = _number(stream, first) if first else 0
    if count < 0:
        raise BrokenError(f"a block has {count} rows")
    return count if first else None


def _number(stream: ByteReader, first: bytes = b"") -> int:
    """Return a number: seven bits a byte, the lowest ones first, the sign in the lowest bit."""
    number = shift = 0
    while shift < 64:  # noqa: PLR2004 - bits of a long
        (byte,), first = first or stream.read_exactly(1), b""
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - no other byte follows
            return (number >> 1) ^ -(number & 1)
    raise BrokenError("a number is longer than 64 bits")


def _undeflated(data: bytes, most: int) -> bytes:
    return _whole(zlib.decompressobj(-zlib.MAX_WBITS), data, most)


def _unbzipped(data: bytes, most: int) -> bytes:
    return _whole(bz2.BZ2Decompressor(), data, most)


def _unxz(data: bytes, most: int) -> bytes:
    return _whole(lzma.LZMADecompressor(memlimit=_XZ_MEMORY), data, most)


def _unsnapped(data: bytes, most: int) -> bytes:
    block = unpack_raw(data[:-_CHECKSUM], most)
    if zlib.crc32(block).to_bytes(_CHECKSUM, "big") != data[-_CHECKSUM:]:
        raise BrokenError("the checksum of a block is another one")
    return block


def _unzstd(data: bytes, most: int) -> bytes:
    return _up_to(most, zstandard.ZstdDecompressor().stream_reader(data).read(most + 1))


def _whole(decompressor: Any, data: bytes, most: int) -> bytes:
    block = _up_to(most, decompressor.decompress(data, most + 1))
    if not decompressor.eof:
        raise BrokenError("a block ends in the middle of its data")
    return block


def _up_to(most: int, block: bytes) -> bytes:
    if len(block) > most:
        raise BrokenError(f"a block unpacks to more than {most:,} bytes, a quarter of task_limit_bytes of the rules")
    return block


#: How blocks are packed, by the name of the codec.
_CODECS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": lambda data, _: data,
    "deflate": _undeflated,
    "snappy": _unsnapped,
    "zstandard": _unzstd,
    "bzip2": _unbzipped,
    "xz": _unxz,
}
