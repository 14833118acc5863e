"""Files beside the schemas: the source of functions, and reference tables (CSV or Parquet)."""

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import polars as pl

from event_platform.events.derivation.values import as_column_type
from event_platform.events.documents import DocumentError, read_regular_file
from event_platform.events.event import UTC_DATETIME

MODULE_SUFFIX = ".py"
TABLE_SUFFIXES = (".csv", ".parquet")

#: A table is sent to workers with each task that uses it.
MAX_TABLE_BYTES = 16 << 20
_MAX_SOURCE_BYTES = 1 << 20
#: A name in the folder of the catalog itself: neither a path nor hidden.
_FILE_NAME = re.compile(r"[^\W.][\w -]*(\.[\w -]+)+")
KEY, VALUE = "key", "value"

T = TypeVar("T")


class CatalogFileError(ValueError):
    """A file beside the schemas is unusable. The message has the reason; the caller adds the location."""


@dataclass(frozen=True)
class Table:
    """A reference table: its rows, and the SHA-256 of its file."""

    rows: pl.DataFrame
    digest: str


@dataclass
class BesideSchemas:
    """The files in the folder of a catalog, each read once."""

    folder: Path
    _tables: dict[str, Table] = field(default_factory=dict)
    _sources: dict[str, str] = field(default_factory=dict)

    def source(self, module: str) -> str:
        """Return the source of a module. Raises CatalogFileError."""
        if module not in self._sources:
            data = self._read(f"{module}{MODULE_SUFFIX}", _MAX_SOURCE_BYTES)
            self._sources[module] = _read_named(module, data.decode)
        return self._sources[module]

    def table(self, name: str) -> Table:
        """Return a reference table, all columns of a CSV as text. Raises CatalogFileError."""
        if name not in self._tables:
            if not name.lower().endswith(TABLE_SUFFIXES):
                raise CatalogFileError(f"expected a {' or '.join(TABLE_SUFFIXES)} beside the schemas, got {name!r}")
            data = self._read(name, MAX_TABLE_BYTES)
            is_csv = name.lower().endswith(".csv")
            rows = _read_named(name, lambda: _read_csv(data) if is_csv else pl.read_parquet(io.BytesIO(data)))
            self._tables[name] = Table(rows, hashlib.sha256(data).hexdigest())
        return self._tables[name]

    def _read(self, name: str, limit: int) -> bytes:
        if not _FILE_NAME.fullmatch(name):
            raise CatalogFileError(f"expected the name of a file beside the schemas, without folders, got {name!r}")
        try:
            return read_regular_file(self.folder / name, limit)
        except OSError as error:
            raise CatalogFileError(f"{name}: cannot be read: {error.strerror}") from error
        except DocumentError as error:
            more = "; join it in an asset of your own" if limit == MAX_TABLE_BYTES else ""
            raise CatalogFileError(f"{name}: {error}{more}") from error


def pairs_of(table: Table, name: str, key: str, value: str, by: pl.DataType, dtype: pl.DataType | None) -> pl.DataFrame:
    """Return the columns key (of type `by`) and value (of `dtype`, by default its own type) of a reference table.

    Raises CatalogFileError if a column is missing or has another type, or if a key is missing or repeated.
    """
    for column in (key, value):
        if column not in table.rows.columns:
            raise CatalogFileError(f"{name} has no column {column!r}; it has {', '.join(table.rows.columns)}")
    keys, values = (table.rows[column] for column in (key, value))
    pairs = pl.DataFrame(
        {KEY: _converted(name, keys, by), VALUE: values if dtype is None else _converted(name, values, dtype)}
    )
    if pairs[KEY].null_count():
        raise CatalogFileError(f"{name}: {pairs[KEY].null_count():,} rows have no {key}")
    twice = pairs.filter(pairs[KEY].is_duplicated())
    if twice.height:
        raise CatalogFileError(f"{name}: {key} {twice[KEY][0]!r} is repeated; expected unique keys")
    return pairs


def as_bytes(pairs: pl.DataFrame) -> bytes:
    """Return pairs as a Parquet file."""
    buffer = io.BytesIO()
    pairs.write_parquet(buffer)
    return buffer.getvalue()


@lru_cache(maxsize=32)
def pairs_from(data: bytes) -> pl.DataFrame:
    """Return the pairs of a Parquet file. Each process reads one once."""
    return pl.read_parquet(io.BytesIO(data))


def _read_csv(data: bytes) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(data), infer_schema=False)


def _converted(name: str, values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Convert a column to a type. Texts, the only type of CSV, are parsed as numbers, dates and so on."""
    is_text = values.dtype == pl.String and dtype != pl.String

    def convert() -> pl.Series:
        if not is_text:
            return as_column_type(values, dtype)
        if dtype == pl.Boolean:
            return values.replace_strict({"true": True, "false": False}, return_dtype=dtype)
        if dtype == pl.Date:
            return values.str.to_date("%Y-%m-%d")
        if dtype == UTC_DATETIME:
            return values.str.to_datetime("%+", time_unit="us", time_zone="UTC")
        return values.cast(dtype)

    return _read_named(f"{name}: column {values.name}", convert)


def _read_named(name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        why, _, _ = re.sub(r" (Consider|Hint:) ", "\0", " ".join(str(error).split())).partition(
            "\0"
        )  # of who calls polars
        raise CatalogFileError(f"{name}: {why[:200]}") from error
