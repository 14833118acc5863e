"""The bytes of one landed object, cut into records.

Firehose writes records with a newline between them, or with nothing at all; both are normal, in one object too. What is
damaged is looked at in `closer_look`.
"""

import re
from collections.abc import Callable, Iterator
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
SEPARATORS = re.compile(rb"(?:[ \t\r\n,;\x1e\]]|\xef\xbb\xbf)*")
_SEPARATORS_BEHIND = b" \t\r\n,;\x1e"

#: Where one object ends and the next begins, whatever is around: no JSON has this outside a text.
_BOUNDARY = re.compile(rb"(?<=\})[ \t\r;\x1e]+(?=\{)")

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
    starts = [found.end() if (found := SEPARATORS.match(piece, cut)) else cut for cut in cuts]
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
