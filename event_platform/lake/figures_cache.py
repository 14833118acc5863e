"""Figures of files in a bucket, in the user's cache folder: each footer costs a request.

Each table has one file. Each process appends lines with the figures that it has written or read. The file is emptied
each day, because figures contain values of rows, and these rows may be deleted by then. Each line has a digest; a line
with a wrong digest is ignored, and so is the cache if its folder cannot be used.
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
    """Return the cached figures of a table's files, by path, as text of their footers; none of a folder."""
    if table.storage.is_local or not paths:
        return {}
    try:
        lines = cache_path(table.storage, "figures", table.name).read_bytes().split(b"\n")
    except OSError:
        return {}
    lines_by_key = {line[:_DIGITS]: line for line in lines}
    whole_lines = {path: line for path in paths if (line := lines_by_key.get(_hex(path.encode()))) and _is_whole(line)}
    return {path: line[2 * _DIGITS :].decode() for path, line in whole_lines.items()}


def save_figures(table: TableLocation, figures: Mapping[str, str]) -> None:
    """Cache the figures of a table's files, by path, for later processes."""
    if table.storage.is_local:
        return
    lines = [_line(path, text.encode()) for path, text in figures.items()]
    data = b"".join(line for line in lines if len(line) <= _LONGEST)
    if not data:
        return
    with suppress(OSError):
        path = cache_path(table.storage, "figures", table.name)
        with open(path, "ab", opener=open_private) as file:
            state = os.fstat(file.fileno())
            if state.st_size + len(data) > _MOST_BYTES or state.st_mtime // _DAY != time.time() // _DAY:
                file.truncate(0)
            file.write(data)


def _line(path: str, text: bytes) -> bytes:
    key = _hex(path.encode())
    return b"\n" + key + _hex(key + text) + text  # first the end of the line before, which may have been cut off


def _is_whole(line: bytes) -> bool:
    return line[_DIGITS : 2 * _DIGITS] == _hex(line[:_DIGITS] + line[2 * _DIGITS :])


def _hex(data: bytes) -> bytes:
    return digest(data, _SIZE).hex().encode()
