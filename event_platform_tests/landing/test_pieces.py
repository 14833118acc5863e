"""Whatever is in an object, it is cut into pieces of bounded size, and no record is cut."""

import json
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.corruption import MAX_RECORD_BYTES, CorruptionReason
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import BrokenError, Limits, Piece, cut
from event_platform_tests.support.world import event, gzipped

MIB = 1 << 20
TOO_LARGE, UNREADABLE = CorruptionReason.RECORD_TOO_LARGE, CorruptionReason.UNREADABLE_OBJECT
SOUND = [json.dumps(event(f"u{number}")).encode() for number in range(4)]


def in_parts(data: bytes, size: int) -> Iterator[bytes]:
    """Yield data in parts, as it comes out of a decoder."""
    return (data[start : start + size] for start in range(0, len(data), size))


def zst(chunks: Iterable[bytes]) -> bytes:
    """Compress what is never held."""
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join([*map(packer.compress, chunks), packer.flush()])


def gz(chunks: Iterable[bytes]) -> bytes:
    """Compress what is never held."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([*map(packer.compress, chunks), packer.flush()])


#: Texts that look like the ends of records, escaped and not.
_TEXTS = st.lists(st.sampled_from(["}{", '"', "\\", "}\n{", "{", "}", ":", ",", "é", "a"]), max_size=12).map("".join)
_RECORDS = st.lists(
    st.dictionaries(
        _TEXTS, _TEXTS | st.dictionaries(_TEXTS, _TEXTS, max_size=2) | st.integers(), min_size=1, max_size=4
    ),
    min_size=1,
    max_size=40,
)


@given(_RECORDS, st.sampled_from(["\n", "", " ", "\r\n", "\n\n"]), st.integers(1, 400), st.integers(1, 100))
def test_no_record_is_cut(records: list[object], between: str, piece_bytes: int, part: int) -> None:
    """With any texts in records and between them; and no record is lost."""
    texts = [json.dumps(record, ensure_ascii=False) for record in records]
    pieces_read = list(cut(in_parts(between.join(texts).encode(), part), piece_bytes))
    assert {piece.reason for piece in pieces_read} <= {None}
    read = [each for piece in pieces_read for each in concatenated(piece.data.decode())]
    assert read == records


def concatenated(text: str) -> list[object]:
    """Return the values written one after the other."""
    values, decoder, position = [], json.JSONDecoder(), 0
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        value, position = decoder.raw_decode(text, position)
        values.append(value)
    return values


@pytest.mark.parametrize("between", [b"\n", b""])
def test_pieces_are_as_large_as_they_may_be_and_no_larger(between: bytes) -> None:
    """About, that is: what comes out of a decoder at a time is not judged before."""
    data = between.join(SOUND * 5_000)
    pieces_read = list(cut(in_parts(data, 1_000), 20_000))
    assert between.join(piece.data.strip() for piece in pieces_read) == data
    assert all(19_000 < len(piece.data) < 22_000 for piece in pieces_read[:-1])


def test_a_record_on_several_lines_is_not_cut() -> None:
    """Pretty-printed, it ends where a line begins with the next."""
    text = "\n".join(json.dumps(event(f"u{number}", a={"b": [{}, {}]}), indent=1) for number in range(50)).encode()
    pieces_read = list(cut(in_parts(text, 50), 500))
    assert len(pieces_read) > 10
    assert b"".join(piece.data for piece in pieces_read) == text
    assert sum(len(concatenated(piece.data.decode())) for piece in pieces_read) == 50


@pytest.mark.parametrize("between", [b"\n", b""])
@pytest.mark.parametrize("damage", [b'{"a":1,', b'{"a":"', b'{"a" 1}', b'}{"', b'"'])
def test_what_is_damaged_costs_the_records_around_it_nothing(damage: bytes, between: bytes) -> None:
    """A quotation mark too many turns texts inside out, but not for records that are whole."""
    data = between.join([*SOUND[:3], damage, *SOUND] * 20)
    whole = b"".join(piece.data for piece in cut(in_parts(data, 100), 600))
    for piece in cut(in_parts(data, 100), 600):
        assert piece.data.lstrip()[:1] in (b"{", b"}", b'"')
        assert piece.data.rstrip()[-1:] in (b"}", b'"', b",")
    assert whole.replace(b"\n", b"") == data.replace(b"\n", b"")


@pytest.mark.parametrize("between", [b"\n", b""])
@pytest.mark.parametrize("size", [MAX_RECORD_BYTES + MIB, 3 * MAX_RECORD_BYTES])
def test_of_a_record_that_is_too_large_the_beginning_is_kept_and_it_is_never_held(size: int, between: bytes) -> None:
    """Records before and after it are read, on lines or without separators."""
    beginning = b'{"event_uuid":"large","text":"'
    large = chain([beginning], (b"x}{" * 1_000 for _ in range(size // 3_000)), [b'"}' + between])
    parts = chain([between.join(SOUND[:2]) + between], large, [between.join(SOUND[2:])])
    pieces_read = list(cut(parts, 64 * MIB))
    assert [piece.reason for piece in pieces_read if piece.reason] == [TOO_LARGE]
    assert [piece.text for piece in pieces_read if piece.reason] == [(beginning + b"x}{" * 2_000)[:4096].decode()]
    assert concatenated(b"".join(piece.data for piece in pieces_read).decode()) == [json.loads(each) for each in SOUND]
    assert max(len(piece.data) for piece in pieces_read) < MIB


def test_an_array_on_one_line_is_read_element_by_element() -> None:
    """However large it is, in pieces like lines."""
    inside = b",".join(SOUND * 100) + b","
    parts = chain([b"["], (inside for _ in range(2 * MAX_RECORD_BYTES // len(inside))), [SOUND[0] + b"]\n" + SOUND[1]])
    pieces_read = list(cut(parts, 4 * MIB))
    assert max(len(piece.data) for piece in pieces_read) < 6 * MIB
    lines = b"".join(piece.data for piece in pieces_read).splitlines()
    assert len(lines) == 400 * (2 * MAX_RECORD_BYTES // len(inside)) + 2


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \t\n"])
def test_lines_of_nothing_are_dropped_before_anybody_holds_them(blank: bytes) -> None:
    """A packed megabyte of them would be a billion lines; records between them are read."""
    chunk = blank * (MIB // len(blank))
    raw = gz(chain([SOUND[0]], (chunk for _ in range(30)), [SOUND[1]]))
    (piece,) = pieces("a.gz", BytesIO(raw), Limits())
    assert piece.data.split() == b" ".join(SOUND[:2]).split()
    assert len(piece.data) < 10_000


@pytest.mark.parametrize("record", [b"{}\n", b"1\n", b"{}"])
def test_a_piece_of_short_records_is_a_small_one(record: bytes) -> None:
    """It is the number that costs memory."""
    raw = gz(record * (MIB // len(record)) for _ in range(3))
    pieces_read = list(pieces("a", BytesIO(raw), Limits()))
    assert b"".join(piece.data for piece in pieces_read) == record * (MIB // len(record)) * 3
    assert max(len(piece.data) // len(record) for piece in pieces_read) < 400_000


LIMITS = Limits(object_bytes=3 * MIB, task_bytes=16 * MIB)
LINE = SOUND[0] + b"\n"
LINES = LINE * (MIB // len(LINE))


@pytest.mark.parametrize(
    "pack", [gz, zst, b"".join, lambda chunks: gzipped(gz(chunks)), lambda chunks: gz([zst(chunks)])]
)
def test_no_more_of_an_object_is_unpacked_than_may_be(pack: object) -> None:
    """What was unpacked before is kept, and a row says how to read the rest."""
    raw = pack(LINES for _ in range(8))  # type: ignore[operator]
    pieces_read = list(pieces("a", BytesIO(raw), LIMITS))
    *first_pieces, last_piece = pieces_read
    assert {piece.reason for piece in first_pieces} <= {None}
    assert last_piece.reason is UNREADABLE
    assert last_piece.text.startswith("it decompresses to more than 3,145,728 bytes")
    assert "object_limit_bytes" in last_piece.text
    data = b"".join(piece.data for piece in pieces_read)
    assert data == LINE * (3 * MIB // len(LINE))


@pytest.mark.parametrize("pack", [gz, zst])
def test_zeros_without_end_in_a_few_kilobytes_are_two_rows(pack: object) -> None:
    """The beginning of a record that is too large, and the limit."""
    raw = pack(bytes(MIB) for _ in range(40))  # type: ignore[operator]
    limits = Limits(object_bytes=2 * MAX_RECORD_BYTES, task_bytes=16 * MIB)
    pieces_read = list(pieces("a", BytesIO(raw), limits))
    assert [(piece.data, piece.reason) for piece in pieces_read] == [(b"", TOO_LARGE), (b"", UNREADABLE)]


def test_a_break_behind_the_first_piece_keeps_the_records_before_it() -> None:
    """Up to the last whole record, although isal, which unpacks most of the object, stops earlier."""
    raw = gz(chain((LINES for _ in range(3)), [b'{"cut":']))
    pieces_read = list(pieces("a.gz", BytesIO(raw[:-8] + bytes(8)), Limits(task_bytes=16 * MIB)))
    assert len(pieces_read) > 2
    assert pieces_read[-1].reason is UNREADABLE
    assert pieces_read[-1].text.startswith("gzip: ")
    read = b"".join(piece.data for piece in pieces_read)
    assert (LINES * 3).startswith(read)
    assert len(LINES) * 3 - len(read) < 8_192


def test_what_breaks_within_a_record_that_is_too_large_is_told() -> None:
    """Nothing is held of it that could be taken for a record."""

    def parts() -> Iterator[bytes]:
        yield b"["
        yield from (b"1," * MIB for _ in range(8))
        raise BrokenError("gzip: broken")

    assert list(cut(parts(), 64 * MIB)) == [
        Piece(b"", TOO_LARGE, ("[" + "1," * 4096)[:4096]),
        Piece(b"", UNREADABLE, "gzip: broken"),
    ]
