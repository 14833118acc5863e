"""Files of a Delta table as Iceberg's data files, with the statistics that let readers skip files."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import polars as pl
from pyiceberg import types
from pyiceberg.conversions import to_bytes
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.utils.datetime import date_to_days, datetime_to_micros

from event_platform.events.errors import TableError
from event_platform.lake.tables import Table
from event_platform.publishing.iceberg.delta import file_name

#: The most digits of a decimal in Delta and in Iceberg.
_DECIMAL_CONTEXT = Context(prec=38)

#: Precision that Delta's writers cut from times in statistics, which are in milliseconds.
_TRUNCATION = timedelta(microseconds=999)


@dataclass(frozen=True)
class Metrics:
    """Statistics of a file by field id: rows, nulls, and bounds in Iceberg's form."""

    values: dict[int, int] = field(default_factory=dict)
    nulls: dict[int, int] = field(default_factory=dict)
    lower: dict[int, bytes] = field(default_factory=dict)
    upper: dict[int, bytes] = field(default_factory=dict)


def data_file(table: Table, location: str, row: Mapping[str, Any], schema: Schema, spec: PartitionSpec) -> DataFile:
    """Return a file, of which the log has a `row`, as a data file of a table at a location."""
    path = f"{location}/{file_name(row['path'])}"
    rows = _rows(table, row)
    metrics = Metrics()
    _add_metrics(metrics, schema.fields, rows, *(row.get(name) or {} for name in ("null_count", "min", "max")))
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(*_partition(row.get("partition") or {}, schema, spec)),
        record_count=rows,
        file_size_in_bytes=row["size_bytes"],
        value_counts=metrics.values,
        null_value_counts=metrics.nulls,
        lower_bounds=metrics.lower,
        upper_bounds=metrics.upper,
    )


def _rows(table: Table, row: Mapping[str, Any]) -> int:
    """Return the number of rows of a file, from its footer if the log does not have it."""
    if row["num_records"] is not None:
        return int(row["num_records"])
    uri = table.storage.uri(table.name, file_name(row["path"]))
    try:
        scan = pl.scan_parquet(uri, hive_partitioning=False, glob=False, **table.storage.for_polars())
        return int(scan.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{uri}: the number of its rows is not in the log, and cannot be read: {error}") from error


def _partition(values: Mapping[str, Any], schema: Schema, spec: PartitionSpec) -> Iterator[Any]:
    for each in spec.fields:
        yield _internal(values.get(str(schema.find_column_name(each.source_id))))


def _internal(value: Any) -> Any:
    """Return a value in Iceberg's representation: days, or microseconds, since 1970."""
    if isinstance(value, datetime):
        return datetime_to_micros(value)
    return date_to_days(value) if hasattr(value, "toordinal") else value


def _add_metrics(
    metrics: Metrics,
    fields: tuple[types.NestedField, ...],
    rows: int,
    nulls: Mapping[str, Any],
    minima: Mapping[str, Any],
    maxima: Mapping[str, Any],
) -> None:
    """Add the statistics of some fields, and of the fields of objects among them."""
    for each in fields:
        statistics = nulls.get(each.name), minima.get(each.name), maxima.get(each.name)
        if isinstance(each.field_type, types.StructType):
            _add_metrics(metrics, each.field_type.fields, rows, *(values or {} for values in statistics))
        elif isinstance(each.field_type, types.PrimitiveType):
            _add_field_metrics(metrics, each.field_id, each.field_type, rows, *statistics)


def _add_field_metrics(
    metrics: Metrics, field_id: int, dtype: types.PrimitiveType, rows: int, nulls: Any, lower: Any, upper: Any
) -> None:
    if nulls is not None:
        metrics.values[field_id], metrics.nulls[field_id] = rows, nulls
    if (low := _bound(dtype, lower)) is not None:
        metrics.lower[field_id] = low
    if (high := _bound(dtype, _widen_upper(upper))) is not None:
        metrics.upper[field_id] = high


def _widen_upper(upper: Any) -> Any:
    """Return an upper bound that covers the value before its writer truncated it to milliseconds."""
    is_truncated = isinstance(upper, datetime) and not upper.microsecond % 1000
    return upper + _TRUNCATION if is_truncated else upper  # datetime.max at most


def _bound(dtype: types.PrimitiveType, value: Any) -> bytes | None:
    """Return a bound in Iceberg's form; None if there is no certain bound."""
    if value is None or isinstance(value, bytes) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(dtype, types.DecimalType):
        value = Decimal(value).quantize(Decimal(1).scaleb(-dtype.scale), context=_DECIMAL_CONTEXT)
    return bytes(to_bytes(dtype, value))
