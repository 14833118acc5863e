"""Parquet files of Delta tables: written by tasks, described by the add actions that the driver commits."""

import io
import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from deltalake.transaction import AddAction

from event_platform.lake.storage import Storage

#: Small enough that a reader of one event name skips most of a file sorted by name.
_ROWS_PER_GROUP = 32_768

#: Objects gain fields as the catalog grows; older files lack them.
_GROWN_OBJECTS = pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore")

_STATISTICS = (pl.Int64, pl.Date, pl.Datetime, pl.Boolean)


@dataclass(frozen=True)
class DataFile:
    """A file of a table, with what the log knows of it."""

    uri: str
    path: str  # below the table
    partition: date
    rows: int
    size: int  # bytes
    minimum: Mapping[str, Any]
    maximum: Mapping[str, Any]
    nulls: Mapping[str, int]  # by column; those without statistics are missing


@dataclass(frozen=True)
class Written:
    """What a commit wrote of one partition, or of a table that has none."""

    version: int  # of the table, with what was written
    previous_version: int  # without it; the same one where there was nothing to commit
    files: int = 0
    size: int = 0  # bytes


def write_file(
    frame: pl.DataFrame,
    storage: Storage,
    table: str,
    partition_column: str | None = None,
    partition: date | None = None,
) -> AddAction:
    """Write rows of one partition to a new file of a table; nothing shows until its add action is committed.

    A table without partitions has neither a column nor a date for them.
    """
    values = {partition_column: partition.isoformat()} if partition_column and partition else {}
    path = "".join(f"{column}={value}/" for column, value in values.items()) + f"{uuid.uuid4()}.parquet"
    stored = frame.drop(values, strict=False)
    data = _parquet(stored)
    storage.write(storage.uri(table, path), data)
    return AddAction(
        path=path,
        size=len(data),
        partition_values=dict(values),
        modification_time=time.time_ns() // 1_000_000,
        data_change=True,
        stats=json.dumps(statistics(stored)),
    )


def written(version: int, adds: Sequence[AddAction]) -> Written:
    """Return what a commit that made `version` of a table wrote."""
    return Written(version, version - 1, len(adds), sum(add.size for add in adds))


def written_by_date(version: int, dates: Iterable[date], adds: Sequence[AddAction]) -> dict[date, Written]:
    """Return the same for each of the partitions that the commit was for."""
    return {
        day: written(version, [add for add in adds if day.isoformat() in add.partition_values.values()])
        for day in dates
    }


def statistics(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the rows, nulls, minima and maxima of a file as Delta wants them; names are the only texts included."""
    bounded = [
        name
        for name, dtype in frame.schema.items()
        if isinstance(dtype, _STATISTICS) or dtype in _STATISTICS or name in {"event_name", "source_object"}
    ]
    minima, maxima = (
        {name: _as_json(value) for name, value in bounds.items() if value is not None}
        for bounds in (
            frame.select(pl.col(bounded).min()).row(0, named=True) if bounded else {},
            frame.select(pl.col(bounded).max()).row(0, named=True) if bounded else {},
        )
    )
    nested = (pl.Struct, pl.List)
    nulls = {name: frame[name].null_count() for name, dtype in frame.schema.items() if not isinstance(dtype, nested)}
    return {"numRecords": frame.height, "minValues": minima, "maxValues": maxima, "nullCount": nulls}


def scan_files(files: Sequence[DataFile], schema: pl.Schema, partition_column: str, storage: Storage) -> pl.LazyFrame:
    """Scan exactly these files, with the columns of `schema`; those that an older file lacks are null."""
    stored = pl.Schema({name: dtype for name, dtype in schema.items() if name != partition_column})
    by_partition: dict[date, list[str]] = {}
    for file in files:
        by_partition.setdefault(file.partition, []).append(file.uri)
    scans = [
        pl.scan_parquet(
            uris,
            schema=stored,
            missing_columns="insert",
            extra_columns="ignore",
            cast_options=_GROWN_OBJECTS,
            hive_partitioning=False,
            storage_options=dict(storage.options) or None,
        ).with_columns(pl.lit(partition).alias(partition_column))
        for partition, uris in by_partition.items()
    ]
    return pl.concat(scans).select(schema.names()) if scans else pl.LazyFrame(schema=schema)


def in_batches(files: Iterable[DataFile], rows: int) -> list[list[DataFile]]:
    """Group files so that no batch has more than `rows`, but for a file that has more by itself."""
    batches: list[list[DataFile]] = []
    held = 0
    for file in files:
        if not batches or held + file.rows > rows:
            batches.append([])
            held = 0
        batches[-1].append(file)
        held += file.rows
    return batches


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, row_group_size=_ROWS_PER_GROUP)
    return buffer.getvalue()


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        # Not strftime, which writes year 1 without its zeros: the zero time of Go, and not rare.
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
