"""Parquet files of Delta tables: written by tasks, described by the add actions that the driver commits."""

import io
import math
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
from deltalake.transaction import AddAction
from pyarrow import parquet

from event_platform.events.errors import TableError
from event_platform.storage.storage import Storage

#: In a file of one event type, and in one of many that is sorted by name: whoever reads one name skips the others.
_ROWS_PER_GROUP, _ROWS_PER_SORTED_GROUP = 65_536, 16_384

#: Objects gain fields as the catalog grows; older files lack them.
_GROWN_OBJECTS = pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore")

#: Columns of which the log has minimum and maximum: all of a plain type. Where a column had none, deltalake would tell
#: Arrow that its values are beyond null, and a filter on it would find nothing (`DeltaTable.to_pyarrow_dataset`).
_BOUNDED = (pl.Int64, pl.Float64, pl.Decimal, pl.Date, pl.Datetime, pl.Boolean, pl.String)

#: Escapes no character but those that have to be: deltalake takes a pair of surrogates for another one.
_JSON = msgspec.json.Encoder(decimal_format="number")

#: Texts whose bounds are whole: the order of arrival is told by them, or whole files are of one of them.
_EXACT_TEXTS = ("event_name", "source_object")

#: Characters of other bounds, and what stands behind those of a longer maximum: no text that begins so is beyond it.
_BOUND_LENGTH, _LAST = 32, chr(sys.maxunicode)

#: Texts so long that bounds of them would be most of a file's footer.
_UNBOUNDED_TEXTS = ("body", "_rescued")

#: Rows that show whether a column repeats its values.
_SAMPLE = 4_096


@dataclass(frozen=True)
class DataFile:
    """A file of a table, with what the log knows of it."""

    uri: str
    path: str  # below the table
    partition: date
    rows: int
    size: int  # bytes
    modified: int  # Unix milliseconds
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


class Statistics:
    """Rows, nulls, minima and maxima of a file as Delta wants them; bounds of most long texts are their beginnings."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._rows = 0
        self._nulls: Counter[str] = Counter()
        self._minima: dict[str, Any] = {}
        self._maxima: dict[str, Any] = {}
        self._unbounded: set[str] = set()

    def add(self, frame: pl.DataFrame) -> None:
        """Count rows of the file."""
        bounded = [name for name, dtype in frame.schema.items() if dtype in _BOUNDED]
        self._rows += frame.height
        self._nulls.update({c.name: c.null_count() for c in frame.get_columns() if not c.dtype.is_nested()})
        for bounds, pick in ((self._minima, min), (self._maxima, max)):
            found = frame.select(getattr(pl.col(bounded), pick.__name__)()).row(0, named=True) if bounded else {}
            for name, value in found.items():
                if isinstance(value, float) and not math.isfinite(value):  # which JSON cannot tell
                    self._unbounded.add(name)
                elif value is not None:
                    bounds[name] = pick(bounds.get(name, value), value)

    def as_json(self) -> str:
        """Return them in the form of the log."""
        return _JSON.encode(
            {
                "numRecords": self._rows,
                "minValues": self._bounds_as_json(self._minima, ""),
                "maxValues": self._bounds_as_json(self._maxima, _LAST),
                "nullCount": dict(self._nulls),
            }
        ).decode()

    def _bounds_as_json(self, bounds: Mapping[str, Any], last: str) -> dict[str, Any]:
        return {
            name: _as_json(value if name in _EXACT_TEXTS else _short(value, last))
            for name, value in bounds.items()
            if name not in self._unbounded
        }


class FileWriter:
    """Writes rows of one partition to a new file of a table, frame by frame, each as row groups of its own.

    Only what is compressed is held in memory. Nothing shows in the table until the add action is committed.
    """

    def __init__(
        self,
        storage: Storage,
        table: str,
        partition_column: str | None = None,
        partition: date | None = None,
        *,
        data_change: bool = True,
    ) -> None:
        """Begin a file. A table without partitions has neither a column nor a date for them.

        Without `data_change`, its rows are in the table already.
        """
        self._data_change = data_change
        self._values = {partition_column: partition.isoformat()} if partition_column and partition else {}
        self._path = "".join(f"{column}={value}/" for column, value in self._values.items()) + f"{uuid.uuid4()}.parquet"
        self._storage, self._address = storage, storage.uri(table, self._path)
        self._buffer = io.BytesIO()
        self._parquet: parquet.ParquetWriter | None = None
        self._statistics = Statistics()

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows; the partition's column is left out of the file."""
        stored = frame.drop(self._values, strict=False)
        rows = pa.table({column.name: _as_arrow(column) for column in stored})
        if self._parquet is None:
            self._parquet = parquet.ParquetWriter(
                self._buffer,
                rows.schema,
                compression="zstd",
                compression_level=1,
                store_schema=False,
                use_dictionary=_repetitive(stored.head(_SAMPLE)),
                write_statistics=[name for name in stored.columns if name not in _UNBOUNDED_TEXTS],
            )
        self._parquet.write_table(
            rows, row_group_size=_ROWS_PER_SORTED_GROUP if "body" in stored.columns else _ROWS_PER_GROUP
        )
        self._statistics.add(stored)

    def close(self) -> AddAction:
        """Store the file, and return the action that adds it to the table."""
        if self._parquet is None:
            raise TableError(f"{self._address}: a file without a frame")
        self._parquet.close()
        data = self._buffer.getvalue()
        self._storage.write(self._address, data)
        return AddAction(
            path=self._path,
            size=len(data),
            partition_values=dict(self._values),
            modification_time=time.time_ns() // 1_000_000,
            data_change=self._data_change,
            stats=self._statistics.as_json(),
        )


