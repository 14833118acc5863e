"""The bytes of one landed object, cut into records.

Firehose writes records with a newline between them, or with nothing at all; both are normal, in one object too. What is
damaged is looked at more closely, here: each damaged stretch is one record, and so is each sound object beside it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

import msgspec

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: What JSON allows around a value.
WHITESPACE = " \t\r\n"

#: Stands for half of a surrogate pair, of which no text can be made. No character, and as long when it is escaped.
NO_CHARACTER = "\uffff"

_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

#: What stands for nothing between two objects: blanks, a comma or semicolon, the separator of RFC 7464, a byte order
#: mark, and the end of an array that is written over several lines.
_SEPARATORS = re.compile(rb"(?:[ \t\r\n,;\x1e\]]|\xef\xbb\xbf)*")
_SEPARATORS_BEHIND = b" \t\r\n,;\x1e"
_BEGINS_ARRAY_OF_OBJECTS = re.compile(rb"\[\s*(?:\{|\Z)")

#: What may stand behind a value that is a record.
_BEHIND_VALUE = re.compile(rb"[ \t\r]*(?:\Z|[\n,;\x1e{\[\]]|\xef\xbb\xbf)")

#: Where one object ends and the next begins, whatever is around: no JSON has this outside a text.
_BOUNDARY = re.compile(rb"(?<=\})[ \t\r;\x1e]+(?=\{)")

#: Tokens of what may be damaged. A quote that begins no text, or one that nothing of JSON follows, stands alone.
_TOKEN = re.compile(rb'(?P<text>"(?:[^"\\\n]|\\[^\n])*+"(?=\s*[,:}\]]))|["{}\[\]\n,:]|[^\s"{}\[\],:]+')
_QUOTE, _COLON, _COMMA, _NEWLINE = b'":,\n'
_BRACE, _CLOSING_BRACE, _BRACKET, _CLOSING_BRACKET = b"{}[]"

#: What stands before an object that is within another value, and what that value is.
_NESTED = {(_COLON, _BRACE), (_COMMA, _BRACKET), (_BRACKET, _BRACKET)}
_BEHIND_NESTED = b",}]"
_GOES_ON = re.compile(rb"\s*[}\],]")

#: Where an object may begin behind a text that lost its end (there texts and what is between them are taken for each
#: other): behind another one, or wherever it is neither the value of a key nor the first in an array.
_BEGINS_OBJECT = re.compile(rb'\}[ \t\r;\x1e]*(?=\{)|(?<![:\[\s])\s*(?P<object>\{)\s*"')

#: How msgspec says where the text goes on behind a whole value, and where it is no JSON; it counts from 1.
_TRAILING, _PLACE = "trailing characters", re.compile(r"\(byte (\d+)\)")
_ANY_VALUE = msgspec.json.Decoder(msgspec.Raw)

T = TypeVar("T")


def without_byte_order_mark(data: bytes) -> bytes:
    """Drop the mark that some Windows tools put before the first record."""
    return data.removeprefix(_BYTE_ORDER_MARK)


def without_lone_surrogates(data: bytes) -> bytes:
    r"""Escape NO_CHARACTER for each half of a surrogate pair that stands alone (`\ud83d`); the length is the same."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    return _ESCAPES.sub(lambda escape: b"\\uffff" if escape["lone"] else escape[0], data)


def split_concatenated(text: str) -> Iterator[str]:
    """Yield the JSON values written one after the other on a line.

    What cannot be read is yielded as it stands, up to the next `}{`, so that one damaged record does not take
    its neighbours with it.
    """
    data = text.encode("utf-8", "surrogateescape")
    readable = without_lone_surrogates(data)
    position = 0
    while position < len(data):
        end, _ = end_of_value(memoryview(readable)[position:])
        if end is None:
            boundary = data.find(b"}{", position)
            end = (len(data) if boundary < 0 else boundary + 1) - position
        piece = data[position : position + end].decode("utf-8", "surrogateescape").strip(WHITESPACE)
        if piece:
            yield piece
        position += end


def end_of_value(data: memoryview) -> tuple[int | None, int]:
    """Return where the JSON value ends with which `data` begins, or None; and up to where it is one.

    The effort grows with the value alone, or with what of it is sound.
    """
    try:
        _ANY_VALUE.decode(data)
    except msgspec.DecodeError as error:
        place = _PLACE.search(str(error))
        if place is None:
            return None, len(data)  # it ends too early
        reached = int(place[1]) - 1
        return _without_blanks(data, reached) if _TRAILING in str(error) else None, reached
    except RecursionError:
        return None, len(data)
    return _without_blanks(data, len(data)), len(data)


