"""The content of landed objects, in every format they come in, whole and broken."""

import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from itertools import accumulate
from typing import Any

import polars as pl
import pytest
import zstandard

from event_platform.events.corruption import CorruptionReason
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, Limits
from event_platform_tests.support.world import gzipped

RECORDS = b'{"n":1}\n{"n":2}\n{"n":3}\n'
LONG = b"".join(b'{"number":%d,"text":"%s"}\n' % (number, b"\xc3\xa9" * (number % 40)) for number in range(2_000))


@dataclass(frozen=True)
class Content:
    """The records of an object, and the fault that ended the reading early, if one did."""

    data: bytes
    fault: str | None = None


def decode(name: str, raw: bytes, limits: Limits = DEFAULT_LIMITS) -> Content:
    """Put the pieces of an object together; the fault is the last one's."""
    pieces_read = list(pieces(name, io.BytesIO(raw), limits))
    *first_reasons, last_reason = [piece.reason for piece in pieces_read] or [None]
    assert last_reason in {None, CorruptionReason.UNREADABLE_OBJECT, CorruptionReason.UNSUPPORTED_FORMAT}
    assert set(first_reasons) <= {None}
    return Content(b"".join(piece.data for piece in pieces_read), pieces_read[-1].text if last_reason else None)


def zst(data: bytes) -> bytes:
    """Return one frame."""
    return zstandard.compress(data)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a", RECORDS),
        ("a.json", RECORDS),
        ("a.gz", gzipped(RECORDS)),
        ("a.gz", gzipped(RECORDS[:8]) + gzipped(RECORDS[8:])),
        ("a.gz", gzipped(b"") + gzipped(RECORDS)),
        ("a.gz", gzipped(RECORDS) + bytes(512)),
        ("a.zst", zst(RECORDS)),
        ("a.zst", zst(RECORDS[:8]) + zst(RECORDS[8:])),
        ("no-extension", gzipped(RECORDS)),
        ("no-extension", zst(RECORDS)),
        ("text.gz", RECORDS),
        ("text.zst", b"\xef\xbb\xbf" + RECORDS),
        ("text.parquet", b"  \n" + RECORDS),
        ("zstd.gz", zst(RECORDS)),
        ("gzip.zst", gzipped(RECORDS)),
        ("gzip.parquet", gzipped(RECORDS)),
        ("twice.gz", gzipped(gzipped(RECORDS))),
        (
            "members-of-members.gz",
            gzipped(gzipped(RECORDS[:8]) + gzipped(RECORDS[8:])[:9]) + gzipped(gzipped(RECORDS[8:])[9:]),
        ),
        ("zstd-in-gzip.gz", gzipped(zst(RECORDS))),
        ("gzip-in-zstd", zst(gzipped(RECORDS))),
        ("thrice", gzipped(zst(gzipped(RECORDS)))),
        ("skippable.zst", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zst(RECORDS)),
        ("2025.06.02", gzipped(RECORDS[:8]) + gzipped(RECORDS[8:])),
    ],
)
def test_whole_objects_give_their_records(name: str, raw: bytes) -> None:
    """Plain, gzip and zstd, of one part or several, one within the other; the bytes tell, whatever the name says."""
    content = decode(name, raw)
    assert (content.data.removeprefix(b"\xef\xbb\xbf").lstrip(), content.fault) == (RECORDS, None)


@pytest.mark.parametrize(("name", "raw"), [("a.gz", gzipped(LONG)), ("a.zst", zst(LONG))])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.5, 0.9, 0.999])
def test_an_object_cut_short_keeps_the_whole_records_before_the_cut(name: str, raw: bytes, share: float) -> None:
    """And says what is wrong with it; the record that the cut may have hit is not kept."""
    content = decode(name, raw[: int(len(raw) * share)])
    assert LONG.startswith(content.data)
    assert all(json.loads(record) for record in content.data.splitlines())
    assert content.fault is not None


def test_what_a_cut_leaves_of_a_record_is_dropped_and_no_more() -> None:
    """At any position, also if records have no separator and contain `}{`."""
    records = [b'{"n":1}', b'{"text":"}{ \\"}{","in":{"n":2}}', b'{"n":3}', b'{"text":"\xc3\xa9"}']
    ends = list(accumulate(map(len, records)))
    for cut in range(1, ends[-1] + 1):
        stored = zlib.compressobj(0, wbits=31)
        raw = stored.compress(b"".join(records)[:cut]) + stored.flush(zlib.Z_SYNC_FLUSH)
        assert decode("a.gz", raw).data.splitlines() == records[: sum(end <= cut for end in ends)]


def test_every_record_before_a_cut_is_kept() -> None:
    """With members small enough to know what is before it."""
    raw = b"".join(gzipped(line) for line in RECORDS.splitlines(keepends=True))
    content = decode("a.gz", raw[:-12])
    assert content.data.split() == [b'{"n":1}', b'{"n":2}']
    assert content.fault == "gzip: the object ends in the middle of its data"


