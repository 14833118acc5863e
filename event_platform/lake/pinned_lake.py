"""A lake at one moment, for commands and checks that read all tables several times."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from event_platform.events.catalog import EventType
from event_platform.lake.lake import Lake
from event_platform.lake.listing import LakeListing
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.snapshot_cache import listed_snapshot
from event_platform.lake.specs import TableSpec
from event_platform.lake.tables import Table
from event_platform.storage.threads import map_threads


@dataclass(frozen=True)
class _PinnedTable(Table):
    """A table that is opened once."""

    lake: "PinnedLake" = field(compare=False, repr=False)

    def snapshot(self) -> Snapshot:
        """Return the same snapshot at each call."""
        snapshots, table = self.lake.snapshots, Table(self.spec, self.storage)
        if self.name not in snapshots:
            snapshots[self.name] = table.recent_snapshot() if self.lake.is_recent else table.snapshot()
        return snapshots[self.name]


@dataclass(frozen=True)
class PinnedLake(Lake):
    """A lake whose platform tables are opened only once: this saves requests, and all figures are of one version.

    Its folders are listed once as well. If it `is_recent`, it starts with snapshots that this process has committed or
    checked within the last minute: see `Table.recent_snapshot`.
    """

    is_recent: bool = False
    snapshots: dict[str, Snapshot] = field(default_factory=dict, compare=False, repr=False)
    folders: dict[tuple[str, ...], list[str]] = field(default_factory=dict, compare=False, repr=False)

    def platform_table(self, spec: TableSpec) -> Table:
        """See Lake."""
        return _PinnedTable(spec, self.storage, self)

    def list_files(self, event_types: Sequence[EventType]) -> LakeListing:
        """See Lake. Tables that a cached snapshot or log copy shows to be unchanged are pinned without a request."""
        listed = super().list_files(event_types)
        if self.storage.is_local:  # whose logs are looked at as fast
            return listed
        tables = [
            Table(table.spec, table.storage) for table in self.tables(event_types) if table.name in listed.commits
        ]
        unpinned = [table for table in tables if table.name not in self.snapshots]
        snapshots = map_threads(
            lambda table: listed_snapshot(table, *listed.commits[table.name]), unpinned, self.storage.threads
        )
        self.snapshots.update({snapshot.table.name: snapshot for snapshot in snapshots if snapshot is not None})
        return listed

    def _folders(self, *parts: str) -> list[str]:
        if parts not in self.folders:
            self.folders[parts] = super()._folders(*parts)
        return self.folders[parts]