def write_file(
    frame: pl.DataFrame,
    storage: Storage,
    table: str,
    partition_column: str | None = None,
    partition: date | None = None,
) -> AddAction:
    """Write one frame to a new file of a table, as `FileWriter` does."""
    file = FileWriter(storage, table, partition_column, partition)
    file.write(frame)
    return file.close()


def by_name(records: pl.DataFrame) -> pl.DataFrame:
    """Return records in the order of their event names, of which none is null; those of one name stay as they were."""
    # As numbers they are sorted in a third of the time that texts take.
    names = pl.Enum(records["event_name"].unique().sort())
    return records.sort(pl.col("event_name").cast(names), maintain_order=True)


def written(version: int, adds: Sequence[AddAction]) -> Written:
    """Return what a commit that made `version` of a table wrote."""
    return Written(version, version - 1, len(adds), sum(add.size for add in adds))


def written_by_date(version: int, dates: Iterable[date], adds: Sequence[AddAction]) -> dict[date, Written]:
    """Return the same for each of the partitions that the commit was for."""
    return {
        day: written(version, [add for add in adds if day.isoformat() in add.partition_values.values()])
        for day in dates
    }


def scan_files(files: Sequence[DataFile], schema: pl.Schema, partition_column: str, storage: Storage) -> pl.LazyFrame:
    """Scan exactly these files, with the columns of `schema`; those that an older file lacks are null.

    A filter on the partition's column leaves the files of other partitions unopened.
    """
    if not files:
        return pl.LazyFrame(schema=schema)
    if all(_tells_partition(file, partition_column) for file in files):
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


def _tells_partition(file: DataFile, column: str) -> bool:
    """Say whether the address has the partition's value in it as Hive writes it, and nothing else that looks like one.

    Delta lets writers call files what they like, and the folders that a lake is in have names of their own.
    """
    return file.uri.count("=") == 1 and f"/{column}={file.partition.isoformat()}/" in file.uri


def scan_pieces(
    files: Sequence[DataFile], schema: pl.Schema, partition_column: str, storage: Storage, rows: int
) -> Iterator[pl.LazyFrame]:
    """Scan these files as `scan_files` does, but so many `rows` at a time: small ones together, large ones in parts."""
    for batch in in_batches(files, rows):
        held = sum(file.rows for file in batch)
        piece = math.ceil(held / math.ceil(held / rows)) if held else rows
        for start in range(0, held, piece):
            yield scan_files(batch, schema, partition_column, storage).slice(start, piece)


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


def _as_arrow(column: pl.Series) -> pa.Array:
    """Return a column with its texts as polars has them: to copy them takes a third of the time of writing them.

    Those within objects are copied: pyarrow does not write them otherwise.
    """
    level = pl.CompatLevel.oldest() if column.dtype.is_nested() else pl.CompatLevel.newest()
    return column.to_arrow(compat_level=level)


def _repetitive(sample: pl.DataFrame) -> list[str]:
    """Return the columns of which a dictionary is smaller than the values, as Parquet names them."""
    leaves = (leaf for name in sample.columns for leaf in _leaves(name, sample[name]))
    return [path for path, values in leaves if 2 * values.n_unique() <= len(values)]


def _leaves(path: str, values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Yield what a column is made of: values, by their names."""
    if isinstance(values.dtype, pl.Struct):
        for field in values.struct.unnest():  # each by itself would be a query over all of them
            yield from _leaves(f"{path}.{field.name}", field)
    elif isinstance(values.dtype, pl.List):
        yield from _leaves(f"{path}.list.element", values.explode())
    else:
        yield path, values


def _short(bound: Any, last: str) -> Any:
    """Return the beginning of a bound that is a long text, with `last` behind it unless that would be less."""
    if not isinstance(bound, str) or len(bound) <= _BOUND_LENGTH or bound[_BOUND_LENGTH] == last:
        return bound
    return bound[:_BOUND_LENGTH] + last


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        # Not strftime, which writes year 1 without its zeros: the zero time of Go, and not rare.
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
