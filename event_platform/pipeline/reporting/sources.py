"""The sources of the quality report of a day: tables, and from the catalog the fields of types with rescued values."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.event import RESCUED_COLUMN
from event_platform.lake.derived import contents, fingerprint
from event_platform.lake.snapshot import Snapshot


@dataclass(frozen=True)
class ReportSources:
    """The source tables of the reports, pinned; `event_tables` is in the order of the catalog."""

    catalog: Catalog
    raw: Snapshot
    deduplicated: Snapshot
    duplicates: Snapshot
    corrupt: Snapshot
    unregistered: Snapshot
    event_tables: Sequence[Snapshot]

    @property
    def tables(self) -> tuple[Snapshot, ...]:
        """All tables."""
        return (self.raw, self.deduplicated, self.duplicates, self.corrupt, self.unregistered, *self.event_tables)

    def fingerprints(self, dates: Collection[date]) -> dict[date, int]:
        """Return the fingerprint of the sources of each date's report."""
        source_contents: dict[date, dict[str, int]] = {day: {} for day in dates}
        for snapshot in (self.raw, self.deduplicated, self.duplicates, self.unregistered, *self.event_tables):
            _note(source_contents, snapshot.table.name, contents(snapshot, dates))
        # Each load of a day commits to it, even without new rows.
        _note(source_contents, self.corrupt.table.name, self.corrupt.rows_by_date(dates))
        for event_type, snapshot in zip(self.catalog.event_types, self.event_tables, strict=True):
            rescued_paths = snapshot.paths_by_date(dates, RESCUED_COLUMN)
            _note(
                source_contents, f"fields of {event_type.name}", dict.fromkeys(rescued_paths, event_type.drift_digest)
            )
        return {day: fingerprint(numbers) for day, numbers in source_contents.items()}


def _note(source_contents: Mapping[date, dict[str, int]], name: str, numbers: Mapping[date, int]) -> None:
    for day, number in numbers.items():
        if day in source_contents:
            source_contents[day][name] = number


def schema_id(event_type: EventType) -> str:
    """Return the app transaction of quality_report with the digest of the schema that a page was drawn from."""
    return f"schema:{event_type.key}"


def with_other_schema(report: Snapshot, event_types: Iterable[EventType]) -> list[EventType]:
    """Return the event types whose page was drawn from another schema than the present one, or an unknown one."""
    return [each for each in event_types if report.transaction(schema_id(each)) != each.schema_digest]