@pytest.mark.parametrize(
    ("name", "raw", "fault"),
    [
        ("a.gz", b"\x00\x01" + RECORDS, "gzip: it is neither gzip, as its name says, nor text"),
        ("a.zst", b"\xff" * 600, "zstd: it is neither zstd, as its name says, nor text"),
        ("a.parquet", b"\x00\xe9", "parquet: it is neither parquet, as its name says, nor text"),
        ("a.gz", b"\x1f\x8b", "gzip: the object ends in the middle of its data"),
        ("a.gz", gzipped(RECORDS) + b"not gzip", "gzip: "),
        ("a.gz", gzipped(RECORDS)[:-8] + bytes(8), "gzip: "),
        ("a.parquet", b"PAR1", "parquet: "),
        ("a.gz", b"PAR1" + RECORDS[:7], "parquet: "),
        ("a", b"PK\x03\x04" + bytes(range(256)) + b"\n1\n", "zip: "),
        ("a", b"\xff\x06\x00\x00sNaPpY\n{}}\n", "snappy: "),
        ("a.gz", reduce(lambda data, _: gzipped(data), range(4), RECORDS), "it is compressed more than 3 times"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, raw: bytes, fault: str) -> None:
    """As broken; never lines."""
    content = decode(name, raw)
    assert content.fault is not None
    assert content.fault.startswith(fault)


def test_records_before_garbage_are_kept() -> None:
    """A whole member counts, whatever comes behind it."""
    assert decode("a.gz", gzipped(RECORDS) + b"not gzip").data.split() == RECORDS.split()


@pytest.mark.parametrize("pack", [bytes, gzipped, zst])
@pytest.mark.parametrize(
    "head",
    [
        *(b"PAR1", b"PARE", b"PK\x03\x04", b"Obj\x01", b"ORC", b"\xfd7zXZ\0", b"\xff\xfe{\0", b"SEQ\x06"),
        *(b"BZh91AY&SY", b"BZh91AY&SY" + bytes(99), b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"\x1f\x8b\x08" + bytes(20)),
        b"\xff\x06\x00\x00sNaPpY",
    ],
)
def test_a_record_that_begins_like_a_container_hides_no_record_behind_it(
    head: bytes, pack: Callable[[bytes], bytes]
) -> None:
    """A stream has records of many producers: the first one of an object is anybody's."""
    content = decode("a", pack(head + b"\n" + RECORDS))
    assert (content.data.removeprefix(head + b"\n"), content.fault) == (RECORDS, None)


def test_plain_records_behind_a_gzipped_one_are_read() -> None:
    """One producer gzips each record, and another one does not."""
    for between in (b"", b"\n"):
        content = decode("a", gzipped(b'{"n":0}') + between + RECORDS)
        assert (content.data.replace(b"}{", b"}\n{").split(), content.fault) == ([b'{"n":0}', *RECORDS.split()], None)


def parquet(**columns: Any) -> bytes:
    """Return a Parquet file of these columns."""
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (pl.Series(["text\nof\tlines"]), "text\nof\tlines"),
        (pl.Series([2**63 - 1]), 9223372036854775807),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), 18446744073709551615),
        (pl.Series([0.1], dtype=pl.Float64), 0.1),
        (pl.Series([True]), True),
        (pl.Series([None], dtype=pl.String), None),
        (pl.Series(["1.10"]).cast(pl.Decimal(10, 2)), "1.10"),
        (pl.Series([b"\xff\x00"]), "/wA="),
        (pl.Series([date(2025, 6, 2)]), "2025-06-02"),
        (pl.Series([datetime(2025, 6, 2, 12, 0, 0, 7, UTC)]), "2025-06-02T12:00:00.000007+00:00"),
        (pl.Series([datetime(2025, 6, 2, 12)]), "2025-06-02T12:00:00+00:00"),  # noqa: DTZ001 - that is the case
        (pl.Series([["a", None]]), ["a", None]),
        (pl.Series([{"os": "ios", "version": 3}]), {"os": "ios", "version": 3}),
        (pl.Series([[{"key": b"\xff"}]]), [{"key": "/w=="}]),
        (pl.Series([{"at": datetime(2025, 6, 2, 12)}]), {"at": "2025-06-02T12:00:00+00:00"}),  # noqa: DTZ001 - as above
        (pl.Series([[b"a", b"b"]], dtype=pl.Array(pl.Binary, 2)), ["YQ==", "Yg=="]),
    ],
)
def test_a_parquet_row_is_the_json_of_its_columns(column: pl.Series, value: Any) -> None:
    """What JSON has no form for gets the usual one: bytes base64, timestamps ISO 8601 in UTC."""
    content = decode("a.parquet", parquet(event_uuid=["u1"], field=column))
    assert json.loads(content.data) == {"event_uuid": "u1", "field": value}
    assert content.fault is None


def test_parquet_is_known_by_its_first_bytes_and_may_hold_no_row() -> None:
    """Firehose writes .parquet, others leave it out."""
    rows = decode("part-0", parquet(event_uuid=["u1", "u2"])).data.splitlines()
    assert [json.loads(row)["event_uuid"] for row in rows] == ["u1", "u2"]
    assert decode("part-0", parquet(event_uuid=pl.Series([], dtype=pl.String))).data == b""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_parquet_file_cut_short_has_a_fault_and_no_record(share: float) -> None:
    """Its directory is at the end: nothing can be kept."""
    whole = parquet(event_uuid=[f"u{number}" for number in range(1_000)])
    content = decode("a.parquet", whole[: int(len(whole) * share)])
    assert content.data == b""
    assert (content.fault or "").startswith("parquet: ")


def test_a_damaged_parquet_file_is_a_fault_even_where_the_reader_panics() -> None:
    """Here the first page names an encoding that there is not."""
    damaged = bytearray(parquet(text=["x"] * 3))
    damaged[damaged.index(b",\x15\x06\x15") + 4] = 0x01
    content = decode("a.parquet", bytes(damaged))
    assert content.data == b""
    assert (content.fault or "").startswith("parquet: ")
