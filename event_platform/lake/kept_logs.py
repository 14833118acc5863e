"""Copies of logs in the cache folder of the user: the next process begins with them, and reads what came since.

Each is one file, which is replaced whole, with a digest. What is not as it was written is as if it were not there, and
so is the whole folder where it cannot be used: it takes more requests then. That a copy goes on as the log does is
found out as with one of this process (see log_copy).
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from event_platform.lake.log_copy import LogCopy
from event_platform.lake.user_cache import DIGEST_SIZE, cache_path, digest, open_private
from event_platform.storage.storage import Storage


def load_copy(storage: Storage, log_folder: str) -> LogCopy | None:
    """Return the copy of a log that a process of this user has kept; None where there is none."""
    try:
        kept = _path(storage, log_folder).read_bytes()
        data = kept[DIGEST_SIZE:]
        return msgspec.msgpack.decode(data, type=LogCopy) if kept[:DIGEST_SIZE] == digest(data) else None
    except (OSError, msgspec.MsgspecError):
        return None


def save_copy(storage: Storage, copy: LogCopy) -> None:
    """Keep a copy of a log, for the next process."""
    data = msgspec.msgpack.encode(copy)
    # Not of a name of its own: what a process that is killed leaves behind is written over by the next one.
    with suppress(OSError):
        path = _path(storage, copy.folder)
        part = path.with_suffix(".part")
        with open(part, "wb", opener=open_private) as file:
            file.write(digest(data) + data)
        part.replace(path)


def _path(storage: Storage, log_folder: str) -> Path:
    return cache_path(storage, "logs", log_folder)
