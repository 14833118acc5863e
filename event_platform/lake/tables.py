"""Tables for the rest of the platform: pin a version to read it, or to commit on top of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl
from deltalake.exceptions import TableNotFoundError

from event_platform.events.errors import TableError
from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.location import TableLocation
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.snapshot_cache import latest_snapshot, recent_snapshot, take
from event_platform.lake.specs import spec_of_schema
from event_platform.lake.table_commit import TableCommit


@dataclass(frozen=True)
class Table(TableLocation):
    """A table of the lake, which may not exist yet."""

    def snapshot(self) -> Snapshot:
        """Pin the table as it is now, for reading; a missing table is empty, at version -1."""
        return self._pinned(latest_snapshot)

    def recent_snapshot(self) -> Snapshot:
        """Pin the table as this process saw it within the last minute, if it is in a bucket; else as it is now.

        For checks of this process's own commits, all of which it includes.
        """
        return self._pinned(recent_snapshot)

    def snapshot_to_write(self, *, may_be_recent: bool = False) -> Snapshot:
        """Pin the table as it is now, to commit on top of it; a missing table is created first.

        If it `may_be_recent` (see `recent_snapshot`), a newer commit of another writer is a conflict, as always.
        Columns that the definition adds are in its log from then on, with their field ids, so that no other writer uses
        the same ids for other columns. (A table without partitions gets them with its files, all of which are new, and
        so does one with a widened column: see `Snapshot.retyped`.) Raises SettingError if the store would lose commits,
        and TableError if the table cannot get the columns of its definition.
        """
        self.storage.check()
        pin = self.recent_snapshot if may_be_recent else self.snapshot
        return retry_on_conflict(lambda: self._snapshot_to_write(pin()))

    def _snapshot_to_write(self, snapshot: Snapshot) -> Snapshot:
        snapshot = take(Snapshot(self, self.create_log()) if snapshot.delta is None else snapshot)
        partition_columns = [] if snapshot.delta is None else snapshot.delta.metadata().partition_columns
        if partition_columns != self.spec.partition_by:
            raise TableError(
                f"{self.uri}: the table is partitioned by {partition_columns}, and what is to be written by "
                f"{self.spec.partition_by}. Give it another name, or delete the table and materialize it again."
            )
        if not snapshot.has_new_schema or snapshot.retyped or self.partition_column is None:
            return snapshot
        TableCommit(snapshot).commit_schema()
        return take(self.snapshot())

    def _pinned(self, pin: Callable[[TableLocation], Snapshot]) -> Snapshot:
        try:
            return pin(self)
        except TableNotFoundError:
            return Snapshot(self, None)


class FoundTable(Table):
    """A table known only by name: its columns and partitions are read from its log."""

    def snapshot(self) -> Snapshot:
        """See Table. A table that is not partitioned by dates can only be read as a whole."""
        snapshot = super().snapshot()
        if snapshot.delta is None:
            return snapshot
        metadata, schema = snapshot.delta.metadata(), snapshot.stored_schema
        column = next(iter(metadata.partition_columns), None)
        by_date = metadata.partition_columns == [column] and schema[str(column)] == pl.Date
        spec = spec_of_schema(self.name, schema, column if by_date else None, metadata.description or "")
        return replace(snapshot, table=Table(spec, self.storage))
