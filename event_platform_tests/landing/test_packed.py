"""bzip2, Snappy and zip, whole, damaged and as bombs; and formats that are told and not read."""

import bz2
import io
import json
import lzma
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, orc

from event_platform.events.corruption import CorruptionReason
from event_platform.landing.formats import FORMATS, ZIP, Format, format_of
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, Limits, Piece
from event_platform.pipeline.sizing import DEFAULT_SIZING
from event_platform_tests.support.packed import framed_snappy, hadoop_snappy, zipped
from event_platform_tests.support.world import MONDAY, World, event, gzipped

MIB = 1 << 20
MANY = [b'{"number":%d,"text":"\xc3\xa9%x"}' % (number, pow(7, number, 2**160)) for number in range(30_000)]
RECORDS = b"".join(record + b"\n" for record in MANY[:2_000])
UNREADABLE, UNSUPPORTED = CorruptionReason.UNREADABLE_OBJECT, CorruptionReason.UNSUPPORTED_FORMAT

Pack = Callable[[bytes], bytes]

PACKS: dict[str, Pack] = {
    "bzip2": bz2.compress,
    "snappy": framed_snappy,
    "hadoop snappy": hadoop_snappy,
    "zip": lambda data: zipped({"a.json": data}),
    "zip without compression": lambda data: zipped({"a.json": data}, zipfile.ZIP_STORED),
    "zip of bzip2": lambda data: zipped({"a.json": data}, zipfile.ZIP_BZIP2),
    "zip of lzma": lambda data: zipped({"a.json": data}, zipfile.ZIP_LZMA),
}


def read(raw: bytes, limits: Limits = DEFAULT_LIMITS, name: str = "a") -> list[Piece]:
    """Return the pieces of an object."""
    return list(pieces(name, io.BytesIO(raw), limits))


def lines(pieces: list[Piece]) -> list[bytes]:
    """Return the records of pieces."""
    return [line for piece in pieces for line in piece.data.splitlines()]


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
@pytest.mark.parametrize("name", ["a", "a.gz", "a.bz2", "a.snappy", "a.zip", "a.json"])
def test_the_bytes_tell_the_format_whatever_the_name_says(pack: Pack, name: str) -> None:
    """Also within gzip, and around it."""
    for raw in (pack(RECORDS), gzipped(pack(RECORDS)), pack(gzipped(RECORDS))):
        pieces_read = read(raw, name=name)
        assert [piece.reason for piece in pieces_read] == [None]
        assert lines(pieces_read) == RECORDS.splitlines()


@pytest.mark.parametrize("name", ["a.bz2", "a.snappy", "a.sz", "a.zip", "a.avro"])
def test_text_is_text_whatever_its_name_promises(name: str) -> None:
    """And what is neither is one row."""
    assert lines(read(RECORDS, name=name)) == RECORDS.splitlines()
    (piece,) = read(b"\x01\x02" + RECORDS, name=name)
    assert piece.reason is UNREADABLE
    assert "as its name says, nor text" in piece.text


def test_streams_of_bzip2_and_snappy_follow_one_another() -> None:
    """As `cat` puts them together; a Snappy stream may have padding."""
    first, second = RECORDS[:10_000], RECORDS[10_000:]
    padding = b"\xfe\x03\x00\x00abc"
    for raw in (
        bz2.compress(first) + bz2.compress(b"") + bz2.compress(second),
        framed_snappy(first) + padding + framed_snappy(second),
        hadoop_snappy(first) + bytes(4) + hadoop_snappy(second),
    ):
        pieces_read = read(raw)
        assert [piece.reason for piece in pieces_read] == [None]
        assert lines(pieces_read) == RECORDS.splitlines()


@pytest.mark.parametrize("pack", [PACKS[name] for name in ("bzip2", "snappy", "hadoop snappy")])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_the_records_before_a_cut_are_kept(pack: Pack, share: float) -> None:
    """As many as the format lets: a block of bzip2 has 900 kB."""
    raw = pack(b"\n".join(MANY))
    pieces_read = read(raw[: int(len(raw) * share)])
    assert pieces_read[-1].reason is UNREADABLE
    assert pieces_read[-1].text.endswith("the object ends in the middle of its data")
    records = lines(pieces_read)
    assert records == MANY[: len(records)]
    assert len(records) > 30_000 * share - 15_000


@pytest.mark.parametrize("pack", [PACKS[name] for name in ("bzip2", "snappy", "zip")])
@pytest.mark.parametrize("place", [0.4, 0.8])
def test_a_damaged_byte_loses_what_is_behind_it_and_nothing_before(pack: Pack, place: float) -> None:
    """A row says so. Where only the whole is checked, as in a zip, what is behind the damage may be other records."""
    raw = bytearray(pack(b"\n".join(MANY)))
    for offset in range(8):
        raw[int(len(raw) * place) + offset] ^= 0xFF
    pieces_read = read(bytes(raw))
    before = lines(pieces_read)[: int(30_000 * place * 0.9)]
    assert before == MANY[: len(before)]
    assert len(before) > 30_000 * place * 0.9 - 15_000
    assert pieces_read[-1].reason is UNREADABLE


