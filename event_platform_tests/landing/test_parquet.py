"""Rows of Parquet: bounded memory for any content, and nothing lost."""

import io
import json
from datetime import datetime
from decimal import Decimal
from math import inf, nan
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from event_platform.events.corruption import MAX_RECORD_BYTES, CorruptionReason
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, Limits, Piece
from event_platform_tests.support.world import MONDAY, World, gzipped, noon

MIB = 1 << 20
UNREADABLE = CorruptionReason.UNREADABLE_OBJECT


def stored(columns: Any, **options: Any) -> bytes:
    """Return a Parquet file as pyarrow writes it."""
    buffer = io.BytesIO()
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    parquet.write_table(table, buffer, compression="zstd", dictionary_pagesize_limit=1 << 30, **options)
    return buffer.getvalue()


def read(raw: bytes, limits: Limits = DEFAULT_LIMITS, name: str = "a.parquet") -> list[Piece]:
    """Return the pieces of a Parquet file."""
    return list(pieces(name, io.BytesIO(raw), limits))


def rows(pieces: list[Piece]) -> list[Any]:
    """Return the rows that were read."""
    return [json.loads(line) for piece in pieces for line in piece.data.splitlines()]


TEXT = "x" * MIB
REPEATED = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), [TEXT])
OFFSETS = pa.array(range(301), pa.int32())
BOMBS = {
    "texts": stored({"n": range(300), "a": REPEATED}, store_schema=False),
    "categories": stored({"n": range(300), "a": REPEATED}),
    "in lists": stored({"n": range(300), "a": pa.ListArray.from_arrays(OFFSETS, REPEATED)}, store_schema=False),
    "in objects": stored({"n": range(300), "a": pa.StructArray.from_arrays([REPEATED], ["b"])}, store_schema=False),
    "bytes": stored({"n": range(300), "a": REPEATED.cast(pa.binary())}, store_schema=False),
    "of fixed length": stored({"n": range(300), "a": pa.array([b"x" * MIB] * 300, pa.binary(MIB))}),
    "with the same beginning": stored(
        {"n": range(300), "a": REPEATED.cast(pa.string())},
        use_dictionary=False,
        column_encoding={"a": "DELTA_BYTE_ARRAY"},
        store_schema=False,
    ),
    "names": stored({"n": range(300), "a" * MIB: pa.nulls(300)}),
}


