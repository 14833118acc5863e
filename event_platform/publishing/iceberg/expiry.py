"""Expire snapshots before Delta's vacuum deletes the data files that they name, and delete metadata that none needs."""

import time
from collections.abc import Collection
from datetime import timedelta

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.update import RemoveSnapshotsUpdate

from event_platform.publishing.iceberg.cleanup import dropped_files, needed_files
from event_platform.publishing.iceberg.models import model
from event_platform.publishing.iceberg.publish import publish
from event_platform.publishing.iceberg.summary import published
from event_platform.publishing.iceberg.target import METADATA_FOLDER, Target, until_committed

#: Delta's vacuum rounds down to hours, and goes by when a writer began to replace a file, which is before its commit.
_MARGIN = timedelta(hours=2)


def expire(target: Target, keep: timedelta, *, dry_run: bool) -> list[str]:
    """Publish the table, drop the snapshots of versions from before `keep`, and delete unreferenced metadata.

    Returns the deleted files, below the lake. With `dry_run` nothing is changed. Raises TableError where the table
    cannot be published: its readers need files then that Delta has replaced.
    """
    if target.load() is None:
        return []
    if not dry_run:
        publish(target, verify=True)
    return until_committed(target.table, lambda: _expire(target, keep, dry_run=dry_run))


def _expire(target: Target, keep: timedelta, *, dry_run: bool) -> list[str]:
    base, now = target.load(), time.time()
    if base is None:
        return []
    expired = _expired(base, now - keep.total_seconds() + _MARGIN.total_seconds())
    kept = [each for each in base.metadata.snapshots if each.snapshot_id not in expired]
    after = base.metadata.model_copy(update={"snapshots": kept})
    files = dropped_files(target.io, base.metadata, after)
    files += _orphans(target, base, now - keep.total_seconds())
    if not dry_run:
        if expired:
            target.commit(base, [model(RemoveSnapshotsUpdate, snapshot_ids=list(expired))])
        target.io.delete_files(files)
    return sorted(map(target.io.name, set(files)))


def _expired(base: IcebergTable, oldest: float) -> Collection[int]:
    """Return the snapshots but the current one whose version is from before a time in Unix seconds, or unknown."""
    current = base.metadata.current_snapshot_id
    times = {each.snapshot_id: found.timestamp if (found := published(each)) else 0 for each in base.metadata.snapshots}
    return [number for number, committed in times.items() if committed < oldest * 1000 and number != current]


def _orphans(target: Target, base: IcebergTable, oldest: float) -> list[str]:
    """Return files older than a time that nothing names: of publishers that were killed, or lost against others."""
    pages = target.opened.lake.store.pages(f"{target.table.name}/{METADATA_FOLDER}/")
    old = [target.io.location(each.name) for page in pages for each in page if each.modified.timestamp() < oldest]
    needed = needed_files(target.io, base.metadata_location, base.metadata) if old else set()
    return [each for each in old if each not in needed]
