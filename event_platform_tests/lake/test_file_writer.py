"""Files are read back with the same rows, whatever their source."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from polars.series.struct import StructNameSpace
from pyarrow import compute, parquet

from event_platform.lake import file_writer
from event_platform.lake.file_writer import FileWriter, sort_by_name, write_file
from event_platform.lake.schemas import to_delta
from event_platform.lake.specs import TableSpec
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage
from event_platform_tests.support.counting import count_calls
from event_platform_tests.support.world import MONDAY

TEXTS = [None, "", "short", "a text that is longer than twelve bytes", "\U0001f600" * 40]


def table(root: Path, partition_column: str | None = None) -> Table:
    """Return a table of which nothing is defined but its partitions."""
    return Table(TableSpec("t", partition_column=partition_column), Storage(str(root)))


def made_of(kind: str, number: int) -> Any:
    """Return a value of a kind; of each there are nulls, repeated ones and others."""
    text = TEXTS[number % 5] if number % 2 else f"one of its own, number {number}"
    return {
        "text": text,
        "texts": None if number % 7 == 0 else [text, None, "x"][: number % 4],
        "object": None if number % 7 == 0 else {"os": text, "version": number},
        "objects": None if number % 7 == 0 else [{"id": number, "name": text}] * (number % 3),
        "deep": {"a": {"b": [{"c": text}]}},
    }[kind]


@pytest.mark.parametrize("kind", ["text", "texts", "object", "objects", "deep"])
def test_texts_wherever_they_are_come_back(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several row groups, of several frames, some of which are parts of larger ones or sorted anew."""
    monkeypatch.setattr(file_writer, "_ROWS_PER_GROUP", 64)
    frame = pl.DataFrame({"number": range(1_000), "value": [made_of(kind, number) for number in range(1_000)]})
    parts = [frame.slice(300, 500), frame.sort("number", descending=True).head(200), frame.head(100)]
    file = FileWriter(table(tmp_path, "created_date"), MONDAY)
    for part in parts:
        file.write(part)
    path = tmp_path / "t" / file.close().path
    assert pl.read_parquet(path, hive_partitioning=False).equals(pl.concat(parts))


MAPS = {
    "plain": (pl.Map(pl.String, pl.Int64), {"a": 1, "": None}),
    "objects": (pl.Map(pl.String, pl.Struct({"os": pl.String, "on": pl.Date})), {"x": {"os": "ios", "on": MONDAY}}),
    "lists": (pl.Map(pl.String, pl.List(pl.Decimal(38, 2))), {"x": [Decimal("1.50"), None], "y": None}),
    "maps": (pl.Map(pl.String, pl.Map(pl.String, pl.String)), {"x": {"y": "z"}, "": {}}),
    "listed": (pl.List(pl.Map(pl.String, pl.Boolean)), [{"a": True}, None, {}]),
    "in_object": (pl.Struct({"m": pl.Map(pl.String, pl.Float64), "n": pl.Int64}), {"m": {"a": 0.5}, "n": 1}),
}


def test_maps_come_back_for_every_reader(tmp_path: Path) -> None:
    """Of anything, and in anything: with nulls and without keys, from the table and from its file."""
    columns = {name: pl.Series(name, [value, None], dtype=dtype) for name, (dtype, value) in MAPS.items()}
    frame = pl.DataFrame({**columns, "created_date": [MONDAY] * 2, "n": [1, 2]})
    schema = to_delta(frame.schema, {})
    delta = DeltaTable.create(f"{tmp_path}/t", schema, partition_by=["created_date"])
    add = write_file(frame, table(tmp_path, "created_date"), MONDAY)
    delta.create_write_transaction([add], "append", schema, ["created_date"])
    stored = DeltaTable(f"{tmp_path}/t")
    assert pl.Schema(stored.schema()) == frame.schema
    assert pl.scan_delta(f"{tmp_path}/t").collect().equals(frame)
    assert pl.DataFrame(pl.from_arrow(stored.to_pyarrow_table())).equals(frame)
    assert stored.to_pyarrow_dataset().to_table(filter=compute.field("n") == 2).num_rows == 1
    files = stored.file_uris()
    assert duckdb.sql(
        "select plain['a'], objects['x'].os, maps['x']['y'] from read_parquet($files)", params={"files": files}
    ).fetchall() == [(1, "ios", "z"), (None, None, None)]