@pytest.mark.parametrize("raw", BOMBS.values(), ids=BOMBS)
def test_a_few_kilobytes_that_are_gigabytes_of_text_are_read_up_to_the_limit(raw: bytes) -> None:
    """A few rows at a time; the last row says why there are no more."""
    pieces_read = read(raw, Limits(object_bytes=20 * MIB, task_bytes=64 * MIB))
    assert len(raw) < 5 * MIB
    *first_pieces, last_piece = pieces_read
    assert {piece.reason for piece in first_pieces} == {None}
    assert last_piece.reason is UNREADABLE
    assert last_piece.text.startswith("parquet: its rows are more than 20,971,520 bytes of JSON")
    assert "object_limit_bytes" in last_piece.text
    assert max(len(piece.data) for piece in pieces_read) <= 5 * MIB
    numbers = [row["n"] for row in rows(pieces_read)]
    assert 10 < len(numbers) < 20
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("groups", [1, 4])
def test_a_file_of_more_rows_than_an_object_may_have_is_one_unreadable_object(groups: int) -> None:
    """None of them is read: rows of nulls take no bytes in a file, and each is a record that has to be kept."""
    most = 20 * MIB // 64
    raw = stored({"a": pa.nulls(most + 1, pa.int32())}, row_group_size=most // groups + 1)
    assert len(raw) < 20_000
    (piece,) = read(raw, Limits(object_bytes=20 * MIB))
    assert (piece.data, piece.reason) == (b"", UNREADABLE)
    assert piece.text.startswith("parquet: it has 327,681 rows, more than the 327,680 that an object may have")
    assert "object_limit_bytes" in piece.text
    assert DEFAULT_LIMITS.object_rows == 33_554_432


def test_a_file_of_as_many_rows_as_an_object_may_have_is_read() -> None:
    """Each of them is a record."""
    pieces_read = read(stored({"a": pa.nulls(1_000, pa.int32())}), Limits(object_bytes=64_000))
    assert [piece.reason for piece in pieces_read] == [None]
    assert rows(pieces_read) == [{"a": None}] * 1_000


def test_how_rows_are_cut_changes_nothing() -> None:
    """Row groups together and in parts, down to a row at a time."""
    table = pa.table({"n": range(1_000), "a": [f"text {number}" for number in range(1_000)]})
    for size in (1, 7, 300, 1_000):
        raw = stored(table, row_group_size=size)
        for task_bytes in (1 << 30, len(raw) + 50_000):
            pieces_read = read(raw, Limits(task_bytes=task_bytes))
            assert [piece.reason for piece in pieces_read if piece.reason] == []
            assert [(row["n"], row["a"]) for row in rows(pieces_read)] == [(n, f"text {n}") for n in range(1_000)]


def test_a_row_group_that_is_more_than_a_task_may_hold_is_told_and_those_before_it_are_read() -> None:
    """As much is known of it before it is read."""
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, pa.schema({"a": pa.string()}), compression="zstd", use_dictionary=False) as file:
        file.write_table(pa.table({"a": ["small"]}))
        file.write_table(pa.table({"a": ["x" * 30 * MIB]}))
    pieces_read = read(buffer.getvalue(), Limits(task_bytes=20 * MIB))
    assert rows(pieces_read) == [{"a": "small"}]
    assert pieces_read[-1].reason is UNREADABLE
    assert pieces_read[-1].text.startswith("parquet: row group 1 takes ")
    assert "task_limit_bytes" in pieces_read[-1].text


def test_a_file_that_is_more_than_a_task_may_hold_is_told() -> None:
    """Its directory is at its end: it is held as a whole."""
    (piece,) = read(stored({"a": [TEXT]}, use_dictionary=False)[:200] + bytes(MIB), Limits(task_bytes=MIB))
    assert (piece.data, piece.reason) == (b"", UNREADABLE)
    assert piece.text.startswith("parquet: it has more than 1,048,576 bytes")


def test_lists_that_are_billions_of_values_are_not_read() -> None:
    """A row of nulls takes nothing in a file."""
    pieces_read = read(stored({"a": pa.array([[None] * MIB], pa.list_(pa.int64()))}), Limits(task_bytes=10 * MIB))
    assert pieces_read[-1].text.startswith("parquet: row group 0 takes ")


def test_a_row_that_is_too_large_costs_those_around_it_nothing() -> None:
    """Its beginning is kept; if it exceeds a piece, the beginning of its other columns."""
    sizes = [1, 2 * MAX_RECORD_BYTES, 1, MAX_RECORD_BYTES + MIB, 1]
    pieces_read = read(stored({"n": range(5), "a": ["x" * size for size in sizes]}), Limits(task_bytes=16 * 15 * MIB))
    assert [row["n"] for row in rows(pieces_read)] == [0, 2, 4]
    large = [piece for piece in pieces_read if piece.reason]
    assert [piece.reason for piece in large] == [CorruptionReason.RECORD_TOO_LARGE] * 2
    assert large[0].text == '{"n":1}'
    assert (large[1].text[:13], len(large[1].text)) == ('{"n":3,"a":"x', 4096)
    assert [piece.reason is None for piece in pieces_read] == [True, False, True, False, True]


def test_a_parquet_file_in_gzip_is_one() -> None:
    """Whatever its name says."""
    assert rows(read(gzipped(stored({"n": [1, 2]})), name="a.parquet.gz")) == [{"n": 1}, {"n": 2}]