def test_a_chunk_of_snappy_whose_checksum_is_another_one_is_damage() -> None:
    """Each chunk has one."""
    raw = bytearray(framed_snappy(RECORDS))
    raw[14] ^= 1  # of the checksum
    (piece,) = read(bytes(raw))
    assert (piece.data, piece.reason) == (b"", UNREADABLE)
    assert piece.text.startswith("snappy: ")


def test_every_member_of_a_zip_is_read_and_hidden_ones_are_not() -> None:
    """In the order of its directory, each in its own format; without a last newline as well."""
    raw = zipped(
        {
            "logs/": b"",
            "logs/b.json": b'{"n":1}\n{"n":2}',
            "a.gz": gzipped(b'{"n":3}'),
            "__MACOSX/logs/._b.json": b"\x00\x05\x16\x07",
            ".DS_Store": b"\x00\x00\x00\x01Bud1",
            "empty": b"",
            "c.snappy": framed_snappy(b'{"n":4}'),
        }
    )
    pieces_read = read(raw)
    assert [json.loads(line)["n"] for line in lines(pieces_read)] == [1, 2, 3, 4]
    assert {piece.reason for piece in pieces_read} == {None}


def test_a_member_of_a_zip_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """Encrypted, damaged or of a format that is not read: a row each."""
    (tmp_path / "secret").write_bytes(RECORDS)
    subprocess.run(["zip", "-q", "-j", "-P", "word", tmp_path / "a.zip", tmp_path / "secret"], check=True)
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("utf-16", '{"n":0}'.encode("utf-16"))
        archive.writestr("damaged", b'{"n":1}\n')
        archive.writestr("within.zip", zipped({"a": RECORDS}))
        archive.writestr("sound", b'{"n":2}\n')
    raw = (tmp_path / "a.zip").read_bytes().replace(b'{"n":1}\n', b'{"n":7}\n')
    pieces_read = read(raw)
    assert [(piece.reason, piece.text.partition(": ")[2]) for piece in pieces_read if piece.reason] == [
        (UNSUPPORTED, "its member 'secret' is encrypted: land it unencrypted"),
        (UNSUPPORTED, "its member 'utf-16': UTF-16: it is not supported: write it as UTF-8"),
        (UNREADABLE, "its member 'damaged': BadZipFile: Bad CRC-32 for file 'damaged'"),
        (UNSUPPORTED, "its member 'within.zip': zip: it is not supported: compress with GZIP, and land it again"),
    ]
    assert lines(pieces_read)[-1] == b'{"n":2}'


def _workbook() -> bytes:
    return zipped({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return buffer.getvalue()


def _orc() -> bytes:
    buffer = io.BytesIO()
    orc.write_table(pa.table({"event_uuid": ["u1"]}), buffer)
    return buffer.getvalue()


def _feather() -> bytes:
    buffer = io.BytesIO()
    feather.write_feather(pa.table({"event_uuid": ["u1"]}), buffer)
    return buffer.getvalue()


TEXT = '{"event_uuid":"u1","text":"größe"}\n'
NOT_READ = {
    "ORC": _orc(),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 of the other order": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "UTF-16 of the other order without a mark": TEXT.encode("utf-16-be"),
    "UTF-32": TEXT.encode("utf-32"),
    "UTF-32 without a mark": TEXT.encode("utf-32-be"),
    "xz": lzma.compress(RECORDS),
    "7z": b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24),
    "LZ4": pa.Codec("lz4").compress(RECORDS).to_pybytes(),
    "tar": _tar(),
    "Arrow": _feather(),
    "Excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
    "Excel, Word or PowerPoint": _workbook(),
    "encrypted parquet": b"PARE\xff\x00",
    "Hadoop SequenceFile": b"SEQ\x06\x19org.apache.hadoop.io.Text",
}


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in NOT_READ.items()])
@pytest.mark.parametrize("name", ["a", "a.gz", "a.parquet", "a.json"])
def test_a_format_that_is_not_read_is_one_row_that_names_it(
    raw: bytes, name: str, request: pytest.FixtureRequest
) -> None:
    """Not lines of noise, whatever the object is called; packed in another format as well."""
    expected = request.node.callspec.id.rpartition(f"{name}-")[2].partition(" of the")[0].partition(" without")[0]
    for each in (raw, gzipped(raw)):
        (piece,) = read(each, name=name)
        assert (piece.data, piece.reason) == (b"", UNSUPPORTED)
        assert piece.text.startswith(f"{expected}: ")


