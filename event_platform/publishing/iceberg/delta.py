"""The version of a Delta table to publish: its files and schema, and the changes since another version."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from event_platform.events.errors import MissingError, TableError
from event_platform.lake.commits import Commit, read_commit
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.snapshot_cache import latest_snapshot
from event_platform.lake.tables import Table

#: Maximum number of commits to read, one file each. Beyond it, the files are compared with those in Iceberg.
_MAX_COMMITS = 100

#: Features of tables whose files also have deleted rows, or other column names than the table.
_UNREADABLE_FEATURES = frozenset({"deletionVectors", "columnMapping"})


@dataclass(frozen=True)
class Changes:
    """The files added and removed between two versions of a table, by path, from the log."""

    added: Collection[str]
    removed: Collection[str]
    has_new_schema: bool  # or may have one: the metadata of the table changed


@dataclass(frozen=True)
class DeltaVersion:
    """The latest version of a Delta table."""

    table: Table
    snapshot: Snapshot
    delta: DeltaTable

    @property
    def version(self) -> int:
        """The number of the version."""
        return self.snapshot.version

    @cached_property
    def table_id(self) -> str:
        """The id that the table was created with: another table at the same address has another one."""
        return str(self.delta.metadata().id)

    @property
    def partition_columns(self) -> list[str]:
        """The columns that the table is partitioned by."""
        return list(self.delta.metadata().partition_columns)

    @property
    def file_count(self) -> int:
        """How many files the version has."""
        return self.snapshot.file_count

    @cached_property
    def timestamp(self) -> int:
        """The time of the version's commit in Unix milliseconds, by the clock of its writer; 0 if unknown."""
        return self.timestamp_of(self.version) or 0

    def timestamp_of(self, version: int) -> int | None:
        """Return the time of a version's commit; None if it was cleaned up."""
        try:
            lines = self.snapshot.read_commit(version).splitlines()
        except MissingError:
            return None
        infos = [json.loads(line) for line in lines if b'"commitInfo"' in line]
        return next((int(info["commitInfo"].get("timestamp", 0)) for info in infos if "commitInfo" in info), 0)

    def files(self, paths: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Return rows of the log for the files with the given paths (all without them), with their statistics."""
        log = self.snapshot.opened
        if log is None or not log.add_actions.num_rows:
            return []
        rows = pl.DataFrame(log.add_actions)
        return (rows if paths is None else rows.filter(pl.col("path").is_in(list(paths)))).to_dicts()

    @property
    def paths(self) -> set[str]:
        """The paths of all files."""
        log = self.snapshot.opened
        return set() if log is None else set(log.add_actions.column("path").to_pylist())

    def changes_since(self, version: int) -> Changes | None:
        """Return the changes since an earlier version; None if its commits are too many or were cleaned up."""
        if not 0 <= self.version - version <= _MAX_COMMITS:
            return None
        added, removed, has_new_schema = dict[str, None](), set[str](), False
        try:
            for number in range(version + 1, self.version + 1):
                has_new_schema |= b'"metaData"' in self.snapshot.read_commit(number)
                commit = self._commit(number)
                for path in _paths(commit.removed):
                    if added.pop(path, removed) is removed:
                        removed.add(path)
                added |= dict.fromkeys(_paths(commit.added))
        except MissingError:  # cleaned up
            return None
        return Changes(added, removed, has_new_schema)

    def _commit(self, version: int) -> Commit:
        return read_commit(version, self.snapshot.read_commit)


def _paths(actions: list[dict[str, Any]]) -> list[str]:
    return [action["path"] for action in actions]


def latest_version(table: Table) -> DeltaVersion | None:
    """Return the latest version of a table; None if it does not exist. Raises TableError if Iceberg cannot read it."""
    try:
        snapshot = latest_snapshot(table)
    except TableNotFoundError:
        return None
    delta = snapshot.delta
    if delta is None:
        return None
    features = _UNREADABLE_FEATURES.intersection(delta.protocol().reader_features or [])
    if features:
        raise TableError(
            f"{table.name}: Iceberg cannot read a Delta table with {' and '.join(sorted(features))}. "
            "Turn that off for the table, and have its files rewritten"
        )
    return DeltaVersion(table, snapshot, delta)


def file_name(path: str) -> str:
    """Return the path of a file below its table: the log has it encoded as in a URI."""
    return unquote(path)
