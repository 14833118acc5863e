"""An object that is a JSON array of records → the same records, one per line, part by part.

An array of any size is thus read like lines. A damaged element is one line; the elements after it are read.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from event_platform.events.corruption import MAX_RECORD_BYTES
from event_platform.events.records import end_of_value, without_lone_surrogates

#: Bytes that may be before an array, and between two arrays: blanks, commas, RFC 7464's separators, byte order marks.
_BETWEEN = re.compile(rb"(?:[ \t\r\n,\x1e]|\xef\xbb\xbf)*")
_ARRAY_OF_OBJECTS = re.compile(rb"\[\s*(?=[{\]])")

#: The usual separator of two elements.
_BETWEEN_ELEMENTS = (b"},{", b"}, {", b"},\n")
_COMMA = re.compile(rb"\s*,\s*")

#: Number of ends of an element to try before the elements are taken one by one.
_TRIES = 4
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])

#: End of a damaged element: before one that begins like a record.
_NEXT_ELEMENT = re.compile(rb'\}(?=\s*,\s*\{\s*"[^"\\\n]{0,256}"\s*:)')
_ENDS_ELEMENT = re.compile(rb"\s*(?:,\s*\{|,?\s*\])")
_BRACKETS = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)


def as_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the elements of arrays of objects as lines, and anything else unchanged."""
    parts = iter(parts)
    head = b""
    # Blanks alone do not show whether an array follows.
    while not head[_start(head) :] and (part := next(parts, b"")):
        head += part
    if head[_start(head) :].startswith(b"["):
        yield from _Arrays(chain([head], parts)).lines()
    else:
        yield from chain([head] if head else [], parts)


class _Arrays:
    """Consecutive arrays, read part by part."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._buffer = b""
        self._is_at_end = False

    def lines(self) -> Iterator[bytes]:
        while self._fill():
            start = _ARRAY_OF_OBJECTS.match(self._buffer)
            if start is None and self._buffer.startswith(b"[") and not self._buffer[1:].strip() and self._read_part():
                continue  # the array's first element has not been read yet
            if start is None:
                yield from chain([self._buffer], self._parts)
                return
            self._buffer = self._buffer[start.end() :]
            yield from self._elements()

    def _elements(self) -> Iterator[bytes]:
        """Yield the elements up to the end of the array."""
        tried_bytes = 0
        while self._fill() and not self._buffer.startswith(b"]"):
            # Trying again after each part would take quadratic time.
            if len(self._buffer) < min(2 * tried_bytes, MAX_RECORD_BYTES) and self._read_part():
                continue
            elements, end, sound_end = _decode(self._buffer)
            if not elements and sound_end == len(self._buffer) and self._read_more():
                tried_bytes = len(self._buffer)
                continue
            tried_bytes = 0
            if elements:
                yield b"\n".join(elements) + b"\n"
                self._buffer = self._buffer[end:]
            else:
                yield from self._damaged_element(sound_end)
        self._buffer = self._buffer[1:]

    def _damaged_element(self, sound_end: int) -> Iterator[bytes]:
        """Yield an element that is not JSON, or too large for the buffer, as one line."""
        is_broken = sound_end < len(self._buffer)
        while is_broken and not self._is_followed() and not self._end_before_next(sound_end) and self._read_more():
            pass
        brackets = _Brackets()
        end = brackets.end(self._buffer)
        if is_broken and not self._is_followed():
            end = self._end_before_next(sound_end) or end
        while end is None:
            yield _on_one_line(self._buffer)
            self._buffer = b""
            if not self._read_part():
                break
            end = brackets.end(self._buffer)
        yield _on_one_line(self._buffer[:end]) + b"\n"
        self._buffer = self._buffer[end:] if end is not None else b""

    def _is_followed(self) -> bool:
        """Return whether an element, or the end of the array, follows the brackets of this element."""
        end = _Brackets().end(self._buffer)
        return end is not None and _ENDS_ELEMENT.match(self._buffer, end) is not None

    def _end_before_next(self, sound_end: int) -> int | None:
        """Return the end of a damaged element: the start of the next one."""
        # A text without a closing quotation mark extends into the next element.
        start = self._buffer.rfind(b'"', 0, max(sound_end - 1, 0))
        match = _NEXT_ELEMENT.search(self._buffer, max(start, 0))
        return match.end() if match else None

    def _fill(self) -> bool:
        """Skip insignificant bytes; return whether anything is left."""
        while True:
            self._buffer = self._buffer[_start(self._buffer) :]
            if self._buffer or not self._read_part():
                return bool(self._buffer)

    def _read_more(self) -> bool:
        return len(self._buffer) <= MAX_RECORD_BYTES and self._read_part()

    def _read_part(self) -> bool:
        part = b"" if self._is_at_end else next(self._parts, b"")
        self._is_at_end = not part
        self._buffer += part
        return bool(part)


class _Brackets:
    """Finds the end of an element by its brackets, part by part, ignoring everything between them."""

    def __init__(self) -> None:
        self._depth, self._in_text, self._is_escaped = 0, False, False

    def end(self, data: bytes) -> int | None:
        """Return the end of the element if it is in these bytes."""
        start = 1 if self._is_escaped else 0
        self._is_escaped = False
        for match in _BRACKETS.finditer(data, start):
            bracket = match[0]
            if bracket == b'"':
                self._in_text = not self._in_text
            elif not self._in_text and bracket in b"{}[]":
                self._depth += 1 if bracket in b"{[" else -1
                if self._depth <= 0:
                    return match.end()
        backslashes = len(data) - len(data.rstrip(b"\\"))
        self._is_escaped = backslashes % 2 == 1
        return None


def _decode(buffer: bytes) -> tuple[list[bytes], int, int]:
    """Return the whole elements at the beginning, their end, and the end of the undamaged part."""
    readable = without_lone_surrogates(buffer)
    if readable is buffer:  # otherwise its elements are not verbatim
        end = len(buffer)
        for _ in range(_TRIES):
            end = max(buffer.rfind(between, 0, end) for between in _BETWEEN_ELEMENTS) + 1
            if not end:
                break
            try:
                return [_on_one_line(element) for element in _ELEMENTS.decode(b"[%b]" % buffer[:end])], end, end
            except (msgspec.MsgspecError, RecursionError):
                continue
    return _one_by_one(buffer, readable)


def _one_by_one(buffer: bytes, readable: bytes) -> tuple[list[bytes], int, int]:
    view = memoryview(readable)
    elements: list[bytes] = []
    start = end = 0
    while True:
        length, sound_end = end_of_value(view[start:])
        # A number or a word at the end may continue in the next part.
        if length is None or (start + length == len(buffer) and buffer[-1:] not in b'}]"'):
            return elements, end, start + sound_end if length is None else len(buffer)
        elements.append(_on_one_line(buffer[start : start + length]))
        end = start + length
        comma = _COMMA.match(buffer, end)
        if comma is None or comma.end() == len(buffer) or buffer[comma.end() : comma.end() + 1] == b"]":
            return elements, end, end
        start = comma.end()


def _on_one_line(value: bytes | msgspec.Raw) -> bytes:
    """Return a value without line ends: in JSON they are blanks."""
    return bytes(value).replace(b"\n", b" ")


def _start(data: bytes) -> int:
    """Return the position of the first significant byte."""
    match = _BETWEEN.match(data)
    return match.end() if match else 0
