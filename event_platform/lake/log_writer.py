"""Commits to tables that are in a bucket: delta-rs writes them into a copy of the log, from where they are put.

The put is the commit: it is refused where there is a commit of that version. delta-rs itself would ask the store a
dozen times for what the copy has.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deltalake import DeltaTable

from event_platform.events.errors import StorageError
from event_platform.lake.log_copy import (
    LAST_CHECKPOINT,
    LOG,
    LogCopy,
    catch_up,
    checkpoint_name,
    commit_name,
    unpacked,
)
from event_platform.storage.store import ChangedError, Store

#: Other partitions' writers may get in between this often; each try costs a round to the store.
COMMIT_RETRIES = 100

#: A version of a table, and the copy of its log.
Made = tuple[DeltaTable, LogCopy]


def create_log(store: Store, folder: str, create: Callable[[str], DeltaTable]) -> Made:
    """Put the log of a table that `create` makes in a folder of this machine.

    Raises ChangedError where another writer was first.
    """
    with unpacked({}) as made:
        delta = create(str(made))
        data = _located((made / LOG / commit_name(0)).read_bytes(), store.uri(folder.removesuffix(f"/{LOG}")))
    tag = store.swap(f"{folder}/{commit_name(0)}", data, None)
    return delta, LogCopy(folder, 0, tag, {commit_name(0): data})


def write_commit(copy: LogCopy, store: Store, write: Callable[[DeltaTable], None]) -> Made:
    """Have `write` commit on top of a version, and put the commit into the log.

    Where others were faster, it is written again on top of theirs: `write` raises CommitFailedError where delta-rs
    sees a conflict. Raises ChangedError where the log is another one, and StorageError where the put failed.
    """
    latest: LogCopy | None = copy
    for _ in range(COMMIT_RETRIES):
        if latest is None:
            break
        with unpacked(latest.files) as folder:
            delta = DeltaTable(str(folder), copy.version)
            write(delta)
            delta.update_incremental()
            with suppress(ChangedError):
                return delta, _put_next(latest, store, folder / LOG)
        latest = catch_up(latest, store)
    raise ChangedError(f"{store.uri(copy.folder)}: others have written it")


def _put_next(copy: LogCopy, store: Store, log: Path) -> LogCopy:
    """Put the commit that delta-rs has written into a folder, and its checkpoint; return the copy with both."""
    name = commit_name(copy.version + 1)
    data = (log / name).read_bytes()
    copy = copy.with_commit(data, store.swap(copy.path(name), data, None))
    checkpoint = log / checkpoint_name(copy.version)
    if not checkpoint.exists():
        return copy
    with suppress(StorageError):  # the commit is made, and the next checkpoint has all of this one
        for path in (checkpoint, log / LAST_CHECKPOINT):
            store.write(copy.path(path.name), path.read_bytes())
    return copy.with_checkpoint(checkpoint.read_bytes())


def _located(commit: bytes, uri: str) -> bytes:
    """Return the commit that created a table, with the address that the table has."""
    actions = [json.loads(line) for line in commit.splitlines()]
    for action in actions:
        if "commitInfo" in action:
            action["commitInfo"]["operationParameters"]["location"] = uri
    return "\n".join(json.dumps(action, separators=(",", ":")) for action in actions).encode()
