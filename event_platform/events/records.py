"""The bytes of a landed object → pieces that are records, before any search for damage.

Firehose separates records with a newline or not at all, sometimes both in one object.
"""

import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TypeVar

import msgspec

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: What JSON allows around a value.
WHITESPACE = " \t\r\n"

#: Replaces half a surrogate pair. It is not a character, and its escape has the same length.
NO_CHARACTER = "\uffff"

_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

#: Possible separators of two objects: blanks, a comma or semicolon, the separator of RFC 7464, a byte order mark, and
#: the end of an array that is written over several lines.
SEPARATORS = re.compile(rb"(?:[ \t\r\n,;\x1e\]]|\xef\xbb\xbf)*")
_SEPARATORS_BEHIND = b" \t\r\n,;\x1e"
#: Blanks between two objects. Within JSON this occurs only in texts.
_BOUNDARY = re.compile(rb"\}[ \t\r;\x1e]+(?=\{)")

#: How msgspec reports text behind a complete value, and the byte (from 1) at which JSON is invalid.
_TRAILING, _PLACE = "trailing characters", re.compile(r"\(byte (\d+)\)")
_ANY_VALUE = msgspec.json.Decoder(msgspec.Raw)

T = TypeVar("T")


def without_byte_order_mark(data: bytes) -> bytes:
    """Drop the byte order mark that some Windows tools write."""
    return data.removeprefix(_BYTE_ORDER_MARK)


def without_lone_surrogates(data: bytes) -> bytes:
    r"""Replace each lone half of a surrogate pair (`\ud83d`) by NO_CHARACTER; the length stays the same."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    return _ESCAPES.sub(lambda escape: b"\\uffff" if escape["lone"] else escape[0], data)


def split_concatenated(text: str) -> Iterator[str]:
    """Yield the JSON values that follow each other on a line. Other text is yielded up to the next `}{`."""
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
    """Return the end of the JSON value at the start of `data` (None if it is invalid), and the end of its valid part.

    Takes time proportional to the valid part, not to `data`.
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
    """Cut between `}` and `{`, which is right except within texts. Return the starts of the pieces, and the pieces."""
    pieces = line.replace(b"}{", b"}\n{").split(b"\n")
    return list(accumulate(map(len, pieces[:-1]), initial=0)), pieces


def cut_at_separators(piece: bytes) -> tuple[list[int], list[bytes]]:
    """Cut at separators between objects and drop the separators. Return the starts of the pieces, and the pieces."""
    cuts = [0, *(boundary.start() + 1 for boundary in _BOUNDARY.finditer(piece))]
    starts = [match.end() if (match := SEPARATORS.match(piece, cut)) else cut for cut in cuts]
    ends = [*cuts[1:], len(piece)]
    return starts, [piece[start:end].rstrip(_SEPARATORS_BEHIND) for start, end in zip(starts, ends, strict=True)]


def decode_around_damage(decode: Callable[[list[bytes]], list[T] | None], lines: list[bytes]) -> dict[int, T]:
    """Decode lines in bulk. Return the results by index, without malformed lines.

    `decode` returns None if a line is malformed; the lines are then halved until it is isolated.
    """
    records = decode(lines)
    if records is not None and len(records) == len(lines):
        return dict(enumerate(records))
    if len(lines) <= 1:
        return {}
    middle = len(lines) // 2
    before, behind = decode_around_damage(decode, lines[:middle]), decode_around_damage(decode, lines[middle:])
    return before | {middle + number: head for number, head in behind.items()}