def _without_blanks(data: memoryview, end: int) -> int:
    while data[end - 1] in b" \t\r\n":
        end -= 1
    return end


def cut_at_braces(line: bytes) -> tuple[list[int], list[bytes]]:
    """Cut where an object follows directly on another: right, unless it is within a text. Return places and pieces."""
    pieces = line.replace(b"}{", b"}\n{").split(b"\n")
    return list(accumulate(map(len, pieces[:-1]), initial=0)), pieces


def cut_at_separators(piece: bytes) -> tuple[list[int], list[bytes]]:
    """Cut where blanks or a separator are between objects, and drop those that are around. Return places and pieces."""
    cuts = [0, *(between.start() for between in _BOUNDARY.finditer(piece))]
    starts = [found.end() if (found := _SEPARATORS.match(piece, cut)) else cut for cut in cuts]
    ends = [*cuts[1:], len(piece)]
    return starts, [piece[start:end].rstrip(_SEPARATORS_BEHIND) for start, end in zip(starts, ends, strict=True)]


def decode_around_damage(decode: Callable[[list[bytes]], list[T] | None], lines: list[bytes]) -> dict[int, T]:
    """Decode lines in bulk; return what was found in each, by its position. Damaged lines are left out.

    `decode` returns None where it cannot take its lines as they are: they are halved until the damaged stand alone.
    """
    found = decode(lines)
    if found is not None and len(found) == len(lines):
        return dict(enumerate(found))
    if len(lines) <= 1:
        return {}
    middle = len(lines) // 2
    before, behind = decode_around_damage(decode, lines[:middle]), decode_around_damage(decode, lines[middle:])
    return before | {middle + number: head for number, head in behind.items()}


