"""Unreferenced files of metadata. Data files are never deleted here, because they belong to Delta."""

from collections.abc import Iterable
from contextlib import suppress

from pyiceberg.io import FileIO
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from event_platform.publishing.iceberg.manifests import DamagedManifestError, read_manifests


def dropped_files(io: FileIO, before: TableMetadata, after: TableMetadata) -> list[str]:
    """Return the files that only expired snapshots referred to, and metadata that fell out of the metadata log."""
    live_ids = {each.snapshot_id for each in after.snapshots}
    dropped_snapshots = [each for each in before.snapshots if each.snapshot_id not in live_ids]
    # A manifest missing from a snapshot is in no later snapshot: these refer to all old ones that are needed.
    oldest_snapshots = [each for each in after.snapshots if _parent_in(before, each) not in live_ids]
    lists = {each.manifest_list for each in dropped_snapshots}
    manifests = _manifests(io, dropped_snapshots) - _manifests(io, oldest_snapshots) if dropped_snapshots else set()
    metadata = {each.metadata_file for each in before.metadata_log} - {
        each.metadata_file for each in after.metadata_log
    }
    return sorted(lists | manifests | metadata)


def _parent_in(before: TableMetadata, snapshot: Snapshot) -> int | None:
    """Return the parent that a snapshot had before expiry, which removes the reference to an expired parent."""
    return (before.snapshot_by_id(snapshot.snapshot_id) or snapshot).parent_snapshot_id


def _manifests(io: FileIO, snapshots: Iterable[Snapshot]) -> set[str]:
    """Return the manifests of snapshots.

    Snapshots with an unreadable list are skipped: no reader can use them either.
    """
    paths: set[str] = set()
    for snapshot in snapshots:
        with suppress(DamagedManifestError):
            paths.update(manifest.manifest_path for manifest in read_manifests(io, snapshot))
    return paths


def needed_files(io: FileIO, location: str, metadata: TableMetadata) -> set[str]:
    """Return all files that the metadata of a table at `location` refer to."""
    return {
        location,
        *(each.metadata_file for each in metadata.metadata_log),
        *(each.manifest_list for each in metadata.snapshots),
        *_manifests(io, metadata.snapshots),
    }
