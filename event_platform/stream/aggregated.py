"""Split aggregated records of Amazon's Kinesis Producer Library, as Firehose does.

An aggregated record is a magic number of four bytes, a Protocol Buffers message, and the MD5 of the message. Field 3 of
the message is a producer's record, and field 3 of that is its data.
"""

import hashlib
from collections.abc import Iterator

_MAGIC = b"\xf3\x89\x9a\xc2"
_MD5_BYTES = 16
_VARINT, _BYTES = 0, 2  # wire types; the library writes no others
_RECORDS = _DATA = 3


def parts(data: bytes) -> list[bytes]:
    """Return the records in an aggregated record, or `data` itself if it is not aggregated."""
    if not data.startswith(_MAGIC):
        return [data]
    message = data[len(_MAGIC) : -_MD5_BYTES]
    if hashlib.md5(message, usedforsecurity=False).digest() != data[-_MD5_BYTES:]:
        return [data]
    try:
        return [part for record in _fields(message, _RECORDS) for part in _fields(record, _DATA)]
    except (IndexError, ValueError):
        return [data]


def _fields(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the bytes of each field with this number. Raises IndexError or ValueError if the message is invalid."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        length, position = _varint(message, position)  # or the value itself
        if tag & 7 == _VARINT:
            continue
        if tag & 7 != _BYTES or position + length > len(message):
            raise ValueError(f"field {tag >> 3} of wire type {tag & 7} at byte {position}")
        if tag >> 3 == number:
            yield message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Decode a varint. Return it and the position after it."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:  # noqa: PLR2004 - the highest bit is set if another byte follows
            return value, position
        shift += 7
