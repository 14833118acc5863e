"""The bytes of one landed object, cut into records.

Firehose writes records with a newline between them, or with nothing at all; both are normal, in one object too.
"""

import json
from collections.abc import Iterator

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SCANNER = json.JSONDecoder()
_WHITESPACE = " \t\r\n"


def without_byte_order_mark(data: bytes) -> bytes:
    """Drop the mark that some Windows tools put before the first record."""
    return data.removeprefix(_BYTE_ORDER_MARK)


def lines_of(data: bytes) -> list[bytes]:
    """Cut at newlines; carriage returns and surrounding blanks go, empty lines are not records."""
    return [line for raw in data.split(b"\n") if (line := raw.strip())]


def split_concatenated(text: str) -> Iterator[str]:
    """Yield the JSON values written one after the other on a line.

    What cannot be read is yielded as it stands, up to the next `}{`, so that one damaged record does not take
    its neighbours with it.
    """
    position = 0
    while position < len(text):
        end = _end_of_value(text, position)
        piece = text[position:end].strip(_WHITESPACE)
        if piece:
            yield piece
        position = end


def _end_of_value(text: str, start: int) -> int:
    while start < len(text) and text[start] in _WHITESPACE:
        start += 1
    try:
        return _SCANNER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        boundary = text.find("}{", start)
        return len(text) if boundary < 0 else boundary + 1