def test_keys_that_repeat_are_read_through_a_dictionary(tmp_path: Path) -> None:
    """As texts are elsewhere."""
    maps = [{"os": number, f"key_{number}": 1} for number in range(4)] * 25
    frame = pl.DataFrame({"m": pl.Series(maps, dtype=pl.Map(pl.String, pl.Int64))})
    group = parquet.ParquetFile(tmp_path / "t" / write_file(frame, table(tmp_path)).path).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    encoded = {column.path_in_schema for column in columns if "RLE_DICTIONARY" in column.encodings}
    assert encoded == {"m.key_value.key", "m.key_value.value"}


def test_decimals_come_back_digit_by_digit_and_are_found_by_their_value(tmp_path: Path) -> None:
    """Their bounds are in the log as they are: with none, deltalake has Arrow find nothing."""
    texts = ["1.50", None, "-123456789012345678901234567890123456.78", "999999999999999999999999999999999999.99"]
    values = [None if text is None else Decimal(text) for text in texts]
    columns = {"d": pl.Series(values, dtype=pl.Decimal(38, 2)), "o": [{"d": value} for value in values]}
    frame = pl.DataFrame(
        {**columns, "created_date": [MONDAY] * 4}, schema_overrides={"o": pl.Struct({"d": pl.Decimal(38, 2)})}
    )
    schema = to_delta(frame.schema, {})
    delta = DeltaTable.create(f"{tmp_path}/t", schema, partition_by=["created_date"])
    add = write_file(frame, table(tmp_path, "created_date"), MONDAY)
    delta.create_write_transaction([add], "append", schema, ["created_date"])
    assert pl.scan_delta(f"{tmp_path}/t").collect().equals(frame)
    dataset = DeltaTable(f"{tmp_path}/t").to_pyarrow_dataset()
    for value in filter(None, values):
        assert dataset.to_table(filter=compute.field("d") == value).num_rows == 1
        assert pl.scan_delta(f"{tmp_path}/t").filter(pl.col("d") == value).collect().height == 1


def test_the_fields_of_an_object_are_written_for_a_price_that_is_linear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects are taken apart once; a field that is asked for by itself is a query over all of them."""
    taken_apart: list[int] = []
    unnest = StructNameSpace.unnest

    def noted(namespace: StructNameSpace) -> pl.DataFrame:
        taken_apart.append(1)
        return unnest(namespace)

    monkeypatch.setattr(StructNameSpace, "field", lambda *_: pytest.fail("a query over the whole object"))
    monkeypatch.setattr(StructNameSpace, "unnest", noted)

    def calls(fields: int) -> int:
        row = {"o": {f"f{number}": {"x": number} if number < 2 else number for number in range(fields)}}
        frame = pl.DataFrame([row])
        return count_calls(lambda: write_file(frame, table(tmp_path)))

    few, many = calls(500), calls(1_000)
    assert len(taken_apart) == 2 * 3
    assert many < 2.2 * few


def test_records_are_put_in_the_order_of_their_names() -> None:
    """In byte order, in which readers compare texts; records of one name keep their order."""
    names = ["b", "é", "a", "B", "b", "a:b", "a", "\U0001f600", "b"]
    ordered = sort_by_name(pl.DataFrame({"event_name": names, "place": range(len(names))}))
    assert ordered["event_name"].to_list() == sorted(names, key=str.encode)
    assert ordered.filter(pl.col("event_name") == "b")["place"].to_list() == [0, 4, 8]
    assert sort_by_name(ordered.clear()).is_empty()