NUMBERS = [1.5, nan, inf, -inf, None]
TEXTS = [1.5, "NaN", "Infinity", "-Infinity", None]


@pytest.mark.parametrize("kind", [pl.Float64, pl.Float32])
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pl.Series(NUMBERS), TEXTS),
        (pl.Series([{"a": {"b": number}} for number in NUMBERS]), [{"a": {"b": text}} for text in TEXTS]),
        (pl.Series([NUMBERS]), [TEXTS]),
        (pl.Series([[{"a": [number]} for number in NUMBERS], []]), [[{"a": [text]} for text in TEXTS], []]),
        (pl.Series([NUMBERS], dtype=pl.Array(pl.Float64, 5)), [TEXTS]),
    ],
)
def test_numbers_that_json_lacks_are_texts_at_any_depth(kind: Any, column: pl.Series, expected: list[Any]) -> None:
    """The others stay numbers, and a text or a null what it is."""
    dtype = str(column.dtype)
    assert "Float64" in dtype
    texts = pl.Series(["NaN", None, "inf", "x", "-inf"][: len(column)])
    frame = pl.DataFrame({"beside": texts, "column": column}).with_columns(
        pl.col("column").cast(narrowed(column.dtype, kind))
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    records = rows(read(buffer.getvalue()))
    assert [row["column"] for row in records] == expected
    assert [row["beside"] for row in records] == texts.to_list()


def narrowed(dtype: Any, kind: Any) -> Any:
    """Return a type with another one for its fractional numbers."""
    if isinstance(dtype, pl.List):
        return pl.List(narrowed(dtype.inner, kind))
    if isinstance(dtype, pl.Array):
        return pl.Array(narrowed(dtype.inner, kind), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: narrowed(field.dtype, kind) for field in dtype.fields})
    return kind if dtype == pl.Float64 else dtype


VALUES = [Decimal("1.10"), b"\xff", datetime(2025, 6, 2, 12), "text", 2**63 - 1, 0.1]  # noqa: DTZ001 - that is the case
FORMS = ["1.10", "/w==", "2025-06-02T12:00:00+00:00", "text", 2**63 - 1, 0.1]


@pytest.mark.parametrize("column_beside", [0.5, nan])
@pytest.mark.parametrize(("value", "form"), zip(VALUES, FORMS, strict=True))
def test_what_json_has_no_form_for_keeps_the_usual_one_at_any_depth(
    value: Any, form: Any, column_beside: float
) -> None:
    """Also in a row with a number that is none."""
    kind = pa.scalar(value).type
    deep = pa.array(
        [{"in": [{"k": [value], "map": [("key", value)]}]}],
        pa.struct({"in": pa.list_(pa.struct({"k": pa.list_(kind), "map": pa.map_(pa.string(), kind)}))}),
    )
    (row,) = rows(read(stored({"value": pa.array([value], kind), "deep": deep, "beside": [column_beside]})))
    assert row["value"] == form
    assert row["deep"] == {"in": [{"k": [form], "map": {"key": form}}]}
    assert row["beside"] == (0.5 if column_beside == 0.5 else "NaN")


def test_a_number_that_is_none_is_rescued_as_its_text(world: World) -> None:
    """No column of numbers takes it, and nothing is lost in silence."""
    frame = pl.DataFrame(
        {
            "event_uuid": ["u1", "u2", "u3"],
            "event_name": ["lesson:started"] * 3,
            "created_at": [noon(MONDAY)] * 3,
            "user": ["usr_1"] * 3,
            "score": [1.5, nan, -inf],
        }
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    world.deliver_bytes(MONDAY, "a.parquet", buffer.getvalue())
    world.build(MONDAY)
    typed = world.events("lesson_started")
    assert typed["score"].to_list() == [1.5, None, None]
    assert typed["_rescued"].to_list() == [None, '{"score":"NaN"}', '{"score":"-Infinity"}']
