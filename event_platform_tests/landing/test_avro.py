"""Avro container files: every value as JSON, damage, and what a hostile one may cost."""

import io
import json
import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import fastavro
import pytest
import zstandard

from event_platform.events.corruption import CorruptionReason
from event_platform.landing.avro_schema import row_schema
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, BrokenError, Limits, Piece
from event_platform_tests.support.world import MONDAY, World, gzipped, noon

MIB = 1 << 20
UNREADABLE, UNSUPPORTED = CorruptionReason.UNREADABLE_OBJECT, CorruptionReason.UNSUPPORTED_FORMAT


def record(**fields: Any) -> dict[str, Any]:
    """Return the schema of rows with these fields."""
    return {"type": "record", "name": "Row", "fields": [{"name": name, "type": kind} for name, kind in fields.items()]}


def stored(schema: Any, rows: Iterable[Any], codec: str = "null", **options: Any) -> bytes:
    """Return a container as fastavro writes it."""
    buffer = io.BytesIO()
    fastavro.writer(buffer, fastavro.parse_schema(schema), rows, codec=codec, **options)
    return buffer.getvalue()


def encoded(schema: Any, value: Any) -> bytes:
    """Return a value without a container."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), value)
    return buffer.getvalue()


def container(schema: Any, blocks: Iterable[tuple[int, bytes]], codec: str = "null") -> bytes:
    """Return a container of blocks that are packed already, each with the number of its rows."""
    header = stored(schema, []).replace(b"\x08null", encoded("string", codec))
    packed = (encoded("long", count) + encoded("bytes", data) + header[-16:] for count, data in blocks)
    return header + b"".join(packed)


def read(raw: bytes, limits: Limits = DEFAULT_LIMITS, name: str = "a.avro") -> list[Piece]:
    """Return the pieces of a container."""
    return list(pieces(name, io.BytesIO(raw), limits))


def rows(pieces: list[Piece]) -> list[Any]:
    """Return the rows that were read."""
    return [json.loads(line) for piece in pieces for line in piece.data.splitlines()]


def logical(kind: str, name: str, **attributes: Any) -> dict[str, Any]:
    """Return a type with a logical type."""
    return {"type": kind, "logicalType": name, **attributes}


NOON = datetime(2025, 6, 2, 12, 0, 0, 7, UTC)
FIXED = {"type": "fixed", "name": "F", "size": 3}
VALUES: list[tuple[Any, Any, Any]] = [
    ("string", "größe\n", "größe\n"),
    ("bytes", b"\xff\x00", "/wA="),
    (FIXED, b"\x00\x01\x02", "AAEC"),
    ("long", 2**63 - 1, 2**63 - 1),
    ("long", -(2**63), -(2**63)),
    ("int", -1, -1),
    ("double", 0.1, 0.1),
    ("float", 0.5, 0.5),
    ("double", math.nan, "NaN"),
    ("float", math.inf, "Infinity"),
    ("double", -math.inf, "-Infinity"),
    (["null", "double"], math.nan, "NaN"),
    ({"type": "array", "items": "double"}, [1.0, math.nan], [1.0, "NaN"]),
    ("boolean", True, True),
    ("null", None, None),
    (["null", "string"], None, None),
    ({"type": "enum", "name": "E", "symbols": ["ios", "web"]}, "web", "web"),
    ({"type": "array", "items": ["null", "string"]}, ["a", None], ["a", None]),
    ({"type": "map", "values": "long"}, {"größe": 1}, {"größe": 1}),
    (record(os="string") | {"name": "Device"}, {"os": "ios"}, {"os": "ios"}),
    (logical("int", "date"), date(2025, 6, 2), "2025-06-02"),
    (logical("long", "timestamp-millis"), datetime(2025, 6, 2, 12, tzinfo=UTC), "2025-06-02T12:00:00+00:00"),
    (logical("long", "timestamp-micros"), NOON, "2025-06-02T12:00:00.000007+00:00"),
    (logical("long", "timestamp-micros"), datetime(1969, 12, 31, tzinfo=UTC), "1969-12-31T00:00:00+00:00"),
    ({"type": "long"} | logical("long", "local-timestamp-micros"), NOON, "2025-06-02T12:00:00.000007+00:00"),
    (["null", logical("long", "timestamp-micros")], NOON, "2025-06-02T12:00:00.000007+00:00"),
    (logical("int", "time-millis"), time(12, 30), "12:30:00"),
    (logical("long", "time-micros"), time(12, 30, 0, 7), "12:30:00.000007"),
    (logical("bytes", "decimal", precision=10, scale=2), Decimal("-1.10"), "-1.10"),
    (logical("bytes", "decimal", precision=38, scale=0), Decimal("9" * 38), "9" * 38),
    (logical("bytes", "decimal", precision=38, scale=30), Decimal("1E-30"), "0." + "0" * 29 + "1"),
    ({**FIXED, "size": 8} | logical("fixed", "decimal", precision=10, scale=2), Decimal("1.10"), "1.10"),
    (logical("string", "uuid"), UUID(int=7), "00000000-0000-0000-0000-000000000007"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), VALUES)
def test_a_row_is_the_json_of_its_fields(kind: Any, value: Any, expected: Any) -> None:
    """As of Parquet: bytes base64, timestamps ISO 8601 in UTC, decimals texts that lose no digit."""
    pieces_read = read(stored(record(event_uuid="string", field=kind), [{"event_uuid": "u1", "field": value}]))
    assert [piece.reason for piece in pieces_read] == [None]
    assert rows(pieces_read) == [{"event_uuid": "u1", "field": expected}]


@pytest.mark.parametrize(
    ("kind", "as_written", "value"),
    [
        (logical("long", "timestamp-millis"), "long", 2**60),
        (logical("long", "timestamp-micros"), "long", -(2**62)),
        (logical("int", "date"), "int", 2**31 - 1),
        (logical("long", "time-micros"), "long", -1),
        (logical("string", "uuid"), "string", "not one"),
        (logical("long", "of-somebody"), "long", 1),
    ],
)
def test_a_value_that_its_logical_type_cannot_have_stays_as_it_is(kind: Any, as_written: str, value: Any) -> None:
    """A time in the wrong unit, such as: one value costs no other row."""
    pieces_read = read(container(record(field=kind), [(2, encoded(as_written, value) * 2)]))
    assert [piece.reason for piece in pieces_read] == [None]
    assert rows(pieces_read) == [{"field": value}] * 2


def test_a_nanosecond_is_kept() -> None:
    """As a text of nine digits."""
    kind = logical("long", "timestamp-nanos")
    pieces_read = read(container(record(field=kind), [(1, encoded("long", 1_000_000_007))]))
    assert rows(pieces_read) == [{"field": "1970-01-01T00:00:01.000000007+00:00"}]


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_every_codec_is_read_and_what_is_before_a_damaged_block_is_kept(codec: str) -> None:
    """Also within gzip; of a file cut short, whatever its blocks are packed with."""
    records = [{"event_uuid": f"u{number}", "text": f"{pow(7, number, 2**99):x}"} for number in range(3_000)]
    schema = record(event_uuid="string", text="string")
    if codec == "zstandard":  # fastavro writes it only beside another library than this project's
        parts = [records[start : start + 100] for start in range(0, 3_000, 100)]
        packed = [zstandard.compress(b"".join(encoded(schema, row) for row in part)) for part in parts]
        raw = container(schema, [(100, each) for each in packed], codec)
    else:
        raw = stored(schema, records, codec, sync_interval=4_000)
    for each in (raw, gzipped(raw)):
        assert rows(read(each, name="part-0")) == records
    cut = read(raw[: len(raw) // 2])
    damaged = bytearray(raw)
    for place in range(8):
        damaged[len(raw) * 2 // 3 + place] ^= 0xFF
    broken = read(bytes(damaged))
    for read_pieces, share in ((cut, 0.4), (broken, 0.5)):
        rows_before = rows(read_pieces)
        # Without a checksum, as of null, damage is other values.
        assert rows_before[: int(3_000 * share)] == records[: int(3_000 * share)]
        assert codec == "null" or len(rows_before) < 2_900
        assert read_pieces[-1].reason is UNREADABLE or codec == "null"
    assert cut[-1].text == "avro: the object ends in the middle of its data"


def test_a_block_that_does_not_end_with_the_marker_of_the_file_is_damage() -> None:
    """None of its rows is read: its length may be wrong."""
    raw = stored(record(n="long"), [{"n": number} for number in range(1_000)], sync_interval=100)
    marker = raw[-16:]
    places = [place for place in range(len(raw)) if raw.startswith(marker, place)]
    broken = raw[: places[3]] + bytes(16) + raw[places[3] + 16 :]
    pieces_read = read(broken)
    assert rows(pieces_read) == [{"n": number} for number in range(len(rows(pieces_read)))]
    assert 0 < len(rows(pieces_read)) < 1_000
    assert pieces_read[-1].text == "avro: a block does not end with the marker of the file"


@pytest.mark.parametrize("raw", [b"Obj\x01", b"Obj\x01\xff\xff\xff", b"Obj\x01" + bytes(40), b"Obj\x01" + b"\xff" * 40])
def test_a_header_that_cannot_be_read_is_one_row(raw: bytes) -> None:
    """Nothing is known of the rows."""
    (piece,) = read(raw)
    assert (piece.data, piece.reason) == (b"", UNREADABLE)
    assert piece.text.startswith("avro: ")


def test_a_codec_that_is_not_read_is_named() -> None:
    """As a format that is not read."""
    (piece,) = read(container(record(n="long"), [(1, b"packed")], "lz4"))
    assert (piece.reason, piece.text.partition(":")[0]) == (UNSUPPORTED, "avro")
    assert "'lz4'" in piece.text


def test_a_text_that_is_not_utf8_is_one_corrupt_record(world: World) -> None:
    """With the bytes as they are; its neighbours are sound."""
    schema = record(event_uuid="string", event_name="string", created_at="long", text="string")
    records = [
        {"event_uuid": f"u{number}", "event_name": "account:created", "created_at": noon(MONDAY), "text": "caf\u00e9"}
        for number in range(3)
    ]
    raw = stored(schema, records)
    place = raw.index("caf\u00e9".encode(), raw.index("caf\u00e9".encode()) + 1)
    world.deliver_bytes(MONDAY, "a.avro", raw[: place + 3] + b"\xff\xfe" + raw[place + 5 :])
    world.load(MONDAY)
    assert world.raw()["corruption_reason"].to_list() == [None, "not_utf8", None]
    assert world.raw()["source_offset"].to_list() == [0, 1, 2]
    assert "caf\\xff\\xfe" in world.raw()["body"][1]


def test_a_row_too_large_for_a_record_is_a_corrupt_one() -> None:
    """As a line of JSON is."""
    pieces_read = read(stored(record(text="string"), [{"text": text} for text in ("a", "x" * 11 * MIB, "b")]))
    assert [piece.reason for piece in pieces_read] == [None, CorruptionReason.RECORD_TOO_LARGE, None]
    assert rows(pieces_read) == [{"text": "a"}, {"text": "b"}]


TREE = record(name="string", children={"type": "array", "items": "Row"})


def chain(depth: int) -> bytes:
    """Return a container of one row, which is nested so deep; fastavro itself cannot write it."""
    return container(TREE, [(1, b"\x02a\x02" * depth + b"\x02a\x00" + b"\x00" * depth)])


def test_rows_may_be_trees_and_one_without_end_is_damage() -> None:
    """The compiled reader of the library would end the process."""
    assert rows(read(chain(50)))[0]["children"][0]["children"][0]["name"] == "a"
    (piece,) = read(chain(200_000))
    assert (piece.data, piece.reason) == (b"", UNREADABLE)
    assert piece.text.startswith("avro: RecursionError")


@pytest.mark.parametrize(
    "schema",
    [
        record(),
        record(a="null"),
        record(a={"type": "array", "items": "null"}),
        record(a={"type": "array", "items": record(b="null") | {"name": "Inner"}}),
    ],
)
def test_values_of_no_bytes_are_refused(schema: Any) -> None:
    """A few bytes could be any number of them."""
    with pytest.raises(BrokenError, match="take no bytes"):
        row_schema(schema)


LIMITS = Limits(object_bytes=20 * MIB, task_bytes=64 * MIB)
LONG_NAME = "n" * 10_000
ITEMS = record(a={"type": "array", "items": record(**{LONG_NAME: "int", "b": ["null", "int"]}) | {"name": "Inner"}})


def _long_text(codec: str) -> bytes:
    return stored(record(text="string"), [{"text": "x" * 18 * MIB}], codec)


#: Files that take gigabytes when they are read, made when they are needed, and what is said of them.
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    **{
        codec: (
            partial(_long_text, codec),
            "unpacks to more than 16,777,216 bytes",
        )
        for codec in ("deflate", "bzip2", "xz")
    },
    "snappy": (partial(_long_text, "snappy"), "more than the 16,777,216 that"),
    "null": (partial(_long_text, "null"), "up to 16,777,216 are read"),
    "a row of items": (
        lambda: stored(ITEMS, [{"a": [{LONG_NAME: 1, "b": None}] * 20_000}], "deflate"),
        "a row may take more memory",
    ),
    "long names": (
        lambda: stored(record(**{LONG_NAME: "int"}), [{LONG_NAME: 1}] * 20_000, "deflate"),
        "of JSON, the limit for an object",
    ),
}


@pytest.mark.parametrize(("make", "text"), BOMBS.values(), ids=BOMBS)
def test_a_few_kilobytes_that_are_gigabytes_are_read_up_to_the_limit(make: Callable[[], bytes], text: str) -> None:
    """A block, a row of objects with long names, and many rows of them."""
    *first_pieces, last = read(make(), LIMITS)
    assert {piece.reason for piece in first_pieces} <= {None}
    assert last.reason is UNREADABLE
    assert text in last.text
    assert sum(len(piece.data) for piece in first_pieces) <= LIMITS.object_bytes
    assert max((len(piece.data) for piece in first_pieces), default=0) < 5 * MIB


def test_a_large_block_of_small_rows_is_read_a_part_at_a_time() -> None:
    """Each row is small enough; where the parts end changes nothing."""
    records = [{"a": [{"k": f"{number}", "v": "x" * (number % 50)}] * 3} for number in range(2_000)]
    schema = record(a={"type": "array", "items": record(k="string", v="string") | {"name": "Inner"}})
    raw = stored(schema, records, sync_interval=1 << 20)
    for task_bytes in (4 * len(raw), 20 * len(raw), 1 << 30):
        assert rows(read(raw, Limits(task_bytes=task_bytes))) == records
    assert row_schema(schema).memory_per_byte > 4 * 20  # so that there were parts


def test_the_library_has_the_reader_that_survives_deep_rows() -> None:
    """It is a private name: where it goes, this fails before a process does."""
    from fastavro._read_py import schemaless_reader  # noqa: PLC0415

    assert schemaless_reader(io.BytesIO(b"\x02a\x00"), fastavro.parse_schema(TREE), None) == {
        "name": "a",
        "children": [],
    }
