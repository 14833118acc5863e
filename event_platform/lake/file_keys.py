"""The keys of files: sorted hashes of the event_uuids in each file, between its last row and its footer.

They are written with the rows, and read to compare uuids. They take five bytes per row: a Parquet file of their
differences. Equal uuids have equal keys; if keys are equal, the uuids themselves are compared. Files without keys are
those of other writers, of earlier releases, and of other releases of polars, whose hashes may differ.
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

#: Bytes to read for keys, per row and per file: an upper limit.
_BYTES_OF_ROW, _BYTES_OF_FILE = KEY_BITS // 8, 4 << 10

T = TypeVar("T")


class _KeysEntry(msgspec.Struct):
    """The footer's entry for the keys before it.

    `file` distinguishes a file from copies that other writers make of it.
    """

    file: str
    size: int  # bytes
    hashes: str


class KeyWriter:
    """Collects the keys of a file while it is written."""

    def __init__(self, keyed: pl.Expr | None) -> None:
        """Begin without rows. `keyed` selects the rows that have keys; without it, no file of the table has any."""
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
        stored = _KeysEntry(name_in_footer(path), len(data), HASHES)
        return data, {_KEY: msgspec.json.encode(stored).decode()}


def use_keys(table: TableLocation, files: Collection[DataFile], use: Callable[[pl.Series], T]) -> dict[str, T]:
    """Return the result of `use` for the sorted keys of each file, by path; files without keys are missing.

    `use` may be called in several threads. Raises StorageError if a file cannot be read.
    """
    if table.spec.keyed is None:
        return {}

    def used(file: DataFile) -> T | None:
        keys = _read_keys(table.storage, file)
        return None if keys is None else use(keys)

    run = map if table.storage.is_local else imap_threads  # to start a thread takes as long as to read a file
    pairs = zip(files, run(used, files), strict=True)
    return {file.path: results for file, results in pairs if results is not None}


def shared_with(keys: pl.Series, others: pl.Series) -> pl.Series:
    """Return the sorted keys that are among other sorted keys, in time proportional to the shorter list."""
    few, many = sorted((keys, others), key=len)
    if few.is_empty():
        return few
    places = many.search_sorted(few)
    return few.filter(many.gather(places.clip(upper_bound=len(many) - 1)) == few)


def _read_keys(storage: Storage, file: DataFile) -> pl.Series | None:
    """Return the sorted keys of a file; None if it has none."""
    end = read_end(storage, file, _BYTES_OF_FILE + _BYTES_OF_ROW * (file.rows or 0))
    try:
        stored = msgspec.json.decode(end.metadata.get(_KEY, ""), type=_KeysEntry)
    except msgspec.MsgspecError:
        return None
    if (stored.file, stored.hashes) != (name_in_footer(file.path), HASHES) or not 0 < stored.size <= len(end.before):
        return None
    return _unpack(end.before[-stored.size :])


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
    """Return the keys; None if the bytes are something else, as after a rewrite by another writer."""
    try:
        return pl.read_parquet(io.BytesIO(data), columns=[_COLUMN])[_COLUMN].set_sorted()
    except pl.exceptions.PolarsError:
        return None
