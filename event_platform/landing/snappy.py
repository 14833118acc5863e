"""Snappy as Firehose writes it: the framing format, and Hadoop's blocks.

https://github.com/google/snappy/blob/main/framing_format.txt; Hadoop's BlockCompressorStream. cramjam is imported where
such an object is read.
"""

from collections.abc import Iterator

from event_platform.landing.pieces import BrokenError
from event_platform.landing.streams import ByteReader, Source, name_errors

#: First bytes of a stream of the framing format.
FRAMED = b"\xff\x06\x00\x00sNaPpY"

_COMPRESSED, _PLAIN, _FIRST_SKIPPABLE = 0x00, 0x01, 0x80

#: Bytes of a block of Hadoop, packed or not. Hadoop makes blocks of 256 KiB.
_LARGEST_BLOCK = 1 << 26

#: Lowest bits of the first byte of packed data. It is a literal: there is nothing to copy yet.
_KIND, _LITERAL = 0b11, 0b00

#: Lengths in 4 bytes, the highest first.
_LENGTH = 4


def unpack_framed(source: Source) -> Iterator[bytes]:
    """Unpack the framing format, a chunk of at most 64 KiB at a time. Raises BrokenError."""
    return name_errors("snappy", _chunks(ByteReader(source())))


def unpack_hadoop(source: Source) -> Iterator[bytes]:
    """Unpack Hadoop's blocks: the length of the unpacked data, then chunks behind their lengths. Raises BrokenError."""
    return name_errors("snappy", _hadoop_chunks(ByteReader(source())))


def _chunks(stream: ByteReader) -> Iterator[bytes]:
    from cramjam import DecompressionError, snappy  # noqa: PLC0415 - few objects need it

    try:
        while header := stream.read(1):
            header += stream.read_exactly(3)
            kind, chunk = header[0], header + stream.read_exactly(int.from_bytes(header[1:], "little"))
            if kind in {_COMPRESSED, _PLAIN}:
                # Wrapped as a stream of one chunk, so that its checksum is verified.
                yield bytes(snappy.decompress(FRAMED + chunk))
            elif kind < _FIRST_SKIPPABLE:
                raise BrokenError(f"a chunk is of the unknown kind {kind:#04x}")
    except DecompressionError as error:
        raise BrokenError(str(error)) from error


def _hadoop_chunks(stream: ByteReader) -> Iterator[bytes]:
    while header := stream.read(_LENGTH):
        remaining_bytes = _length(header + stream.read_exactly(_LENGTH - len(header)))
        while remaining_bytes > 0:
            part = unpack_raw(stream.read_exactly(_length(stream.read_exactly(_LENGTH))), remaining_bytes)
            remaining_bytes -= len(part)
            yield part


def unpack_raw(data: bytes, max_bytes: int) -> bytes:
    """Unpack Snappy without a frame, to at most `max_bytes`. Raises BrokenError."""
    from cramjam import DecompressionError, snappy  # noqa: PLC0415 - as above

    try:
        size = snappy.decompress_raw_len(data)
        if size > max_bytes:
            raise BrokenError(f"a chunk unpacks to {size:,} bytes, more than the {max_bytes:,} that are announced")
        return bytes(snappy.decompress_raw(data))
    except DecompressionError as error:
        raise BrokenError(str(error)) from error


def is_hadoop(head: bytes) -> bool:
    """Return whether bytes begin like Hadoop's blocks, which have no signature: whether all lengths fit each other."""
    block, chunk = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    size, data = _varint(head[8:])
    is_possible = 0 < size <= block <= _LARGEST_BLOCK and 0 < chunk <= 32 + size + size // 6
    return is_possible and data[:1] != b"" and data[0] & _KIND == _LITERAL


def _length(data: bytes) -> int:
    length = int.from_bytes(data, "big")
    if length > _LARGEST_BLOCK:
        raise BrokenError(f"a block has {length:,} bytes, more than the {_LARGEST_BLOCK:,} that are read at once")
    return length


def _varint(data: bytes) -> tuple[int, bytes]:
    """Return the varint at the beginning of `data`, seven bits per byte, and the data after it."""
    number = 0
    for index, byte in enumerate(data[:5]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - no other byte follows
            return number, data[index + 1 :]
    return 0, b""
