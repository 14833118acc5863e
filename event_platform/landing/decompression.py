"""Decompress gzip, zstd and bzip2 in parts of bounded size, up to the first damage of an object."""

import bz2
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import zstandard
from isal import isal_zlib

from event_platform.landing.pieces import BrokenError
from event_platform.landing.streams import CUT, Source

#: Bytes that are decompressed at a time.
_PART = 1 << 20

#: The same for a damaged gzip, in which the part with the damage is lost.
_SMALL_PART = 1 << 12

#: Bytes that may follow a member of gzip: zeros are padding, as in tar; a line end is the delimiter that Firehose adds
#: to each record, where producers gzip records.
_BETWEEN = b"\0\r\n"

#: How JSON begins.
_JSON = (b"{", b"[")

#: Input of bzip2 at a time: less than a block, of which the smallest unpacks to 46 MB.
_BZIP2_BITE = 32

#: Maximum number of parts of a bzip2 block that are held back. A block of JSON has a few.
_BZIP2_PARTS = 64

#: Input of zstd at a time. Its output cannot be limited, and is up to 32,768 times the input.
_ZSTD_BITE = 1 << 10


def gunzip(source: Source) -> Iterator[bytes]:
    """Decompress with isal, three times as fast as zlib. After damage, continue with zlib: it recovers more."""
    yielded_bytes = 0
    try:
        for part in _inflate(source, lambda: isal_zlib.decompressobj(wbits=31), _PART):
            yielded_bytes += len(part)
            yield part
    except isal_zlib.error:  # type: ignore[misc] # its stub calls the class an instance
        yield from _skip_bytes(yielded_bytes, _inflate(source, lambda: zlib.decompressobj(wbits=31), _SMALL_PART))


def _inflate(source: Source, open_member: Callable[[], Any], part_size: int) -> Iterator[bytes]:
    """Decompress all members, `part_size` bytes at a time.

    Zeros between members are dropped; line ends become one line end. JSON behind a member is yielded as it is, with all
    that follows: other producers, who gzip none of their records, wrote it to the same stream.
    """
    member = None
    try:
        bites = source()
        for bite in bites:
            unconsumed, has_more = bite, False
            while unconsumed or has_more:
                if member is None or member.eof:
                    between, unconsumed = (unconsumed, unconsumed.lstrip(_BETWEEN)) if member else (b"", unconsumed)
                    if b"\n" in between[: len(between) - len(unconsumed)]:
                        yield b"\n"
                    if not unconsumed:
                        break
                    if member and unconsumed.startswith(_JSON):
                        yield unconsumed
                        yield from bites
                        return
                    member = open_member()
                part = member.decompress(unconsumed, part_size)
                if part:
                    yield part
                unconsumed = member.unused_data if member.eof else member.unconsumed_tail
                has_more = len(part) == part_size and not member.eof  # there may be more output
    except zlib.error as error:
        raise BrokenError(f"gzip: {error}") from error
    if member is None or not member.eof:
        raise BrokenError(f"gzip: {CUT}")


def _skip_bytes(size: int, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Skip the first `size` bytes."""
    for part in parts:
        if len(part) > size:
            yield part[size:]
        size = max(0, size - len(part))


def unzstd(source: Source) -> Iterator[bytes]:
    """Decompress in small steps, and yield larger parts."""
    chunks: list[bytes] = []
    size = 0
    broken = None
    try:
        for part in _frames(source):
            chunks.append(part)
            size += len(part)
            if size >= _PART:
                yield b"".join(chunks)
                chunks, size = [], 0
    except BrokenError as error:
        broken = error
    if size:
        yield b"".join(chunks)
    if broken is not None:
        raise broken


def _frames(source: Source) -> Iterator[bytes]:
    """Decompress all frames. The library rejects frames with a window over 128 MiB."""
    frame = None
    try:
        for bite in source():
            for start in range(0, len(bite), _ZSTD_BITE):
                unconsumed = bite[start : start + _ZSTD_BITE]
                while unconsumed:
                    if frame is None or frame.eof:
                        frame = zstandard.ZstdDecompressor().decompressobj()
                    part = frame.decompress(unconsumed)
                    unconsumed = frame.unused_data if frame.eof else b""
                    yield part
    except zstandard.ZstdError as error:
        raise BrokenError(f"zstd: {error}") from error
    if frame is None or not frame.eof:
        raise BrokenError(f"zstd: {CUT}")


def unbzip2(source: Source) -> Iterator[bytes]:
    """Decompress all streams of bzip2. A block is yielded once it is complete, so that its checksum was verified."""
    chunks: list[bytes] = []
    try:
        for part in _bzip2_parts(source):
            chunks.append(part)
            if not part or len(chunks) > _BZIP2_PARTS:
                yield from filter(None, chunks)
                chunks = []
    except (OSError, ValueError) as error:
        raise BrokenError(f"bzip2: {error}") from error
    yield from filter(None, chunks)


def _bzip2_parts(source: Source) -> Iterator[bytes]:
    """Yield the output of input so small that it spans at most two blocks; nothing within an unfinished block."""
    stream = None
    for bite in source():
        for start in range(0, len(bite), _BZIP2_BITE):
            unconsumed = bite[start : start + _BZIP2_BITE]
            while unconsumed:
                if stream is None or stream.eof:
                    yield b""
                    stream = bz2.BZ2Decompressor()
                part = stream.decompress(unconsumed)
                yield part[:_PART]
                yield from (part[begin : begin + _PART] for begin in range(_PART, len(part), _PART))
                unconsumed = stream.unused_data if stream.eof else b""
    if stream is None or not stream.eof:
        raise BrokenError(f"bzip2: {CUT}")
