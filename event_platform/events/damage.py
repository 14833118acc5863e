"""Finds damaged ranges of an object, and the sound records beside them.

Each damaged range becomes one corrupt record; each sound object within or beside it is one record.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence

from event_platform.events.records import SEPARATORS, end_of_value

_BEGINS_ARRAY_OF_OBJECTS = re.compile(rb"\[\s*(?:\{|\Z)")

#: What may follow a record.
_BEHIND_VALUE = re.compile(rb"[ \t\r]*(?:\Z|[\n,;\x1e{\[\]]|\xef\xbb\xbf)")

#: JSON tokens in damaged text. A quote that begins no complete text is a separate token.
_TOKEN = re.compile(rb'(?P<text>"(?:[^"\\\n]|\\[^\n])*+"(?=\s*[,:}\]]))|["{}\[\]\n,:]|[^\s"{}\[\],:]+')
_QUOTE, _COLON, _COMMA, _NEWLINE = b'":,\n'
_BRACE, _CLOSING_BRACE, _BRACKET, _CLOSING_BRACKET = b"{}[]"

#: The token before a nested object, and the enclosing bracket.
_NESTED = {(_COLON, _BRACE), (_COMMA, _BRACKET), (_BRACKET, _BRACKET)}
_BEHIND_NESTED = b",}]"
_GOES_ON = re.compile(rb"\s*[}\],]")

#: Possible start of an object after an unterminated text (where texts and other tokens are swapped): after another
#: object, or where it is neither the value of a key nor the first item of an array.
_BEGINS_OBJECT = re.compile(rb'\}[ \t\r;\x1e]*(?=\{)|(?<![:\[\s])\s*(?P<object>\{)\s*"')


class DamageFinder:
    """Finds damaged ranges, and the sound records within and beside them.

    A damaged range ends at the next piece that is a record, unless that piece is part of a larger sound object. An
    event (see `events` below) always ends it.
    """

    def __init__(
        self, data: bytes, sound: Sequence[int], events: Sequence[int], is_event: Callable[[bytes], bool]
    ) -> None:
        """Search `data` without lone surrogates (see `without_lone_surrogates`).

        `sound` are the start positions of pieces that are records, in order; `events` are the starts of those with all
        envelope fields. `is_event` decides for other objects.
        """
        self._data, self._view = data, memoryview(data)
        self._sound, self._events, self._is_event = sound, events, is_event
        self._line = -1  # end of the line that was searched last

    def records(self, malformed: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield start and end of damaged stretches and of sound records, from each `malformed` start on."""
        position = 0
        for start in malformed:
            if start >= position:
                position = yield from self._records_from(start)

    def contained_starts(self, start: int, end: int) -> Sequence[int]:
        """Return the `sound` starts within a record: these pieces are part of it."""
        return self._sound[bisect_left(self._sound, start) : bisect_left(self._sound, end)]

    def _records_from(self, start: int) -> Generator[tuple[int, int], None, int]:
        """Yield the records from `start` to the next sound piece. Return the start of that piece."""
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
            newline = self._data.find(b"\n", position)
            self._line = len(self._data) if newline < 0 else newline
        return self._line

    def _skip_separators(self, position: int, limit: int) -> int:
        match = SEPARATORS.match(self._data, position, limit)
        return match.end() if match else limit

    def _end_of_value(self, position: int, limit: int) -> tuple[int | None, int]:
        """Like `end_of_value`, but only an object may continue over several lines."""
        if self._data[position] != _BRACE:
            limit = min(limit, self._end_of_line(position))
        end, reached = end_of_value(self._view[position:limit])
        return None if end is None else position + end, position + reached

    def _is_record(self, start: int, end: int, limit: int) -> bool:
        """Return whether a value is a record. If garbage follows, only an event is."""
        return bool(_BEHIND_VALUE.match(self._data, end, limit)) or self._is_event(self._data[start:end])

    def _begins_event(self, position: int, limit: int) -> bool:
        end, _ = self._end_of_value(position, limit)
        return end is not None and self._is_event(self._data[position:end])

    def _belongs_together(self, end: int, start: int) -> bool:
        return self._data[start] != _BRACE and not self._data[end:start].strip(b" \t\r")

    def _end_of_damage(self, start: int, limit: int, *, over_lines: bool) -> int:
        """Return the end of the damaged range: its closing bracket, or the start of the next record.

        With `over_lines`, its valid part may continue over line ends.
        """
        headless = self._data[start] == _QUOTE  # it begins with a key: the opening brace is missing
        opened: list[tuple[int, int]] = [(_BRACE, start)] if headless else []
        closed: int | None = None  # start of the object or array that has just ended
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
        """Return the start of the record that ends the range: this token, or the object that ends before it."""
        if closed is not None and kind not in _BEHIND_NESTED and self._is_event(self._data[closed:at]):
            return closed
        if kind != _BRACE or _is_nested(before, opened):
            return None
        begins = before == _CLOSING_BRACE or self._is_sound(at) or self._begins_event(at, limit)
        return at if begins else None

    def _unless_event(self, closed: int | None, end: int) -> int:
        """Return `end`, or the start of an event that ends there: the value of a key cut off after its colon."""
        return closed if closed is not None and self._is_event(self._data[closed:end]) else end

    def _behind_quote(self, quote: int, limit: int) -> tuple[int, bool]:
        """Return the next record on the line behind an unterminated text, and True; else the line's end, and False."""
        line = min(self._end_of_line(quote), limit)
        for match in _BEGINS_OBJECT.finditer(self._data, quote + 1, limit):
            if match.start() >= line:
                break
            if match["object"] is None:
                return match.end(), True
            if self._begins_event(match.start("object"), limit):
                return match.start("object"), True
        return line, False


def _is_nested(before: int, opened: list[tuple[int, int]]) -> bool:
    return bool(opened) and (before, opened[-1][0]) in _NESTED


def _close(opened: list[tuple[int, int]], kind: int) -> int | None:
    """Remove the brackets that a closing bracket ends. Return the start of its object or array."""
    while opened:
        bracket, at = opened.pop()
        if kind == _CLOSING_BRACKET or bracket == _BRACE:
            return at
    return None