def test_the_row_of_a_format_that_is_not_read_is_in_corrupt_events(world: World) -> None:
    """With the name of the format as its body; the other objects of the day are loaded."""
    world.deliver(MONDAY, "a", event("u1"))
    world.deliver_bytes(MONDAY, "b", NOT_READ["UTF-16"])
    world.load(MONDAY)
    corrupt = pl.scan_delta(world.lake.corrupt_events.uri).collect()
    assert corrupt.select("corruption_reason", "body").rows() == [
        ("unsupported_format", "UTF-16: it is not supported: write it as UTF-8")
    ]
    assert world.raw().height == 2


def test_text_is_never_taken_for_another_format() -> None:
    """Whatever readable text a record, even a damaged one, begins with, including blanks."""
    beginnings = [
        *(bytes([byte]) for byte in (*range(9, 14), *range(32, 127))),
        b"\xef\xbb\xbf{",
        b"\x1e{",
        "购".encode(),
    ]
    for begin in beginnings:
        assert format_of(begin + RECORDS[:300]) is FORMATS[-1]
        assert format_of(begin) is FORMATS[-1]


BOMBS: dict[str, Pack] = {
    "bzip2": bz2.compress,
    "snappy": framed_snappy,
    "hadoop snappy": lambda data: hadoop_snappy(data, 256 << 10, 256 << 10),
    "zip": PACKS["zip"],
    "members of a zip": lambda data: zipped({f"{number}": data[: 8 * MIB] for number in range(3)}),
}


@pytest.mark.parametrize("pack", BOMBS.values(), ids=BOMBS)
def test_no_more_of_an_object_is_unpacked_than_may_be(pack: Pack) -> None:
    """What is behind the limit is a row."""
    lines_of_a_mebibyte = (b'{"n":1}' + b" " * 1017 + b"\n") * 1024
    raw = pack(lines_of_a_mebibyte[:MIB] * 20)
    pieces_read = read(raw, Limits(object_bytes=12 * MIB, task_bytes=16 * MIB))
    assert len(raw) < 3 * MIB
    assert pieces_read[-1].reason is UNREADABLE
    assert "object_limit_bytes" in pieces_read[-1].text
    assert 11 * MIB < sum(len(piece.data) for piece in pieces_read) <= 12 * MIB
    assert max(len(piece.data) for piece in pieces_read) < 2 * MIB + 1


def test_a_block_that_announces_gigabytes_is_not_read() -> None:
    """Neither Hadoop's nor a chunk of it."""
    raw = hadoop_snappy(RECORDS, len(RECORDS), len(RECORDS))
    huge = raw + (1 << 31).to_bytes(4, "big") + b"rest"
    pieces_read = read(huge)
    assert lines(pieces_read) == RECORDS.splitlines()
    assert (
        pieces_read[-1].text
        == "snappy: a block has 2,147,483,648 bytes, more than the 67,108,864 that are read at once"
    )
    longer = raw + (100).to_bytes(4, "big") + raw[4:]
    assert "more than the 100 that are announced" in read(longer)[-1].text


def test_a_zip_of_more_members_than_are_read_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry of its directory takes memory before anything is read."""
    monkeypatch.setattr("event_platform.landing.archives._MOST_ENTRIES", 3)
    (piece,) = read(zipped({f"{number}": b"{}" for number in range(4)}))
    assert (piece.reason, piece.text) == (UNREADABLE, "zip: it has more than 3 members, the most that are read")


def test_libraries_are_imported_where_such_an_object_is_read() -> None:
    """Not at each start."""
    program = (
        "import sys\nimport event_platform.landing.objects, event_platform.pipeline.loading.step\n"
        "print({'cramjam', 'fastavro'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_format_says_what_is_read_of_it_and_is_told_before_text(form: Format) -> None:
    """In the words of the documentation; unsupported formats have a remedy."""
    is_read = form.unpack or form.rows or form in {ZIP, FORMATS[-1]}
    assert bool(form.reads) == bool(form.damage_result) == bool(is_read)
    assert form.signature
    assert is_read or form.remedy


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_large_object_is_read_range_by_range(tmp_path: Path, pack: Pack) -> None:
    """As one of any other format; its records are the same."""
    records = b"".join(json.dumps(event(f"u{number}")).encode() + b"\n" for number in range(300))
    world = World(tmp_path, sizing=replace(DEFAULT_SIZING, large_object_bytes=100, range_bytes=64))
    world.deliver_bytes(MONDAY, "a", pack(records))
    world.load(MONDAY)
    assert sorted(world.raw()["event_uuid"]) == sorted(f"u{number}" for number in range(300))
    assert world.raw()["corruption_reason"].null_count() == 300


def test_a_zip_of_a_later_version_is_one_row() -> None:
    """The library refuses its directory; no run fails for it."""
    raw = bytearray(zipped({"a": RECORDS}))
    raw[raw.index(b"PK\x01\x02") + 6] = 200
    (piece,) = read(bytes(raw))
    assert (piece.reason, piece.text) == (UNREADABLE, "zip: zip file version 20.0")
