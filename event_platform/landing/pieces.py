"""Unpacked bytes, part by part → pieces of bounded size that end where a record ends."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from event_platform.events.event import KEPT_BYTES_OF_OVERSIZED_RECORD, MAX_RECORD_BYTES, CorruptionReason
from event_platform.events.records import split_concatenated, without_lone_surrogates

#: Records of a piece at most, beside its bytes: a damaged one costs a reader about a kilobyte, however short it is.
RECORDS_PER_PIECE = 250_000

#: What a task holds at a time is about so many times the text of a piece: lines, columns, and both of them sorted.
_COPIES = 16

#: Bytes of JSON that a record is taken for at least: one with the three common fields has more.
_RECORD_BYTES = 64

#: Parts in which records may be shorter than this are looked at closely: a million of them may be in a megabyte.
_SHORT = 32  # bytes
_CLOSE_LOOK = 1 << 16  # bytes

#: Where the length of records is looked for in a part: so many places, each of so many bytes.
_SAMPLES, _SAMPLE = 16, 256

#: Bytes after which a record is not held any more: it is too large, whatever blanks are around it.
_LONGEST = MAX_RECORD_BYTES + _CLOSE_LOOK

#: Places between records that are tried before all of a piece is parsed, and how many records before one are looked at.
_TRIES, _IN_A_ROW = 64, 8

#: Lines of nothing.
_BLANK = re.compile(rb"\n(?:[ \t\r]*+\n)++")

#: A record before another, by its texts.
_RECORD = re.compile(rb'(?:[^"}]++|"(?:[^"\\]++|\\.)*+"|\}(?![ \t\r]*\{))*+\}(?=[ \t\r]*\{)', re.DOTALL)

#: Where a record that is too large ends, and how many bytes tell. Within its texts, `}{"` is at the end of one.
_NEXT_RECORD = re.compile(rb'\n|\}[ \t\r]{0,8}(?=\{[ \t\r]{0,8}"[^"\\\n]{0,256}"[ \t\r]{0,8}:)')
_NEXT_RECORD_LENGTH = 300


class BrokenError(Exception):
    """The rest of an object cannot be read; the message says why."""


@dataclass(frozen=True)
class Limits:
    """How many bytes of one object are unpacked, and how many a task holds of its objects at a time."""

    object_bytes: int = 2 << 30
    task_bytes: int = 1 << 30

    @property
    def piece_bytes(self) -> int:
        """Bytes of text that are worked on at a time."""
        return max(1, self.task_bytes // _COPIES)

    @property
    def object_rows(self) -> int:
        """Maximum number of rows of one object, where they take no bytes of it: those that fill `object_bytes`."""
        return max(1, self.object_bytes // _RECORD_BYTES)


#: What is allowed unless a setting says otherwise.
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Piece:
    """Records as NDJSON or one after the other, and what comes behind them that is no record: its reason and a text."""

    data: bytes
    reason: CorruptionReason | None = None
    text: str = ""


def too_large(beginning: bytes) -> Piece:
    """Return what is kept of a record that is larger than a record may be."""
    kept = beginning[:KEPT_BYTES_OF_OVERSIZED_RECORD].decode("utf-8", "backslashreplace")
    return Piece(b"", CorruptionReason.RECORD_TOO_LARGE, kept)


def unreadable(data: bytes, why: str) -> Piece:
    """Return the last piece of an object that breaks off behind `data`."""
    return Piece(_whole_records(data), CorruptionReason.UNREADABLE_OBJECT, why)


def cut(parts: Iterable[bytes], piece_bytes: int) -> Iterator[Piece]:
    """Yield the records in `parts`, each record whole, in pieces of about `piece_bytes`, and what ended them early.

    A record is held up to the size that one may have. Of a larger one the beginning is kept, and the next is looked
    for: behind the end of its line, or behind a `}` before a `{"`.
    """
    held = _Held(piece_bytes)
    try:
        for part in parts:
            for thinned in _thinned(part):
                yield from held.add(thinned)
    except BrokenError as error:
        yield unreadable(held.take(), str(error))
        return
    data = held.take()
    if data:
        yield Piece(data)


class _Held:
    """The beginning of the next piece."""

    def __init__(self, piece_bytes: int) -> None:
        self._piece_bytes = piece_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._records = 0.0
        self._line = 0  # bytes of the last line
        self._tried = 0  # bytes in which no end of a record was found
        self._skipping = False  # what is held belongs to a record that is too large

    def add(self, part: bytes) -> Iterator[Piece]:
        """Hold a part; yield what is enough for a piece, and what is kept of a record that is too large."""
        self._hold(part)
        if self._skipping:
            self._skip()
        enough = self._size >= self._piece_bytes or self._records >= RECORDS_PER_PIECE
        # To look again at each part at what has no end would take the square of its length.
        if self._skipping or not (self._line > _LONGEST or (enough and self._size >= 2 * self._tried)):
            return
        data = self.take()
        end = _end_of_records(data)
        if end:
            yield Piece(data[:end])
            self._hold(data[end:])
        elif len(data) > _LONGEST:
            yield too_large(data)
            self._skipping = True
            self._hold(data[-_NEXT_RECORD_LENGTH:])
        else:
            self._hold(data)
            self._tried = len(data)

    def take(self) -> bytes:
        """Return what is held, and hold nothing."""
        data = b"" if self._skipping else b"".join(self._parts)
        self._parts, self._size, self._records, self._line, self._tried = [], 0, 0.0, 0, 0
        return data

    def _hold(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        self._records += _records_in(part)
        behind = len(part) - part.rfind(b"\n") - 1
        self._line = behind if behind < len(part) else self._line + behind

    def _skip(self) -> None:
        data = b"".join(self._parts)
        found = _NEXT_RECORD.search(data) if b"\n" in data or b"}" in data else None
        self.take()
        self._skipping = found is None
        self._hold(data[found.end() :] if found else data[-_NEXT_RECORD_LENGTH:])


def _thinned(part: bytes) -> Iterator[bytes]:
    """Yield a part as it is; or, where records are short, in smaller ones without blank lines."""
    if _records_in(part) * _SHORT <= len(part):
        yield part
        return
    for start in range(0, len(part), _CLOSE_LOOK):
        yield _BLANK.sub(b"\n", part[start : start + _CLOSE_LOOK])


def _records_in(part: bytes) -> float:
    """Estimate how many records are in a part, blank lines among them: to count them all costs too much."""
    if len(part) <= _SAMPLES * _SAMPLE:
        return part.count(b"\n") + part.count(b"}{")
    places = range(0, len(part), len(part) // _SAMPLES)
    sample = b"".join(part[place : place + _SAMPLE] for place in places)
    return (sample.count(b"\n") + sample.count(b"}{")) * len(part) / len(sample)


def _end_of_records(data: bytes) -> int:
    """Return where the last record ends that is known to be whole; 0 where none is.

    A newline is in no text. Of two, the one between objects is taken, not one within an object on several lines.
    """
    return data.rfind(b"}\n{") + 2 if b"}\n{" in data else data.rfind(b"\n") + 1 or _end_of_concatenated(data)


def _end_of_concatenated(data: bytes) -> int:
    """Return the same for records with nothing between them, which may have `}{` in their texts.

    Several records in a row before a place show that it is none in a text. Where there are no such, the texts are
    looked for from the beginning; where damage turned them inside out, one record has to do.
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
    while (found := _RECORD.match(data, end)) and _parsed(found.group()) is not _NOTHING:
        end = found.end()
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
    """Drop what a break has left of a record: it is part of what is lost."""
    start = data.rfind(b"\n") + 1
    records = list(split_concatenated(data[start:].decode("utf-8", "surrogateescape")))
    while records and not _is_json(records[-1]):
        records.pop()
    return data[:start] + "\n".join(records).encode("utf-8", "surrogateescape")


def _is_json(text: str) -> bool:
    return _parsed(text.encode("utf-8", "surrogateescape")) is not _NOTHING


def _is_object(record: bytes) -> bool:
    found = _parsed(record)
    return isinstance(found, dict) and bool(found)


_NOTHING = object()


def _parsed(record: bytes) -> object:
    try:
        return msgspec.json.decode(without_lone_surrogates(record))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _NOTHING
