"""Decompress gzip, zstd and bzip2 in parts of bounded size, as far as an object is whole."""

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

#: The same for a damaged gzip: what is decompressed together with the damage is lost.
_SMALL_PART = 1 << 12

#: What may be behind members of gzip: zeros are padding, as in tar; a line end is the delimiter that Firehose puts
#: behind a record, which a producer has gzipped.
_BETWEEN = b"\0\r\n"

#: Input of bzip2 at a time: less than a block, of which the smallest unpacks to 46 MB.
_BZIP2_BITE = 32

#: Parts of a block of bzip2 that are held back at most. A block of JSON comes in a few.
_BZIP2_PARTS = 64

#: Input of zstd at a time. Its output cannot be limited, and is up to 32,768 times the input.
_ZSTD_BITE = 1 << 10


def gunzip(source: Source) -> Iterator[bytes]:
    """Decompress with isal, three times as fast as zlib; if damaged continue with zlib, which recovers more."""
    done = 0
    try:
        for part in _inflated(source, lambda: isal_zlib.decompressobj(wbits=31), _PART):
            done += len(part)
            yield part
    except isal_zlib.error:  # type: ignore[misc] # its stub calls the class an instance
        yield from _behind(done, _inflated(source, lambda: zlib.decompressobj(wbits=31), _SMALL_PART))


def _inflated(source: Source, open_member: Callable[[], Any], part_size: int) -> Iterator[bytes]:
    """Decompress all members, `part_size` bytes at a time. A line end between them is one of what they hold."""
    member = None
    try:
        for bite in source():
            left, more = bite, False
            while left or more:
                if member is None or member.eof:
                    between, left = (left, left.lstrip(_BETWEEN)) if member else (b"", left)
                    if b"\n" in between[: len(between) - len(left)]:
                        yield b"\n"
                    if not left:
                        break
                    member = open_member()
                part = member.decompress(left, part_size)
                if part:
                    yield part
                left = member.unused_data if member.eof else member.unconsumed_tail
                more = len(part) == part_size and not member.eof  # there may be more output
    except zlib.error as error:
        raise BrokenError(f"gzip: {error}") from error
    if member is None or not member.eof:
        raise BrokenError(f"gzip: {CUT}")


def _behind(size: int, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Skip the first `size` bytes."""
    for part in parts:
        if len(part) > size:
            yield part[size:]
        size = max(0, size - len(part))


def unzstd(source: Source) -> Iterator[bytes]:
    """Decompress in small steps, and yield larger parts."""
    held: list[bytes] = []
    size = 0
    broken = None
    try:
        for part in _frames(source):
            held.append(part)
            size += len(part)
            if size >= _PART:
                yield b"".join(held)
                held, size = [], 0
    except BrokenError as error:
        broken = error
    if size:
        yield b"".join(held)
    if broken is not None:
        raise broken


def _frames(source: Source) -> Iterator[bytes]:
    """Decompress all frames. The library rejects frames with a window over 128 MiB."""
    frame = None
    try:
        for bite in source():
            for start in range(0, len(bite), _ZSTD_BITE):
                left = bite[start : start + _ZSTD_BITE]
                while left:
                    if frame is None or frame.eof:
                        frame = zstandard.ZstdDecompressor().decompressobj()
                    part = frame.decompress(left)
                    left = frame.unused_data if frame.eof else b""
                    yield part
    except zstandard.ZstdError as error:
        raise BrokenError(f"zstd: {error}") from error
    if frame is None or not frame.eof:
        raise BrokenError(f"zstd: {CUT}")


def unbzip2(source: Source) -> Iterator[bytes]:
    """Decompress all streams of bzip2. A block is yielded when its checksum was compared: when no more of it comes."""
    held: list[bytes] = []
    try:
        for part in _bzip2_parts(source):
            held.append(part)
            if not part or len(held) > _BZIP2_PARTS:
                yield from filter(None, held)
                held = []
    except (OSError, ValueError) as error:
        raise BrokenError(f"bzip2: {error}") from error
    yield from filter(None, held)


def _bzip2_parts(source: Source) -> Iterator[bytes]:
    """Yield what comes of so few bytes that they are in one block, or in two; nothing where a block has only begun."""
    stream = None
    for bite in source():
        for start in range(0, len(bite), _BZIP2_BITE):
            left = bite[start : start + _BZIP2_BITE]
            while left:
                if stream is None or stream.eof:
                    yield b""
                    stream = bz2.BZ2Decompressor()
                part = stream.decompress(left)
                yield part[:_PART]
                yield from (part[begin : begin + _PART] for begin in range(_PART, len(part), _PART))
                left = stream.unused_data if stream.eof else b""
    if stream is None or not stream.eof:
        raise BrokenError(f"bzip2: {CUT}")
