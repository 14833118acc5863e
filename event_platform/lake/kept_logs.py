"""Copies of logs in the user's cache folder, so that the next process reads only newer commits.

A copy is one file with a digest, and is replaced atomically. A file with another digest is ignored, and so is a folder
that cannot be used; that only costs more requests. As for copies in memory, it is checked that the log continues the
copy (see log_copy).
"""

import os
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path
from stat import S_IWGRP, S_IWOTH

import msgspec

from event_platform.lake.log_copy import LogCopy
from event_platform.storage.storage import Storage

_DIGEST_SIZE = 16


def load_copy(storage: Storage, log_folder: str) -> LogCopy | None:
    """Return the copy of a log that a process of this user has stored; None if there is none."""
    try:
        stored = _path(storage, log_folder).read_bytes()
        digest, data = stored[:_DIGEST_SIZE], stored[_DIGEST_SIZE:]
        return msgspec.msgpack.decode(data, type=LogCopy) if digest == _digest(data) else None
    except (OSError, msgspec.MsgspecError):
        return None


def save_copy(storage: Storage, copy: LogCopy) -> None:
    """Keep a copy of a log, for the next process."""
    data = msgspec.msgpack.encode(copy)
    # A fixed name: the leftovers of a killed process are overwritten by the next one.
    with suppress(OSError):
        path = _path(storage, copy.folder)
        part = path.with_suffix(".part")
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(_digest(data) + data)
        part.replace(path)


def _path(storage: Storage, log_folder: str) -> Path:
    """Return the path for the copy of a log. Raises OSError without a folder that only this user can write."""
    address = f"{storage.options.get('endpoint', '')} {storage.uri(log_folder)}"
    folder = _cache() / "event-platform" / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stat = folder.stat()
    if stat.st_uid != os.geteuid() or stat.st_mode & (S_IWGRP | S_IWOTH):
        raise PermissionError(f"{folder}: others can write to it")
    return folder / sha256(address.encode()).hexdigest()


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return folder if folder.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise FileNotFoundError("there is no home") from error


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_SIZE).digest()
