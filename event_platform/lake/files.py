"""Parquet files of a table as its log lists them: scanning, grouping, adding and removing them."""

import io
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from event_platform.lake.location import TableLocation
from event_platform.storage.storage import Storage

#: Structs gain fields as the catalog grows; older files lack them.
_GROWN_OBJECTS = pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore")


@dataclass(frozen=True)
class DataFile:
    """A file of a table, with its statistics in the log."""

    uri: str
    path: str  # below the table
    partition: date
    rows: int
    size: int  # bytes
    modified: int  # Unix milliseconds
    minimum: Mapping[str, Any]
    maximum: Mapping[str, Any]
    nulls: Mapping[str, int]  # by column; those without statistics are missing


def scan_files(table: TableLocation, files: Sequence[DataFile], schema: pl.Schema | None = None) -> pl.LazyFrame:
    """Scan exactly these files of a partitioned table; columns missing from an older file are null.

    The columns are those of `schema` (default: the table's definition). A filter on the partition column skips the
    files of other partitions without opening them.
    """
    schema, partition_column, storage = schema or table.schema, str(table.partition_column), table.storage
    if not files:
        return pl.LazyFrame(schema=schema)
    if all(_has_hive_partition(file, partition_column) for file in files):
        uris = [file.uri for file in files]
        return _scan(uris, schema, partition_column, storage, hive=True).select(schema.names())
    by_partition: dict[date, list[str]] = {}
    for file in files:
        by_partition.setdefault(file.partition, []).append(file.uri)
    scans = [
        _scan(uris, schema, partition_column, storage, hive=False).with_columns(pl.lit(day).alias(partition_column))
        for day, uris in by_partition.items()
    ]
    return pl.concat(scans).select(schema.names())


def _scan(uris: list[str], schema: pl.Schema, partition_column: str, storage: Storage, *, hive: bool) -> pl.LazyFrame:
    stored = pl.Schema({name: dtype for name, dtype in schema.items() if name != partition_column})
    return pl.scan_parquet(
        uris,
        schema=stored,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=_GROWN_OBJECTS,
        hive_partitioning=hive,
        hive_schema={partition_column: pl.Date} if hive else None,
        **storage.for_polars(),
    )


def _has_hive_partition(file: DataFile, column: str) -> bool:
    """Return whether the path has the partition's value in Hive's form, and no other value in that form.

    Delta does not restrict names of files, and the folders above the lake have arbitrary names.
    """
    return file.uri.count("=") == 1 and f"/{column}={file.partition.isoformat()}/" in file.uri


def as_stored(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return rows as a scan with `schema` would if they were in a file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    buffer.seek(0)
    return pl.scan_parquet(
        buffer, schema=schema, missing_columns="insert", extra_columns="ignore", cast_options=_GROWN_OBJECTS
    ).collect()


def scan_pieces(table: TableLocation, files: Sequence[DataFile], rows: int) -> Iterator[pl.LazyFrame]:
    """Scan these files as `scan_files` does, about `rows` rows at a time: small files together, large ones in parts."""
    for batch in in_batches(files, rows):
        total = sum(file.rows for file in batch)
        piece = math.ceil(total / math.ceil(total / rows)) if total else rows
        for start in range(0, total, piece):
            yield scan_files(table, batch).slice(start, piece)


def in_batches(files: Iterable[DataFile], rows: int) -> list[list[DataFile]]:
    """Group files so that no batch exceeds `rows`. A larger file forms its own batch."""
    batches: list[list[DataFile]] = []
    total = 0
    for file in files:
        if not batches or total + file.rows > rows:
            batches.append([])
            total = 0
        batches[-1].append(file)
        total += file.rows
    return batches


def added_file(table: TableLocation, add: AddAction) -> DataFile:
    """Return an uncommitted file as the log will show it."""
    statistics = json.loads(add.stats)
    (partition,) = add.partition_values.values()
    return DataFile(
        uri=table.storage.uri(table.name, add.path),
        path=add.path,
        partition=date.fromisoformat(str(partition)),
        rows=statistics["numRecords"],
        size=add.size,
        modified=add.modification_time,
        minimum=statistics["minValues"],
        maximum=statistics["maxValues"],
        nulls=statistics["nullCount"],
    )


def remove_action(table: TableLocation, file: DataFile, *, data_change: bool = True) -> RemoveAction:
    """Return the remove action of a file. Without `data_change`, its rows are in another file."""
    return RemoveAction(
        path=file.path,
        data_change=data_change,
        deletion_timestamp=time.time_ns() // 1_000_000,
        size=file.size,
        partition_values={str(table.partition_column): file.partition.isoformat()},
    )
