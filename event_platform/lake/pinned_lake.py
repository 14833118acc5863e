"""A lake at one moment, for commands and checks that read all tables several times."""

from dataclasses import dataclass, field

from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import TableSpec
from event_platform.lake.tables import Table


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
    """A lake whose platform tables are opened once: opening one takes requests, and figures of one version agree.

    Its folders are listed once as well. One that `is_recent` begins with what this process has committed or looked at
    within the last minute: see `Table.recent_snapshot`.
    """

    is_recent: bool = False
    snapshots: dict[str, Snapshot] = field(default_factory=dict, compare=False, repr=False)
    folders: dict[tuple[str, ...], list[str]] = field(default_factory=dict, compare=False, repr=False)

    def platform_table(self, spec: TableSpec) -> Table:
        """See Lake."""
        return _PinnedTable(spec, self.storage, self)

    def _folders(self, *parts: str) -> list[str]:
        if parts not in self.folders:
            self.folders[parts] = super()._folders(*parts)
        return self.folders[parts]
