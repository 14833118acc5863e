"""The ends of Parquet files: footers, and data stored directly before them.

Readers of rows use the offsets in the footer, so they skip bytes between the last row and the footer.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from event_platform.events.errors import MissingError, StorageError
from event_platform.lake.files import DataFile
from event_platform.storage.storage import Storage

#: Bytes that are read for a footer: most are shorter.
_SHORT = 128 << 10

#: Bytes at the end of each file: the length of the footer, and four letters.
_TAIL = 8


@dataclass(frozen=True)
class FileEnd:
    """The end of a file: the metadata in its footer, and at least the requested number of bytes before it."""

    metadata: Mapping[str, str]
    before: memoryview


def read_end(storage: Storage, file: DataFile, size: int = 0) -> FileEnd:
    """Read the footer of a file, and `size` bytes before it. Empty for a file without a footer.

    One request, unless the footer is long. Raises StorageError on transient errors.
    """
    try:
        end = _read_last(storage, file, size + _SHORT)
        length = int.from_bytes(end[-_TAIL:-4], "little") + _TAIL
        if size + length > len(end) < file.size:
            end = _read_last(storage, file, size + length)
        metadata = pl.read_parquet_metadata(io.BytesIO(end[-length:]))
        return FileEnd(metadata, memoryview(end)[:-length])
    except pl.exceptions.PolarsError:  # the reader of its rows reports the fault
        return FileEnd({}, memoryview(b""))
    except StorageError as error:  # there is no such file, or it is shorter
        if error.transient and not isinstance(error, MissingError):
            raise
        return FileEnd({}, memoryview(b""))


def _read_last(storage: Storage, file: DataFile, size: int) -> bytes:
    start = max(0, file.size - size)
    return storage.read_range(file.uri, start, file.size - start)


def name_in_footer(path: str) -> str:
    """Return the name under which a footer records its file: writers that rewrite files copy footers."""
    return path.rpartition("/")[2]
