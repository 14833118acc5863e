"""Files in the cache folder of the user, which only that user writes: what a process keeps of a bucket for the next."""

import os
from hashlib import blake2b, sha256
from pathlib import Path
from stat import S_IWGRP, S_IWOTH

from event_platform.storage.storage import Storage

DIGEST_SIZE = 16


def cache_path(storage: Storage, kind: str, folder: str) -> Path:
    """Return the file with what is kept, of one `kind`, of a folder of the lake.

    Raises OSError where there is no place for it that only this user writes.
    """
    address = f"{storage.options.get('endpoint', '')} {storage.uri(folder)}"
    place = _cache() / "event-platform" / kind
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = place.stat()
    if found.st_uid != os.geteuid() or found.st_mode & (S_IWGRP | S_IWOTH):
        raise PermissionError(f"{place}: others can write to it")
    return place / sha256(address.encode()).hexdigest()


def open_private(name: str, flags: int) -> int:
    """Open a file that only this user reads, as an opener of `open`."""
    return os.open(name, flags, 0o600)


def digest(data: bytes, size: int = DIGEST_SIZE) -> bytes:
    """Return a digest of `size` bytes."""
    return blake2b(data, digest_size=size).digest()


def _cache() -> Path:
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise FileNotFoundError("there is no home") from error
