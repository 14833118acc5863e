"""Copies of logs in the user's cache folder, so that the next process reads only newer commits.

A copy is one file with a digest, and is replaced atomically. A file with another digest is ignored, and so is a folder
that cannot be used; that only costs more requests. As for copies in memory, it is checked that the log continues the
copy (see log_copy).
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from event_platform.lake.log_copy import LogCopy
from event_platform.lake.user_cache import DIGEST_SIZE, cache_path, digest, open_private
from event_platform.storage.storage import Storage


def load_copy(storage: Storage, log_folder: str) -> LogCopy | None:
    """Return the copy of a log that a process of this user has stored; None if there is none."""
    try:
        kept = _path(storage, log_folder).read_bytes()
        data = kept[DIGEST_SIZE:]
        return msgspec.msgpack.decode(data, type=LogCopy) if kept[:DIGEST_SIZE] == digest(data) else None
    except (OSError, msgspec.MsgspecError):
        return None


def save_copy(storage: Storage, copy: LogCopy) -> None:
    """Keep a copy of a log, for the next process."""
    data = msgspec.msgpack.encode(copy)
    # A fixed name: the leftovers of a killed process are overwritten by the next one.
    with suppress(OSError):
        path = _path(storage, copy.folder)
        part = path.with_suffix(".part")
        with open(part, "wb", opener=open_private) as file:
            file.write(digest(data) + data)
        part.replace(path)


def _path(storage: Storage, log_folder: str) -> Path:
    return cache_path(storage, "logs", log_folder)
