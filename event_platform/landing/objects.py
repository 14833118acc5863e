"""Decode a landed object of any format into pieces of bounded size, also if it is damaged.

The format is recognized by the first bytes, not by the name; the same for what is compressed in it.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

import zstandard
from isal import isal_zlib

from event_platform.landing.parquet import parquet_pieces
from event_platform.landing.pieces import BrokenError, Limits, Piece, cut, unreadable

#: Bytes that are read at a time, and bytes that gzip decompresses at a time.
_BITE, _PART = 1 << 18, 1 << 20

#: The same for a damaged gzip: what is decompressed together with the damage is lost.
_SMALL_PART = 1 << 12

#: Input of zstd at a time. Its output cannot be limited, and is up to 32,768 times the input.
_ZSTD_BITE = 1 << 10

#: Bytes by which the format is recognized.
_HEAD = 512

#: How often an object may be compressed. CloudWatch compresses its logs, and Firehose compresses them again.
_MAX_LAYERS = 3

#: The longest UTF-8 character in bytes. It may be cut at the end of the head.
_CHARACTER = 4

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: Returns a stream of bytes, from the start at each call.
Source = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class _Format:
    """A storage format: suffixes of its names, first bytes, and decoder."""

    name: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    unpack: Callable[[Source], Iterator[bytes]] | None = None
    remedy: str = ""  # what to do if it cannot be read


def pieces(name: str, file: BinaryIO, limits: Limits) -> Iterator[Piece]:
    """Yield the records of an object in pieces. If it is damaged, the last piece says why.

    Parquet is held as a whole, other formats in parts. Raises only errors of reading `file`.
    """
    try:
        yield from _unpacked_pieces(name, partial(_bites, file), limits)
    except BrokenError as error:
        yield unreadable(b"", str(error))


def _unpacked_pieces(name: str, source: Source, limits: Limits) -> Iterator[Piece]:
    """Decompress layer by layer. Raises BrokenError only before the first piece."""
    promised = next((each for each in _FORMATS if name.endswith(each.suffixes)), None)
    for _ in range(_MAX_LAYERS + 1):
        head, parts = _peeked(source())
        form = next((each for each in _FORMATS if head.startswith(each.magic)), None)
        if form is None:
            if promised is not None and not _is_text(head):
                raise BrokenError(f"{promised.name}: it is neither {promised.name}, as its name says, nor text")
            yield from cut(_limited(parts, limits.object_bytes, _UNPACKED), limits.piece_bytes, limits.record_bytes)
            return
        if form is _PARQUET:
            yield from parquet_pieces(b"".join(_limited(parts, limits.task_bytes, _HELD)), limits)
            return
        if form.unpack is None:
            raise BrokenError(f"{form.name}: {form.remedy}")
        source, promised = partial(_unpacked, form.unpack, source, limits), None
    raise BrokenError(f"it is compressed more than {_MAX_LAYERS} times")


def _bites(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while bite := file.read(_BITE):
        yield bite


def _unpacked(unpack: Callable[[Source], Iterator[bytes]], source: Source, limits: Limits) -> Iterator[bytes]:
    return _limited(unpack(source), limits.object_bytes, _UNPACKED)


_UNPACKED = (
    "it decompresses to more than {:,} bytes, the limit for an object (object_limit_bytes of the resource rules); the "
    "rest is not read: land smaller objects, or raise the limit"
)
_HELD = (
    "parquet: it has more than {:,} bytes, the limit for a task (task_limit_bytes of the resource rules): land smaller "
    "files, or raise the limit"
)


def _limited(parts: Iterable[bytes], limit: int, message: str) -> Iterator[bytes]:
    left = limit
    for part in parts:
        if len(part) > left:
            yield part[:left]
            raise BrokenError(message.format(limit))
        left -= len(part)
        yield part


def _peeked(parts: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, and all parts including them."""
    head: list[bytes] = []
    try:
        while sum(map(len, head)) < _HEAD and (part := next(parts, b"")):
            head.append(part)
    except BrokenError as error:
        parts = _raising(error)
    return b"".join(head)[:_HEAD], chain(head, parts)


def _raising(error: BrokenError) -> Iterator[bytes]:
    raise error
    yield b""


def _is_text(head: bytes) -> bool:
    """Return whether bytes begin like JSON, or are UTF-8 without control characters."""
    begin = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not begin or begin.startswith((b"{", b"[")):
        return True
    text = head.decode("utf-8", "surrogateescape")
    # The last character may be cut, which leaves surrogates.
    text = text[: _HEAD - _CHARACTER] if len(head) == _HEAD else text
    return all(each.isprintable() or each.isspace() for each in text)


def _gunzip(source: Source) -> Iterator[bytes]:
    """Decompress with isal, three times as fast as zlib; if damaged continue with zlib, which recovers more."""
    done = 0
    try:
        for part in _inflated(source, lambda: isal_zlib.decompressobj(wbits=31), _PART):
            done += len(part)
            yield part
    except isal_zlib.error:  # type: ignore[misc] # its stub calls the class an instance
        yield from _behind(done, _inflated(source, lambda: zlib.decompressobj(wbits=31), _SMALL_PART))


def _inflated(source: Source, open_member: Callable[[], Any], part_size: int) -> Iterator[bytes]:
    """Decompress all members, `part_size` bytes at a time. Zeros behind a member are padding, as in tar."""
    member = None
    try:
        for bite in source():
            left, more = bite, False
            while left or more:
                if member is None or member.eof:
                    left = left.lstrip(b"\0") if member else left
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
        raise BrokenError("gzip: the object ends in the middle of its data")


def _behind(size: int, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Skip the first `size` bytes."""
    for part in parts:
        if len(part) > size:
            yield part[size:]
        size = max(0, size - len(part))


def _unzstd(source: Source) -> Iterator[bytes]:
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
        raise BrokenError("zstd: the object ends in the middle of its data")


_PARQUET = _Format("parquet", (".parquet",), (b"PAR1",))

#: The first starts a frame. The others start skippable frames, which some tools write first.
_ZSTD_MAGIC = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16)))

#: All formats beside JSON: those that are read, then others that Spark and Firehose may write.
_FORMATS = (
    _Format("gzip", (".gz",), (b"\x1f\x8b",), _gunzip),
    _Format("zstd", (".zst",), _ZSTD_MAGIC, _unzstd),
    _PARQUET,
    _Format("encrypted parquet", (), (b"PARE",), remedy="its footer is encrypted: land it unencrypted"),
    _Format("zip", (), (b"PK\x03\x04",), remedy="it is not supported: let Firehose compress with GZIP"),
    _Format("snappy", (), (b"\xff\x06\x00\x00sNaPpY",), remedy="it is not supported: let Firehose compress with GZIP"),
)


def is_packed(name: str) -> bool:
    """Return whether an object is packed, as its name tells: it grows when it is read."""
    return any(name.endswith(each.suffixes) for each in _FORMATS)
