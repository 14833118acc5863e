"""The bytes of one landed object, cut into records.

Firehose writes records with a newline between them, or with nothing at all; both are normal, in one object too.
"""

import json
from collections.abc import Callable, Iterator
from typing import TypeVar

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SCANNER = json.JSONDecoder()

#: What JSON allows around a value.
WHITESPACE = " \t\r\n"

T = TypeVar("T")


def without_byte_order_mark(data: bytes) -> bytes:
    """Drop the mark that some Windows tools put before the first record."""
    return data.removeprefix(_BYTE_ORDER_MARK)


def split_concatenated(text: str) -> Iterator[str]:
    """Yield the JSON values written one after the other on a line.

    What cannot be read is yielded as it stands, up to the next `}{`, so that one damaged record does not take
    its neighbours with it.
    """
    position = 0
    while position < len(text):
        end = _end_of_value(text, position)
        piece = text[position:end].strip(WHITESPACE)
        if piece:
            yield piece
        position = end


def _end_of_value(text: str, start: int) -> int:
    while start < len(text) and text[start] in WHITESPACE:
        start += 1
    try:
        return _SCANNER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        boundary = text.find("}{", start)
        return len(text) if boundary < 0 else boundary + 1


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
