"""Files of metadata that nothing names any more. Data files are never deleted here: they are Delta's."""

from collections.abc import Iterable
from contextlib import suppress

from pyiceberg.io import FileIO
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from event_platform.publishing.iceberg.manifests import DamagedError, read_manifests


def dropped_files(io: FileIO, before: TableMetadata, after: TableMetadata) -> list[str]:
    """Return the files that only snapshots named which a commit has dropped, and metadata that fell out of its log."""
    kept = {each.snapshot_id for each in after.snapshots}
    dropped = [each for each in before.snapshots if each.snapshot_id not in kept]
    # A manifest that a snapshot lacks is in none that came after it: these name all of the old ones that are needed.
    oldest = [each for each in after.snapshots if _parent_in(before, each) not in kept]
    lists = {each.manifest_list for each in dropped}
    manifests = _manifests(io, dropped) - _manifests(io, oldest) if dropped else set()
    metadata = {each.metadata_file for each in before.metadata_log} - {
        each.metadata_file for each in after.metadata_log
    }
    return sorted(lists | manifests | metadata)


def _parent_in(before: TableMetadata, snapshot: Snapshot) -> int | None:
    """Return the parent of a snapshot as it was: it is taken from one whose parent is dropped."""
    return (before.snapshot_by_id(snapshot.snapshot_id) or snapshot).parent_snapshot_id


def _manifests(io: FileIO, snapshots: Iterable[Snapshot]) -> set[str]:
    """Return the manifests of snapshots. What the list of one cannot say, no reader finds either."""
    found: set[str] = set()
    for each in snapshots:
        with suppress(DamagedError):
            found.update(manifest.manifest_path for manifest in read_manifests(io, each))
    return found


def needed_files(io: FileIO, location: str, metadata: TableMetadata) -> set[str]:
    """Return all files that the metadata of a table, which are at `location`, name."""
    return {
        location,
        *(each.metadata_file for each in metadata.metadata_log),
        *(each.manifest_list for each in metadata.snapshots),
        *_manifests(io, metadata.snapshots),
    }
