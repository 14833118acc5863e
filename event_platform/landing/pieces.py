"""Decompressed bytes → pieces of bounded size that end at the end of a record."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from event_platform.events.corruption import KEPT_BYTES_OF_OVERSIZED_RECORD, MAX_RECORD_BYTES, CorruptionReason
from event_platform.events.records import split_concatenated, without_lone_surrogates
from event_platform.landing.arrays import as_lines

#: Maximum number of records in a piece. A damaged record takes about a kilobyte of memory, however short it is.
RECORDS_PER_PIECE = 250_000

#: Memory of a task per byte of a piece: lines, columns, and both of them sorted.
_COPIES = 16

#: Minimum bytes of JSON that are counted for a record. A record with the three common fields has more.
_RECORD_BYTES = 64

#: Parts with records shorter than this are cut into smaller parts: a megabyte may contain a million such records.
_SHORT = 32  # bytes
_CLOSE_LOOK = 1 << 16  # bytes

#: Number and size of the samples from which the number of records in a part is estimated.
_SAMPLES, _SAMPLE = 16, 256

#: Candidate ends of records that are tried before the whole piece is parsed, and records checked before each.
_TRIES, _IN_A_ROW = 64, 8

#: Blank lines.
_BLANK = re.compile(rb"\n(?:[ \t\r]*+\n)++")

#: A record that is followed by another, with its texts matched.
_RECORD = re.compile(rb'(?:[^"}]++|"(?:[^"\\]++|\\.)*+"|\}(?![ \t\r]*\{))*+\}(?=[ \t\r]*\{)', re.DOTALL)

#: End of a record that is too large, and the number of bytes needed to find it.
_NEXT_RECORD = re.compile(rb'\n|\}[ \t\r]{0,8}(?=\{[ \t\r]{0,8}"[^"\\\n]{0,256}"[ \t\r]{0,8}:)')
_NEXT_RECORD_LENGTH = 300


class BrokenError(Exception):
    """The rest of an object cannot be read. The message has the reason."""


class UnsupportedError(Exception):
    """An object, or its packed content, has an unsupported format. The message names it."""


@dataclass(frozen=True)
class Limits:
    """Limits in bytes: decompressed size of an object, memory of a task, and size of a record or a wrapper of many."""

    object_bytes: int = 2 << 30
    task_bytes: int = 1 << 30
    record_bytes: int = MAX_RECORD_BYTES

    @property
    def piece_bytes(self) -> int:
        """Bytes of text in a piece."""
        return max(1, self.task_bytes // _COPIES)

    @property
    def object_rows(self) -> int:
        """Maximum number of rows of an object, because rows may take no bytes in it."""
        return max(1, self.object_bytes // _RECORD_BYTES)


#: Limits unless configured otherwise.
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Piece:
    """Records as NDJSON or concatenated, and optionally a corrupt record behind them, with reason and text."""

    data: bytes
    reason: CorruptionReason | None = None
    text: str = ""


def too_large(beginning: bytes) -> Piece:
    """Return a corrupt record with the beginning of a record that is too large."""
    text = beginning[:KEPT_BYTES_OF_OVERSIZED_RECORD].decode("utf-8", "backslashreplace")
    return Piece(b"", CorruptionReason.RECORD_TOO_LARGE, text)


def unreadable(data: bytes, fault: str) -> Piece:
    """Return the last piece of an object that cannot be read behind `data`."""
    return Piece(_whole_records(data), CorruptionReason.UNREADABLE_OBJECT, fault)


def unsupported(fault: str) -> Piece:
    """Return the piece of an object, or of a member of one, with an unsupported format."""
    return Piece(b"", CorruptionReason.UNSUPPORTED_FORMAT, fault)


def cut(parts: Iterable[bytes], piece_bytes: int, record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Piece]:
    """Yield the records of `parts` in pieces of about `piece_bytes`, and a corrupt record if the parts end early.

    Only the beginning of a record above the size limit is kept. The next record is searched after the end of the line,
    or after a `}` before a `{"`.
    """
    buffer = _RecordBuffer(piece_bytes, record_bytes + _CLOSE_LOOK)
    try:
        for part in as_lines(parts):
            for small_part in _thin_out(part):
                yield from buffer.add(small_part)
    except BrokenError as error:
        yield unreadable(buffer.take(), str(error))
        return
    data = buffer.take()
    if data:
        yield Piece(data)


class _RecordBuffer:
    """Collects the next piece."""

    def __init__(self, piece_bytes: int, max_record_bytes: int) -> None:
        self._piece_bytes = piece_bytes
        self._max_record_bytes = max_record_bytes  # maximum bytes of a record, including blanks around it
        self._parts: list[bytes] = []
        self._size = 0
        self._records = 0.0
        self._line = 0  # bytes of the last line
        self._searched_bytes = 0  # bytes that were searched for the end of a record
        self._is_skipping = False  # inside a record that is too large

    def add(self, part: bytes) -> Iterator[Piece]:
        """Add a part. Yield a piece when it is large enough, and the beginning of a record that is too large."""
        self._hold(part)
        if self._is_skipping:
            self._skip()
        is_large_enough = self._size >= self._piece_bytes or self._records >= RECORDS_PER_PIECE
        # Searching again after each part would be quadratic, so the size must double first.
        if self._is_skipping or not (
            self._line > self._max_record_bytes or (is_large_enough and self._size >= 2 * self._searched_bytes)
        ):
            return
        data = self.take()
        end = _end_of_records(data)
        if end:
            yield Piece(data[:end])
            self._hold(data[end:])
        elif len(data) > self._max_record_bytes:
            yield too_large(data)
            self._is_skipping = True
            self._hold(data[-_NEXT_RECORD_LENGTH:])
        else:
            self._hold(data)
            self._searched_bytes = len(data)

    def take(self) -> bytes:
        """Return and clear the collected parts."""
        data = b"" if self._is_skipping else b"".join(self._parts)
        self._parts, self._size, self._records, self._line, self._searched_bytes = [], 0, 0.0, 0, 0
        return data

    def _hold(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        self._records += _records_in(part)
        line_bytes = len(part) - part.rfind(b"\n") - 1
        self._line = line_bytes if line_bytes < len(part) else self._line + line_bytes

    def _skip(self) -> None:
        data = b"".join(self._parts)
        match = _NEXT_RECORD.search(data) if b"\n" in data or b"}" in data else None
        self.take()
        self._is_skipping = match is None
        self._hold(data[match.end() :] if match else data[-_NEXT_RECORD_LENGTH:])


def _thin_out(part: bytes) -> Iterator[bytes]:
    """Yield a part as it is or, if records are short, in smaller parts without blank lines."""
    if _records_in(part) * _SHORT <= len(part):
        yield part
        return
    for start in range(0, len(part), _CLOSE_LOOK):
        yield _BLANK.sub(b"\n", part[start : start + _CLOSE_LOOK])


def _records_in(part: bytes) -> float:
    """Estimate the number of records in a part, blank lines included, from samples."""
    if len(part) <= _SAMPLES * _SAMPLE:
        return part.count(b"\n") + part.count(b"}{")
    places = range(0, len(part), len(part) // _SAMPLES)
    sample = b"".join(part[place : place + _SAMPLE] for place in places)
    return (sample.count(b"\n") + sample.count(b"}{")) * len(part) / len(sample)


def _end_of_records(data: bytes) -> int:
    """Return the end of the last record that is certainly complete, or 0.

    Texts contain no newlines. A newline between objects is preferred to one within an object over several lines.
    """
    return data.rfind(b"}\n{") + 2 if b"}\n{" in data else data.rfind(b"\n") + 1 or _end_of_concatenated(data)


def _end_of_concatenated(data: bytes) -> int:
    """Return the end of the last whole record without delimiters, whose texts may contain `}{`.

    A `}{` is outside of texts if several records precede it. If there is none, texts are matched from the beginning; if
    damage prevents that, one preceding record is enough.
    """
    return _end_behind(data, _IN_A_ROW) or _end_of_sound(data) or _end_behind(data, 1)


def _end_behind(data: bytes, in_a_row: int) -> int:
    end = len(data)
    for _ in range(_TRIES):
        end = data.rfind(b"}{", 0, end) + 1
        if not end or _ends_a_record(data, end, in_a_row):
            return end
    return 0


def _end_of_sound(data: bytes) -> int:
    end = 0
    while (match := _RECORD.match(data, end)) and _parse(match.group()) is not _INVALID:
        end = match.end()
    return end


def _ends_a_record(data: bytes, end: int, in_a_row: int) -> bool:
    for _ in range(in_a_row):
        start = data.rfind(b"}{", 0, end - 1) + 1
        if not _is_object(data[start:end]):
            return False
        end = start
        if not end:
            break
    return True


def _whole_records(data: bytes) -> bytes:
    """Drop an incomplete record at the end."""
    start = data.rfind(b"\n") + 1
    records = list(split_concatenated(data[start:].decode("utf-8", "surrogateescape")))
    while records and not _is_json(records[-1]):
        records.pop()
    return data[:start] + "\n".join(records).encode("utf-8", "surrogateescape")


def _is_json(text: str) -> bool:
    return _parse(text.encode("utf-8", "surrogateescape")) is not _INVALID


def _is_object(record: bytes) -> bool:
    document = _parse(record)
    return isinstance(document, dict) and bool(document)


_INVALID = object()


def _parse(record: bytes) -> object:
    try:
        return msgspec.json.decode(without_lone_surrogates(record))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _INVALID
