"""A lake at one moment, for commands and checks that read all tables several times."""

from dataclasses import dataclass, field

from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import TableSpec
from event_platform.lake.tables import RecentTable, Table


@dataclass(frozen=True)
class _PinnedTable(Table):
    """A table that is opened once."""

    snapshots: dict[str, Snapshot] = field(default_factory=dict, compare=False, repr=False)

    def snapshot(self) -> Snapshot:
        """Return the same snapshot at each call."""
        if self.name not in self.snapshots:
            self.snapshots[self.name] = super().snapshot()
        return self.snapshots[self.name]


@dataclass(frozen=True)
class PinnedLake(Lake):
    """A lake whose platform tables are opened once: opening one takes requests, and figures of one version agree.

    Its folders are listed once as well.
    """

    snapshots: dict[str, Snapshot] = field(default_factory=dict, compare=False, repr=False)
    folders: dict[tuple[str, ...], list[str]] = field(default_factory=dict, compare=False, repr=False)

    def platform_table(self, spec: TableSpec) -> Table:
        """See Lake."""
        return _PinnedTable(spec, self.storage, self.snapshots)

    def _folders(self, *parts: str) -> list[str]:
        if parts not in self.folders:
            self.folders[parts] = super()._folders(*parts)
        return self.folders[parts]


@dataclass(frozen=True)
class RecentLake(Lake):
    """A lake for checks of what this process has just committed: see RecentTable."""

    def platform_table(self, spec: TableSpec) -> Table:
        """See Lake."""
        return RecentTable(spec, self.storage)
