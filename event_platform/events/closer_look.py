"""A closer look at damaged text: each damaged part is one record, and so is each sound object beside it."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence

from event_platform.events.records import SEPARATORS, end_of_value

_BEGINS_ARRAY_OF_OBJECTS = re.compile(rb"\[\s*(?:\{|\Z)")


#: What may stand behind a value that is a record.
_BEHIND_VALUE = re.compile(rb"[ \t\r]*(?:\Z|[\n,;\x1e{\[\]]|\xef\xbb\xbf)")

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
        found = SEPARATORS.match(self._data, position, limit)
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
