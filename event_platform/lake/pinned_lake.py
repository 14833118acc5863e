"""A lake at one moment, for commands that look at all tables several times."""

from dataclasses import dataclass, field, fields

from event_platform.events.catalog import EventType
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Snapshot, Table


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
    """A lake whose platform tables are opened once: opening one takes requests, and figures of one version agree."""

    snapshots: dict[str, Snapshot] = field(default_factory=dict, compare=False, repr=False)

    @property
    def raw_events(self) -> Table:
        """See Lake."""
        return self._pin(super().raw_events)

    @property
    def corrupt_events(self) -> Table:
        """See Lake."""
        return self._pin(super().corrupt_events)

    @property
    def deduplicated_events(self) -> Table:
        """See Lake."""
        return self._pin(super().deduplicated_events)

    @property
    def duplicate_events(self) -> Table:
        """See Lake."""
        return self._pin(super().duplicate_events)

    @property
    def unregistered_events(self) -> Table:
        """See Lake."""
        return self._pin(super().unregistered_events)

    def event_table(self, event_type: EventType) -> Table:
        """See Lake."""
        return self._pin(super().event_table(event_type))

    def _pin(self, table: Table) -> Table:
        values = {each.name: getattr(table, each.name) for each in fields(Table)}
        return _PinnedTable(**values, snapshots=self.snapshots)
