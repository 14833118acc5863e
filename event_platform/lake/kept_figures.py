"""Figures of files in a bucket, kept in the cache folder of the user: to read a footer is a request.

Each table has one file of lines, to which every process adds the figures that it has written or read. It begins again
each day, as figures hold values of rows that may be deleted by then. A line has a digest: what is not as it was written
is as if it were not there, and so is the whole folder where it cannot be used.
"""

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from event_platform.lake.location import TableLocation
from event_platform.lake.user_cache import cache_path, digest, open_private

_DAY = 24 * 60 * 60  # seconds

#: Bytes of a file of lines; with more, it begins again too. A day with an object a minute has a hundred data files.
_MOST_BYTES = 1 << 20

#: Bytes of the figures of a file. Longer ones are of few large files, and not kept.
_LONGEST = 32 << 10

#: Bytes of a digest, and characters of the digest of a path and of that of a line.
_SIZE = 8
_DIGITS = 2 * _SIZE


def load_figures(table: TableLocation, paths: Collection[str]) -> dict[str, str]:
    """Return the figures, as in their footers, of those files of a table that processes of this user have kept."""
    try:
        lines = cache_path(table.storage, "figures", table.name).read_bytes().split(b"\n")
    except OSError:
        return {}
    kept = {line[:_DIGITS]: line for line in lines}
    found = {path: line for path in paths if (line := kept.get(_hex(path.encode()))) and _is_whole(line)}
    return {path: line[2 * _DIGITS :].decode() for path, line in found.items()}


def keep_figures(table: TableLocation, figures: Mapping[str, str]) -> None:
    """Keep the figures of some files of a table, by path, for the next process."""
    if table.storage.is_local:
        return
    lines = [_line(path, text.encode()) for path, text in figures.items()]
    data = b"".join(line for line in lines if len(line) <= _LONGEST)
    if not data:
        return
    with suppress(OSError):
        path = cache_path(table.storage, "figures", table.name)
        with open(path, "ab", opener=open_private) as file:
            found = os.fstat(file.fileno())
            if found.st_size + len(data) > _MOST_BYTES or found.st_mtime // _DAY != time.time() // _DAY:
                file.truncate(0)
            file.write(data)


def _line(path: str, text: bytes) -> bytes:
    key = _hex(path.encode())
    return b"\n" + key + _hex(key + text) + text  # first the end of the line before, which may have been cut off


def _is_whole(line: bytes) -> bool:
    return line[_DIGITS : 2 * _DIGITS] == _hex(line[:_DIGITS] + line[2 * _DIGITS :])


def _hex(data: bytes) -> bytes:
    return digest(data, _SIZE).hex().encode()
