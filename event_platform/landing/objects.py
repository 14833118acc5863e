"""Decode a landed object of any format into pieces of bounded size, even if it is damaged.

The first bytes determine the format, not the name; this also holds for packed contents.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import BinaryIO

from event_platform.events.corruption import CorruptionReason
from event_platform.landing.archives import zip_pieces
from event_platform.landing.formats import FORMATS, HEAD, TEXT, ZIP, Format, format_of, has_json_lines, is_text
from event_platform.landing.pieces import BrokenError, Limits, Piece, UnsupportedError, cut, unreadable, unsupported
from event_platform.landing.streams import Source, limit_bytes, read_all

#: Bytes that are read at a time.
_BITE = 1 << 18

#: Maximum levels of compression. CloudWatch compresses its logs, and Firehose compresses them again.
_MAX_LAYERS = 3

_TOO_LARGE = (
    "it decompresses to more than {:,} bytes, the limit for an object (object_limit_bytes of the resource rules); the "
    "rest is not read: land smaller objects, or raise the limit"
)


def pieces(name: str, file: BinaryIO, limits: Limits) -> Iterator[Piece]:
    """Yield the records of an object in pieces. If it is damaged, or not supported, the last piece has the reason.

    Parquet and zip are held as a whole, other formats in parts. Raises only errors of reading `file`.
    """
    try:
        yield from _unpacked_pieces(name, partial(_bites, file), limits)
    except UnsupportedError as error:
        yield unsupported(str(error))
    except BrokenError as error:
        yield unreadable(b"", str(error))


def _unpacked_pieces(name: str, source: Source, limits: Limits, *, is_member: bool = False) -> Iterator[Piece]:
    """Decompress layer by layer. Raises BrokenError and UnsupportedError only before the first piece."""
    named_format = next(
        (candidate for candidate in FORMATS if candidate.suffixes and name.endswith(candidate.suffixes)), TEXT
    )
    packed_source: Source | None = None
    for _ in range(_MAX_LAYERS + 1):
        head, parts = _peek(source())
        form = format_of(head)
        if not head and packed_source is not None and has_json_lines(packed_source(), limits.record_bytes):
            yield from _text_pieces(packed_source(), limits)
        elif form.unpack is not None:
            packed_source, source, named_format = source, partial(_unpack, form.unpack, source, limits), TEXT
            continue
        elif form is TEXT:
            if named_format is not TEXT and not is_text(head):
                raise BrokenError(f"{named_format.name}: it is neither {named_format.name}, as its name says, nor text")
            yield from _text_pieces(parts, limits)
        else:
            yield from _container_pieces(form, source, parts, limits, is_member=is_member)
        return
    raise BrokenError(f"it is compressed more than {_MAX_LAYERS} times")


def _text_pieces(parts: Iterable[bytes], limits: Limits) -> Iterator[Piece]:
    return cut(limit_bytes(parts, limits.object_bytes, _TOO_LARGE), limits.piece_bytes, limits.record_bytes)


def _container_pieces(
    form: Format, source: Source, parts: Iterable[bytes], limits: Limits, *, is_member: bool
) -> Iterator[Piece]:
    """Read a container: as text if nothing of it can be read, and JSON lines are behind its first line.

    It is then an object of a stream, with a record at its head that begins like a container.
    """
    records, fault = _read_container(form, parts, limits, is_member=is_member), None
    try:
        begin = [*islice(records, 1)]
    except (BrokenError, UnsupportedError) as error:
        begin, fault = [], error
    if (fault or any(map(_is_fault_alone, begin))) and has_json_lines(source(), limits.record_bytes):
        yield from _text_pieces(source(), limits)
    elif fault:
        raise fault
    else:
        yield from chain(begin, records)


def _is_fault_alone(piece: Piece) -> bool:
    return not piece.data and piece.reason in {CorruptionReason.UNREADABLE_OBJECT, CorruptionReason.UNSUPPORTED_FORMAT}


def _read_container(form: Format, parts: Iterable[bytes], limits: Limits, *, is_member: bool) -> Iterator[Piece]:
    if form.rows is not None:
        yield from form.rows(parts, limits)
    elif form is ZIP and not is_member:
        read_member = partial(_unpacked_pieces, is_member=True)
        yield from zip_pieces(read_all(parts, limits.task_bytes // 2, form.name), limits, read_member)
    else:
        raise UnsupportedError(f"{form.name}: it is not supported: {form.remedy}")


def _bites(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while bite := file.read(_BITE):
        yield bite


def _unpack(unpack: Callable[[Source], Iterator[bytes]], source: Source, limits: Limits) -> Iterator[bytes]:
    return limit_bytes(unpack(source), limits.object_bytes, _TOO_LARGE)


def _peek(parts: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, and all parts including them."""
    head: list[bytes] = []
    try:
        while sum(map(len, head)) < HEAD and (part := next(parts, b"")):
            head.append(part)
    except BrokenError as error:
        parts = _raise_when_read(error)
    return b"".join(head)[:HEAD], chain(head, parts)


def _raise_when_read(error: BrokenError) -> Iterator[bytes]:
    raise error
    yield b""
