"""Cached snapshots of this process: a table is opened again only if its log has newer commits.

Opening a table in a bucket takes two requests, and one for each file of its log since the last checkpoint. Looking for
newer commits takes one request (two once a minute), and one for each commit; this also applies to a new process that
starts from the copies of another one (see log_cache). Data read through a snapshot is cached with it.
"""

import math
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from event_platform.events.errors import StorageError
from event_platform.lake import app_transactions, history
from event_platform.lake.location import OpenedLog, TableLocation
from event_platform.lake.log_cache import load_copy, save_copy
from event_platform.lake.log_copy import catch_up
from event_platform.lake.snapshot import Snapshot

#: Seconds for which a snapshot in a bucket counts as recent. For this long, a replaced log goes unnoticed, unless it
#: has more commits than the cached one.
_RECENT = 60.0


@dataclass(frozen=True)
class _CachedSnapshot:
    """A snapshot, and the tag of its last commit with the `time.monotonic` at which the log was seen to have it."""

    snapshot: Snapshot
    tag: str
    seen: float

    @property
    def is_recent(self) -> bool:
        return time.monotonic() - self.seen < _RECENT

    def of(self, table: TableLocation) -> Snapshot:
        return self.snapshot if self.snapshot.table == table else Snapshot(table, self.snapshot.opened)


#: Snapshots by the key of the table; the least recently used are dropped.
_CACHE: OrderedDict[str, _CachedSnapshot] = OrderedDict()
_LOCK = Lock()  # tables are opened side by side
_MOST = 2_000

#: Number of new commits above which copying the log again takes fewer requests.
_MOST_NEW = 30


def latest_snapshot(table: TableLocation) -> Snapshot:
    """Return a snapshot of a table as it is now.

    Raises TableNotFoundError, and TableStorageError for other failures.
    """
    cached = _CACHE.get(table.key)
    known = None if cached is None else cached.snapshot.opened
    if table.storage.is_local or (known is not None and known.copy is None):
        opened = _latest_in_log(table, known, "" if cached is None else cached.tag)
    else:
        opened = _latest_copy(table, known, is_recent=cached is not None and cached.is_recent)
    if cached is not None and opened is known:
        return cached.of(table)
    snapshot = Snapshot(table, opened)
    cache_snapshot(snapshot, table.commit_tag(opened.version) if opened.copy is None else opened.copy.tag)
    return snapshot


def recent_snapshot(table: TableLocation) -> Snapshot:
    """Return the latest snapshot; in a bucket, one that this process made or checked within the last minute.

    For checks of this process's own commits, all of which it includes. Errors as for `latest_snapshot`.
    """
    cached = _CACHE.get(table.key)
    if cached is None or cached.snapshot.copy is None or not cached.is_recent:
        return latest_snapshot(table)
    return cached.of(table)


def listed_snapshot(table: TableLocation, version: int, tag: str) -> Snapshot | None:
    """Return the cached snapshot of a version that a listing shows to be the latest; None if it differs.

    `tag` is the tag of its commit in the listing (see Entry). Sends no request.
    """
    cached = _CACHE.get(table.key)
    copy = load_copy(table.storage, table.log_folder) if cached is None else cached.snapshot.copy
    if copy is None or (copy.version, copy.tag.strip('"')) != (version, tag):
        _see(table.key, never=True)
        return None
    if cached is not None:
        _see(table.key)
        return cached.of(table)
    if (opened := table.open_copy(copy)) is None:
        return None
    snapshot = Snapshot(table, opened)
    cache_snapshot(snapshot, copy.tag)
    return snapshot


def _latest_in_log(table: TableLocation, known: OpenedLog | None, tag: str) -> OpenedLog:
    goes_on = known is not None and table.commit_tag(known.version) == tag
    if known is not None and goes_on and _is_latest(known, table):
        return known
    if not goes_on:
        _forget(table)
    return table.open_log()


def _latest_copy(table: TableLocation, known: OpenedLog | None, *, is_recent: bool) -> OpenedLog:
    copy = load_copy(table.storage, table.log_folder) if known is None else known.copy
    try:
        latest = None if copy is None else catch_up(copy, table.storage.store, _MOST_NEW, is_checked=is_recent)
    except StorageError as error:
        raise table.request_error("the table cannot be opened", error) from error
    if known is not None and latest is copy is not None:
        if not is_recent:
            _see(table.key)
        return known
    if latest is None:
        _forget(table)
    opened = None if latest is None or latest.is_long else table.open_copy(latest)
    return opened or table.copy_log()


def _see(key: str, *, never: bool = False) -> None:
    """Note that the log of a table still matches its cached snapshot; with `never`, that this must be checked again."""
    with _LOCK:
        if (cached := _CACHE.get(key)) is not None:
            _CACHE[key] = replace(cached, seen=-math.inf if never else time.monotonic())


def _forget(table: TableLocation) -> None:
    """Clear the caches of a log: it may have been replaced, or restored to an older state."""
    app_transactions.forget(table.key)
    history.forget(table.key)


def take(snapshot: Snapshot) -> Snapshot:
    """Remove a snapshot from the cache and return it, for a commit on top of it, which changes it in place.

    A snapshot with a copy of the log stays: a commit on top of it makes a new copy.
    """
    if snapshot.copy is not None:
        return snapshot
    with _LOCK:
        _CACHE.pop(snapshot.table.key, None)
    return replace(snapshot, is_taken=True)


def move_on(snapshot: Snapshot, delta: DeltaTable, version: int) -> None:
    """Cache the version that a commit on top of a snapshot has made, by reading the new part of the log.

    Only for a snapshot that was taken: another writer may be about to commit on top of any other. Earlier readers of
    the snapshot reopen its version on demand.
    """
    if not snapshot.is_taken or snapshot.opened is None:
        return
    table, _ = snapshot.table, snapshot.opened.add_actions  # read now: later, `delta` is at another version
    with suppress(DeltaError, OSError, StorageError):  # the commit is made; the table is opened again when asked for
        delta.update_incremental()
        if delta.version() == version:
            opened = OpenedLog(delta, table.storage.for_delta(), version)
            cache_snapshot(Snapshot(table, opened), table.commit_tag(version))


def cache_snapshot(snapshot: Snapshot, tag: str | None) -> None:
    """Cache the latest snapshot of a table with the tag of its last commit; nothing without a tag."""
    if snapshot.copy is not None:
        save_copy(snapshot.table.storage, snapshot.copy)
    with _LOCK:
        _CACHE.pop(snapshot.table.key, None)
        if tag is not None:
            _CACHE[snapshot.table.key] = _CachedSnapshot(snapshot, tag, time.monotonic())
        if len(_CACHE) > _MOST:
            _CACHE.popitem(last=False)


def _is_latest(opened: OpenedLog, table: TableLocation) -> bool:
    return table.commit_tag(opened.version + 1) is None and opened.has_options_of(table.storage)
