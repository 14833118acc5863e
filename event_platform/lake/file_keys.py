"""The keys of files: hashes of the event_uuids in each, sorted, between its last row and its footer.

They are written with the rows, and read where uuids are compared: five bytes for each row, as a Parquet file of their
differences. Equal uuids have equal keys; where keys are equal, the uuids themselves are compared. Files without keys
are those of other writers and of earlier releases, and those that another release of polars wrote, whose hashes may be
others.
"""

import io
from collections.abc import Callable, Collection
from typing import TypeVar

import msgspec
import polars as pl
import pyarrow as pa
from pyarrow import parquet

from event_platform.events.figures import HASHES, KEY_BITS, UUID_KEY
from event_platform.lake.files import DataFile
from event_platform.lake.footers import name_in_footer, read_end
from event_platform.lake.location import TableLocation
from event_platform.storage.storage import Storage
from event_platform.storage.threads import imap_threads

_KEY, _COLUMN = "event_platform.keys", "key"

#: Bytes that are read for keys, of each row and of each file: they take fewer.
_BYTES_OF_ROW, _BYTES_OF_FILE = KEY_BITS // 8, 4 << 10

T = TypeVar("T")


class _Kept(msgspec.Struct):
    """What the footer says of the keys before it. `file` tells a file from one that another writer made of it."""

    file: str
    size: int  # bytes
    hashes: str


class KeyWriter:
    """Collects the keys of a file while it is written."""

    def __init__(self, keyed: pl.Expr | None) -> None:
        """Begin with no rows. `keyed` are the rows that have keys; without it, no file of the table has any."""
        self._keyed = keyed
        self._keys: list[pl.Series] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Add the keys of rows."""
        if self._keyed is not None:
            self._keys.append(frame.lazy().filter(self._keyed).select(UUID_KEY).collect().to_series())

    def close(self, path: str) -> tuple[bytes, dict[str, str]]:
        """Return the bytes before the footer, and the metadata in it, of the file with this path."""
        if self._keyed is None:
            return b"", {}
        data = _pack(pl.concat(self._keys).sort(multithreaded=False))
        kept = _Kept(name_in_footer(path), len(data), HASHES)
        return data, {_KEY: msgspec.json.encode(kept).decode()}


def use_keys(table: TableLocation, files: Collection[DataFile], use: Callable[[pl.Series], T]) -> dict[str, T]:
    """Return what `use` makes of the sorted keys of each file, by path; files without keys are missing.

    `use` may be called in several threads. Raises StorageError where a file cannot be read.
    """
    if table.spec.keyed is None:
        return {}

    def used(file: DataFile) -> T | None:
        keys = _read_keys(table.storage, file)
        return None if keys is None else use(keys)

    each = map if table.storage.is_local else imap_threads  # to start a thread takes as long as to read a file
    pairs = zip(files, each(used, files), strict=True)
    return {file.path: made for file, made in pairs if made is not None}


def shared_with(keys: pl.Series, others: pl.Series) -> pl.Series:
    """Return those of sorted keys that are among others, which are sorted too, in time that goes by the fewer."""
    few, many = sorted((keys, others), key=len)
    if few.is_empty():
        return few
    places = many.search_sorted(few)
    return few.filter(many.gather(places.clip(upper_bound=len(many) - 1)) == few)


def _read_keys(storage: Storage, file: DataFile) -> pl.Series | None:
    """Return the sorted keys of a file; None where it has none."""
    end = read_end(storage, file, _BYTES_OF_FILE + _BYTES_OF_ROW * (file.rows or 0))
    try:
        kept = msgspec.json.decode(end.metadata.get(_KEY, ""), type=_Kept)
    except msgspec.MsgspecError:
        return None
    if (kept.file, kept.hashes) != (name_in_footer(file.path), HASHES) or not 0 < kept.size <= len(end.before):
        return None
    return _unpack(end.before[-kept.size :])


def _pack(keys: pl.Series) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(
        pa.table({_COLUMN: keys.to_arrow()}),
        buffer,
        compression="none",
        use_dictionary=False,
        column_encoding={_COLUMN: "DELTA_BINARY_PACKED"},
        write_statistics=False,
        store_schema=False,
    )
    return buffer.getvalue()


def _unpack(data: memoryview) -> pl.Series | None:
    """Return the keys; None where there are other bytes: another writer may have written the file again."""
    try:
        return pl.read_parquet(io.BytesIO(data), columns=[_COLUMN])[_COLUMN].set_sorted()
    except pl.exceptions.PolarsError:
        return None
