"""Delete unreferenced files: those of replaced versions and of killed tasks."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from deltalake.exceptions import DeltaError, TableNotFoundError

from event_platform.events.catalog import Catalog
from event_platform.events.errors import MissingError, SettingError, StorageError, TableError
from event_platform.lake.commits import read_commit
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.storage.errors import cause
from event_platform.storage.storage import Storage

_HOUR = timedelta(hours=1)

#: Tolerated lead of this clock over the store's.
_TOLERANCE = timedelta(minutes=5)


#: Called for each table before its vacuum, with the time to keep: expires old versions in other metadata of the same
#: files, and returns the files that it deleted, or would delete in a dry run. Raises an error if the table must not be
#: vacuumed.
Expire = Callable[[Table, timedelta], Sequence[str]]


@dataclass(frozen=True)
class VacuumedTable:
    """A table with its unreferenced files, or the error that prevented finding them."""

    table: Table
    files: Sequence[str] = ()
    error: TableError | StorageError | None = None


def vacuum_all(
    lake: Lake, catalog: Catalog, keep: timedelta, *, dry_run: bool, expire: Expire | None = None
) -> Iterator[VacuumedTable]:
    """Vacuum every table of the lake, one after the other. A failure does not stop the others.

    If other metadata refer to the same files, `expire` is called first; if it fails, the table is not vacuumed. `keep`
    is counted back from the newest commit, so that after a long pause, or with a clock that is ahead, the files of the
    last working days are kept. Raises SettingError if this clock is ahead of the store's.
    """
    require_sound_clock(lake.storage, time.time())
    tables = lake.every_table(catalog.event_types)
    idle = time_since_newest_commit(tables, time.time())
    for table in tables:
        try:
            expired = [] if expire is None else expire(table, keep + idle)
            yield VacuumedTable(table, [*expired, *vacuum(table, keep + idle, dry_run=dry_run)])
        except (TableError, StorageError) as error:
            yield VacuumedTable(table, error=error)


def require_sound_clock(storage: Storage, now: float) -> None:
    """Raise SettingError where `now` (Unix seconds) is ahead of the store's clock: by it, young files would be old."""
    ahead = timedelta(seconds=round(now - storage.clock()))
    if ahead > _TOLERANCE:
        raise SettingError(
            f"the clock of this machine is {ahead} ahead of that of {storage.root}: files of which a run has need "
            "would be deleted as old; set the clock (keep chrony or the host's time service running), and try again"
        )


def time_since_newest_commit(tables: Iterable[Table], now: float) -> timedelta:
    """Return the time from the newest commit to any of the tables until `now` (Unix seconds); 0 without a commit.

    Tables that cannot be read are skipped here; vacuuming them reports the error.
    """
    return timedelta(seconds=max(now - max(map(_newest_commit, tables), default=now), 0))


def _newest_commit(table: Table) -> float:
    """Return the time of the last commit of a table, by the clock of its writer; 0 without a commit."""
    try:
        snapshot = table.snapshot()
        commit = None if snapshot.delta is None else read_commit(snapshot.version, snapshot.read_commit)
    except (TableError, MissingError):
        return 0
    return 0 if commit is None else float(commit.info.get("timestamp", 0)) / 1000


def vacuum(table: Table, keep: timedelta, *, dry_run: bool) -> list[str]:
    """Delete the files of a table that no version within the time to `keep` needs, and return them.

    Files that were never committed are deleted as well if they are older than that; younger ones may belong to a run
    that is about to commit. Old versions become unreadable. The result includes files that are already gone, until the
    log forgets them after a week. With `dry_run` nothing is deleted. Raises TableStorageError.
    """
    try:
        delta = table.open_log().delta  # not a shared snapshot, because this one is changed in place
    except TableNotFoundError:
        return []
    try:
        return delta.vacuum(keep // _HOUR, dry_run, enforce_retention_duration=False, full=True)
    except (DeltaError, OSError) as error:
        raise table.storage_error("its old files cannot be deleted", error) from cause(error)
