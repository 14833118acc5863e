"""Rows → new Parquet files of a table, and the add actions that the driver commits."""

import io
import time
import uuid
from collections.abc import Iterator
from datetime import date

import polars as pl
import pyarrow as pa
from deltalake.transaction import AddAction
from pyarrow import parquet

from event_platform.events.errors import TableError
from event_platform.events.figures import Figure
from event_platform.lake.file_figures import FigureCounts
from event_platform.lake.file_keys import KeyWriter
from event_platform.lake.location import TableLocation
from event_platform.lake.parquet_ids import with_parquet_ids
from event_platform.lake.statistics import Statistics

#: Rows of a row group, in a file of one event type and in one that is sorted by name, where readers skip other names.
_ROWS_PER_GROUP, _ROWS_PER_SORTED_GROUP = 65_536, 16_384

#: Texts too long for statistics, which would fill the footer of the file.
_UNBOUNDED_TEXTS = ("body", "_rescued")

#: Rows that are sampled to decide whether a column gets a dictionary.
_SAMPLE = 4_096


class FileWriter:
    """Writes rows of one partition to a new file of a table, frame by frame, each as row groups of its own.

    Only what is compressed is held in memory. Nothing shows in the table until the add action is committed.
    """

    def __init__(
        self,
        table: TableLocation,
        partition: date | None = None,
        *,
        data_change: bool = True,
    ) -> None:
        """Begin a file. A table without partitions has no date for it.

        Without `data_change`, its rows are in the table already.
        """
        self._data_change, column = data_change, table.partition_column
        self._values = {column: partition.isoformat()} if column and partition else {}
        self._path = "".join(f"{column}={value}/" for column, value in self._values.items()) + f"{uuid.uuid4()}.parquet"
        self._table, self._address = table, table.storage.uri(table.name, self._path)
        self._buffer = io.BytesIO()
        self._parquet: parquet.ParquetWriter | None = None
        self._statistics = Statistics()
        self._figures = FigureCounts(table.spec.figures)
        self._keys = KeyWriter(table.spec.keyed)

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows. The partition column is not written."""
        stored = frame.drop(self._values, strict=False)
        rows = pa.table({column.name: _as_arrow(column) for column in stored})
        if self._parquet is None:
            field_ids = self._table.field_ids
            self._parquet = parquet.ParquetWriter(
                self._buffer,
                rows.schema if field_ids is None else with_parquet_ids(rows.schema, field_ids),
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
        self._figures.add(frame)
        self._keys.add(frame)

    def note(self, figure: Figure, counts: pl.DataFrame) -> None:
        """Keep counts of a figure that rows do not show, of which `is_noted`."""
        self._figures.note(figure, counts)

    def close(self) -> AddAction:
        """Store the file. Return its add action."""
        if self._parquet is None:
            raise TableError(f"{self._address}: a file without a frame")
        keys, says_keys = self._keys.close(self._path)
        self._buffer.write(keys)
        self._parquet.add_key_value_metadata({**self._figures.close(self._table, self._path), **says_keys})
        self._parquet.close()
        data = self._buffer.getvalue()
        self._table.storage.write(self._address, data)
        return AddAction(
            path=self._path,
            size=len(data),
            partition_values=dict(self._values),
            modification_time=time.time_ns() // 1_000_000,
            data_change=self._data_change,
            stats=self._statistics.as_json(),
        )


def write_file(frame: pl.DataFrame, table: TableLocation, partition: date | None = None) -> AddAction:
    """Write one frame to a new file of a table, as `FileWriter` does."""
    file = FileWriter(table, partition)
    file.write(frame)
    return file.close()


def sort_by_name(records: pl.DataFrame) -> pl.DataFrame:
    """Sort records by event name (not null). The sort is stable."""
    # Sorting categories takes a third of the time of sorting texts.
    names = pl.Enum(records["event_name"].unique().sort())
    return records.sort(pl.col("event_name").cast(names), maintain_order=True)


def _as_arrow(column: pl.Series) -> pa.Array:
    """Return a column with its texts as polars has them: to copy them takes a third of the time of writing them.

    Those within objects are copied: pyarrow does not write them otherwise.
    """
    level = pl.CompatLevel.oldest() if column.dtype.is_nested() else pl.CompatLevel.newest()
    return column.to_arrow(compat_level=level)


def _repetitive(sample: pl.DataFrame) -> list[str]:
    """Return the Parquet names of columns for which a dictionary saves space."""
    leaves = (leaf for name in sample.columns for leaf in _leaves(name, sample[name]))
    return [path for path, values in leaves if 2 * values.n_unique() <= len(values)]


def _leaves(path: str, values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Yield the leaf columns of a column, with their Parquet names."""
    if isinstance(values.dtype, pl.Struct):
        for field in values.struct.unnest():  # each by itself would be a query over all of them
            yield from _leaves(f"{path}.{field.name}", field)
    elif isinstance(values.dtype, pl.List):
        yield from _leaves(f"{path}.list.element", values.explode())
    elif isinstance(values.dtype, pl.Map):
        yield from _leaves(f"{path}.key_value", values.map.entries().explode())
    else:
        yield path, values
