"""The keys of files: 64-bit hashes of the event_uuids in each, sorted, between its last row and its footer.

They are written with the rows, and read where uuids are compared: eight bytes for each row. Equal uuids have equal
keys; where keys are equal, the uuids themselves are compared. Files without keys are those of other writers and of
earlier releases, and those that another release of polars wrote, whose hashes may be others.
"""

from collections.abc import Callable, Collection
from typing import TypeVar

import msgspec
import polars as pl
import pyarrow as pa

from event_platform.events.figures import HASHES, UUID_KEY
from event_platform.lake.files import DataFile
from event_platform.lake.footers import name_in_footer, read_end
from event_platform.lake.location import TableLocation
from event_platform.storage.storage import Storage
from event_platform.storage.threads import imap_threads

_KEY = "event_platform.keys"
_BYTES = 8  # of a key

T = TypeVar("T")


class _Kept(msgspec.Struct):
    """What the footer says of the keys before it. `file` tells a file from one that another writer made of it.

    `sum` is that of the keys, as far as 64 bits go: other bytes before the footer have another one.
    """

    file: str
    count: int
    sum: int
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

    def close(self, path: str) -> tuple[pa.Buffer | bytes, dict[str, str]]:
        """Return the bytes before the footer, and the metadata in it, of the file with this path."""
        if self._keyed is None:
            return b"", {}
        keys = pl.concat(self._keys).sort(multithreaded=False)
        kept = _Kept(name_in_footer(path), len(keys), int(keys.sum()), HASHES)
        return keys.to_arrow().buffers()[1], {_KEY: msgspec.json.encode(kept).decode()}


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
    found = zip(files, each(used, files), strict=True)
    return {file.path: made for file, made in found if made is not None}


def shared_with(keys: pl.Series, others: pl.Series) -> pl.Series:
    """Return those of sorted keys that are among others, which are sorted too, in time that goes by the fewer."""
    few, many = sorted((keys, others), key=len)
    if few.is_empty():
        return few
    places = many.search_sorted(few)
    return few.filter(many.gather(places.clip(upper_bound=len(many) - 1)) == few)


def _read_keys(storage: Storage, file: DataFile) -> pl.Series | None:
    """Return the sorted keys of a file; None where it has none."""
    end = read_end(storage, file, _BYTES * (file.rows or 0))
    try:
        kept = msgspec.json.decode(end.metadata.get(_KEY, ""), type=_Kept)
    except msgspec.MsgspecError:
        return None
    size = _BYTES * kept.count
    if (kept.file, kept.hashes) != (name_in_footer(file.path), HASHES) or not 0 <= size <= len(end.before):
        return None
    stored = pa.py_buffer(end.before[len(end.before) - size :])
    keys = pl.Series("key", pa.Array.from_buffers(pa.uint64(), kept.count, [None, stored]), dtype=pl.UInt64)
    return keys.set_sorted() if keys.sum() == kept.sum else None