class CloserLook:
    """Finds the records in and around what is no record by itself.

    Only as far as it has to look: whatever is a record by itself ends a damaged stretch, unless it is part of an object
    that is sound as a whole; an event (see below) does so in any case.
    """

    def __init__(
        self, data: bytes, sound: Sequence[int], events: Sequence[int], is_event: Callable[[bytes], bool]
    ) -> None:
        """Look into `data`, which holds no lone surrogates (see `without_lone_surrogates`).

        `sound` are the places where what is a record by itself begins, in order, and `events` those of them that have
        all that an event has. `is_event` says so of any other object.
        """
        self._data, self._view = data, memoryview(data)
        self._sound, self._events, self._is_event = sound, events, is_event
        self._line = -1  # where the line ends that was looked at last

    def records(self, malformed: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield start and end of the records from the `malformed` places on: damaged stretches, and what is sound."""
        position = 0
        for start in malformed:
            if start >= position:
                position = yield from self._records_from(start)

    def swallowed(self, start: int, end: int) -> Sequence[int]:
        """Return those of the `sound` places that are within a record."""
        return self._sound[bisect_left(self._sound, start) : bisect_left(self._sound, end)]

    def _records_from(self, start: int) -> Generator[tuple[int, int], None, int]:
        """Yield the records from here to the next one that stands by itself; return where that is."""
        position, limit = start, self._next_event(start)
        damaged: tuple[int, int] | None = None
        while (position := self._skip_separators(position, limit)) < limit and not self._is_sound(position):
            end, reached = self._end_of_value(position, limit)
            if end is not None and self._is_record(position, end, limit):
                yield from [damaged] if damaged else []
                yield position, end
                damaged = None
            elif end is None and _BEGINS_ARRAY_OF_OBJECTS.match(self._data, position, limit):
                end = position + 1
            else:
                end = self._end_of_damage(position, limit, over_lines=self._end_of_line(position) < reached)
                if damaged and self._belongs_together(damaged[1], position):
                    damaged = damaged[0], end
                else:
                    yield from [damaged] if damaged else []
                    damaged = position, end
            position = end
        yield from [damaged] if damaged else []
        return position

    def _next_event(self, position: int) -> int:
        number = bisect_right(self._events, position)
        return self._events[number] if number < len(self._events) else len(self._data)

    def _is_sound(self, position: int) -> bool:
        number = bisect_left(self._sound, position)
        return number < len(self._sound) and self._sound[number] == position

    def _end_of_line(self, position: int) -> int:
        if self._line < position:
            found = self._data.find(b"\n", position)
            self._line = len(self._data) if found < 0 else found
        return self._line

    def _skip_separators(self, position: int, limit: int) -> int:
        found = _SEPARATORS.match(self._data, position, limit)
        return found.end() if found else limit

    def _end_of_value(self, position: int, limit: int) -> tuple[int | None, int]:
        """Like `end_of_value`. Only an object may go over several lines."""
        if self._data[position] != _BRACE:
            limit = min(limit, self._end_of_line(position))
        end, reached = end_of_value(self._view[position:limit])
        return None if end is None else position + end, position + reached

    def _is_record(self, start: int, end: int, limit: int) -> bool:
        """Say whether a value is a record: with garbage behind it, only an event is."""
        return bool(_BEHIND_VALUE.match(self._data, end, limit)) or self._is_event(self._data[start:end])

    def _begins_event(self, position: int, limit: int) -> bool:
        end, _ = self._end_of_value(position, limit)
        return end is not None and self._is_event(self._data[position:end])

    def _belongs_together(self, end: int, start: int) -> bool:
        return self._data[start] != _BRACE and not self._data[end:start].strip(b" \t\r")

    def _end_of_damage(self, start: int, limit: int, *, over_lines: bool) -> int:
        """Return where the damaged stretch ends that begins here: with its last bracket, or where a record begins.

        It goes `over_lines` where what it begins with does, as far as that is sound.
        """
        headless = self._data[start] == _QUOTE  # a key: the brace before it is missing
        opened: list[tuple[int, int]] = [(_BRACE, start)] if headless else []
        closed: int | None = None  # where the object or array begins that ended just now
        before, position, first_line = 0, start, self._end_of_line(start)
        while token := _TOKEN.search(self._data, position, limit):
            at, kind = token.start(), self._data[token.start()]
            position = token.end()
            if kind == _NEWLINE:
                if not over_lines and not (headless and self._continues(before, position, limit)):
                    return self._unless_event(closed, at)
                continue
            begin = self._beginning(kind, before, closed, opened, at, limit) if at > start else None
            if begin is not None:
                return begin
            closed = None
            if kind == _QUOTE and token["text"] is None:
                position, ends = self._behind_quote(at, limit)
                if ends or not over_lines or at < first_line:
                    return position
            elif kind in {_BRACE, _BRACKET}:
                opened.append((kind, at))
            elif kind == _CLOSING_BRACE or (kind == _CLOSING_BRACKET and opened and opened[-1][0] == _BRACKET):
                closed = _close(opened, kind)
                if not opened:
                    return position
            before = kind
        return self._unless_event(closed, limit)

    def _continues(self, before: int, position: int, limit: int) -> bool:
        return before == _COMMA or _GOES_ON.match(self._data, position, limit) is not None

    def _beginning(
        self, kind: int, before: int, closed: int | None, opened: list[tuple[int, int]], at: int, limit: int
    ) -> int | None:
        """Return where a record begins that ends the damaged stretch: at this token, or with what ends before it."""
        if closed is not None and kind not in _BEHIND_NESTED and self._is_event(self._data[closed:at]):
            return closed
        if kind != _BRACE or _is_nested(before, opened):
            return None
        begins = before == _CLOSING_BRACE or self._is_sound(at) or self._begins_event(at, limit)
        return at if begins else None

    def _unless_event(self, closed: int | None, end: int) -> int:
        """Return `end`, or where the event begins that ends there: the value of a key that was cut behind its colon."""
        return closed if closed is not None and self._is_event(self._data[closed:end]) else end

    def _behind_quote(self, quote: int, limit: int) -> tuple[int, bool]:
        """Return where a record may begin on this line behind a text without an end, and True; else where it ends."""
        line = min(self._end_of_line(quote), limit)
        for found in _BEGINS_OBJECT.finditer(self._data, quote + 1, limit):
            if found.start() >= line:
                break
            if found["object"] is None:
                return found.end(), True
            if self._begins_event(found.start("object"), limit):
                return found.start("object"), True
        return line, False


def _is_nested(before: int, opened: list[tuple[int, int]]) -> bool:
    return bool(opened) and (before, opened[-1][0]) in _NESTED


def _close(opened: list[tuple[int, int]], kind: int) -> int | None:
    """Drop the brackets that the closing one ends, and return where the object or array begins."""
    while opened:
        bracket, at = opened.pop()
        if kind == _CLOSING_BRACKET or bracket == _BRACE:
            return at
    return None
