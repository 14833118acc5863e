"""Expire snapshots before Delta's vacuum deletes their data files, and delete metadata that none needs."""

import time
from collections.abc import Collection
from datetime import timedelta

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.update import RemoveSnapshotsUpdate

from event_platform.publishing.iceberg.cleanup import dropped_files, needed_files
from event_platform.publishing.iceberg.models import model
from event_platform.publishing.iceberg.publish import publish
from event_platform.publishing.iceberg.summary import read_summary
from event_platform.publishing.iceberg.target import METADATA_FOLDER, Target, until_committed

#: Delta's vacuum rounds down to hours, and counts from the time a writer began to replace a file, before its commit.
_MARGIN = timedelta(hours=2)


def expire(target: Target, keep: timedelta, *, dry_run: bool) -> list[str]:
    """Publish the table, expire the snapshots of versions older than `keep`, and delete unreferenced metadata.

    Returns the deleted files, below the lake. With `dry_run` nothing is changed. Raises TableError if the table cannot
    be published, because its readers then need files that Delta has replaced.
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
    expired_ids = _expired_ids(base, now - keep.total_seconds() + _MARGIN.total_seconds())
    live_snapshots = [each for each in base.metadata.snapshots if each.snapshot_id not in expired_ids]
    after = base.metadata.model_copy(update={"snapshots": live_snapshots})
    files = dropped_files(target.io, base.metadata, after)
    files += _orphans(target, base, now - keep.total_seconds())
    if not dry_run:
        if expired_ids:
            target.commit(base, [model(RemoveSnapshotsUpdate, snapshot_ids=list(expired_ids))])
        target.io.delete_files(files)
    return sorted(map(target.io.name, set(files)))


def _expired_ids(base: IcebergTable, cutoff: float) -> Collection[int]:
    """Return all snapshots except the current one whose version is older than a Unix time, or unknown."""
    current_id = base.metadata.current_snapshot_id
    times = {
        each.snapshot_id: version.timestamp if (version := read_summary(each)) else 0
        for each in base.metadata.snapshots
    }
    return [
        snapshot_id
        for snapshot_id, committed in times.items()
        if committed < cutoff * 1000 and snapshot_id != current_id
    ]


def _orphans(target: Target, base: IcebergTable, cutoff: float) -> list[str]:
    """Return unreferenced files older than a time: leftovers of publishers that were killed or lost a race."""
    pages = target.opened.lake.store.pages(f"{target.table.name}/{METADATA_FOLDER}/")
    locations = [target.io.location(each.name) for page in pages for each in page if each.modified.timestamp() < cutoff]
    needed_locations = needed_files(target.io, base.metadata_location, base.metadata) if locations else set()
    return [each for each in locations if each not in needed_locations]
