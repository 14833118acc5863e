"""What a back-fill would write, and what it would cost by the CPU time of the last runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform.pipeline.backfill.find import Backfills
from event_platform.pipeline.cpu_time import cpu_seconds
from event_platform.pipeline.due_dates import DueDates

#: The last days whose CPU time is looked at.
_DAYS = 30


@dataclass(frozen=True)
class TablePlan:
    """The days of a table that would be rebuilt."""

    table: str
    days: Sequence[date]
    rows: int
    cpu_seconds: float | None  # None where no run has said its CPU time
    reasons: Sequence[str]


@dataclass(frozen=True)
class BackfillPlan:
    """All days that would be rebuilt, and the tables that cannot be."""

    tables: Sequence[TablePlan]
    failing: Mapping[str, str]
    reports: Sequence[date]  # days whose quality report would be built as well
    left: Mapping[date, str]  # days on which every table is due, and why: these are not compared

    @property
    def cpu_seconds(self) -> float | None:
        """The estimate of all tables; None where no run has said its CPU time."""
        known = [each.cpu_seconds for each in self.tables if each.cpu_seconds is not None]
        return sum(known) if len(known) == len(self.tables) else None

    def as_json(self) -> dict[str, Any]:
        """Return all of it for `--json`."""
        tables = [
            {
                "table": each.table,
                "days": [day.isoformat() for day in each.days],
                "rows": each.rows,
                "cpu_seconds": each.cpu_seconds,
                "reasons": list(each.reasons),
            }
            for each in self.tables
        ]
        return {
            "tables": tables,
            "reports": len(self.reports),
            "left": [day.isoformat() for day in self.left],
            "cpu_seconds": self.cpu_seconds,
            "failing": dict(self.failing),
        }


def plan_backfills(lake: Lake, catalog: Catalog, due: DueDates) -> BackfillPlan:
    """Add rows and CPU seconds to what is due."""
    backfills = due.backfills
    tables = {each.name: each for each in (lake.unregistered_events, *map(lake.event_table, catalog.event_types))}
    deduplicated = lake.deduplicated_events.snapshot()
    per_row = _seconds_per_row(lake.unregistered_events.snapshot(), deduplicated)
    planned = [_plan(tables[name], backfills, per_row) for name in sorted(backfills.due)]
    beside = {day for name, days in backfills.due.items() for day in days if backfills.changes_rows(name, day)}
    return BackfillPlan(planned, backfills.failing, sorted(beside.union(due.reports)), due.of_platform)


def _plan(table: Table, backfills: Backfills, per_row: float | None) -> TablePlan:
    due = backfills.due[table.name]
    rows = sum(table.snapshot().rows_by_date(due.keys()).values()) + sum(backfills.new.get(table.name, {}).values())
    seconds = None if per_row is None else rows * per_row
    return TablePlan(table.name, sorted(due), rows, seconds, sorted(set(due.values())))


def _seconds_per_row(typed: Snapshot, deduplicated: Snapshot) -> float | None:
    """Return the CPU seconds in which an event was typed. The log of unregistered_events has those of all tables."""
    rows = _last(deduplicated.rows_by_date())
    seconds = cpu_seconds([typed], rows)
    return sum(seconds.values()) / sum(rows[day] for day in seconds) if seconds else None


def _last(rows: Mapping[date, int]) -> dict[date, int]:
    return {day: rows[day] for day in sorted(rows)[-_DAYS:] if rows[day]}
