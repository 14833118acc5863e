"""The files added to a table since one of its partitions was read, from the commits in its log."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from event_platform.events.errors import MissingError
from event_platform.lake.commits import Commit, read_commit
from event_platform.lake.snapshot import Snapshot

#: Commits to read, a file each. A partition that lacks more is rebuilt instead.
_COMMITS = 200


def added_since_version(snapshot: Snapshot, version: int) -> set[str] | None:
    """Return the paths of the files added after `version` of the table.

    None if rows were not only added, or if that is unknown: rows were removed, files were compacted before they were
    read, or commits are too many or no longer in the log.
    """
    return _added(snapshot, lambda commit: commit.version <= version, lambda _: True)


def added_since_source_version(snapshot: Snapshot, partition: date, version: int) -> set[str] | None:
    """Return the files added to one partition since the commit that built it from `version` of its source, or None."""
    app_id, values = snapshot.app_id(partition), {snapshot.table.partition_column: partition.isoformat()}
    return _added(
        snapshot,
        lambda commit: commit.transactions.get(app_id) == version,
        lambda action: bool(action.get("partitionValues") == values),
    )


def _added(
    snapshot: Snapshot, reached: Callable[[Commit], bool], concerns: Callable[[dict[str, Any]], bool]
) -> set[str] | None:
    added: set[str] = set()
    moved: set[str] = set()
    for commit in _commits_backwards(snapshot):
        if reached(commit):
            return added
        removed = list(filter(concerns, commit.removed))
        new = {action["path"] for action in filter(concerns, commit.added) if action["dataChange"]}
        if new & moved or any(action["dataChange"] for action in removed):
            return None
        added |= new
        moved.update(action["path"] for action in removed)
    return None


def _commits_backwards(snapshot: Snapshot) -> Iterator[Commit]:
    for version in range(snapshot.version, max(snapshot.version - _COMMITS, -1), -1):
        try:
            yield read_commit(version, snapshot.read_commit)
        except MissingError:  # cleaned up
            return
