"""The extent of a back-fill, and its cost by the CPU time of the last runs."""

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

#: Number of last days whose CPU time is used.
_DAYS = 30


@dataclass(frozen=True)
class TablePlan:
    """The days of a table that would be rebuilt."""

    table: str
    days: Sequence[date]
    rows: int
    cpu_seconds: float | None  # None if no run has recorded its CPU time
    reasons: Sequence[str]


@dataclass(frozen=True)
class BackfillPlan:
    """All days to rebuild, and the tables that cannot be rebuilt."""

    tables: Sequence[TablePlan]
    failing: Mapping[str, str]
    reports: Sequence[date]  # days whose quality report would be built as well
    uncompared: Mapping[date, str]  # days that are not compared, because every table is due; with the reason

    @property
    def cpu_seconds(self) -> float | None:
        """The estimate for all tables; None if no run has recorded its CPU time."""
        estimates = [each.cpu_seconds for each in self.tables if each.cpu_seconds is not None]
        return sum(estimates) if len(estimates) == len(self.tables) else None

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
            "left": [day.isoformat() for day in self.uncompared],
            "cpu_seconds": self.cpu_seconds,
            "failing": dict(self.failing),
        }


def plan_backfills(lake: Lake, catalog: Catalog, due: DueDates) -> BackfillPlan:
    """Return the rows and CPU seconds of the due dates."""
    backfills = due.backfills
    tables = {each.name: each for each in (lake.unregistered_events, *map(lake.event_table, catalog.event_types))}
    deduplicated = lake.deduplicated_events.snapshot()
    per_row = _seconds_per_row(lake.unregistered_events.snapshot(), deduplicated)
    table_plans = [_plan(tables[name], backfills, per_row) for name in sorted(backfills.due)]
    report_days = {day for name, days in backfills.due.items() for day in days if backfills.changes_rows(name, day)}
    return BackfillPlan(table_plans, backfills.failing, sorted(report_days.union(due.reports)), due.of_platform)


def _plan(table: Table, backfills: Backfills, per_row: float | None) -> TablePlan:
    due = backfills.due[table.name]
    rows = sum(table.snapshot().rows_by_date(due.keys()).values()) + sum(
        backfills.new_days.get(table.name, {}).values()
    )
    seconds = None if per_row is None else rows * per_row
    return TablePlan(table.name, sorted(due), rows, seconds, sorted(set(due.values())))


def _seconds_per_row(unregistered: Snapshot, deduplicated: Snapshot) -> float | None:
    """Return the CPU seconds of typing an event. The log of unregistered_events has the time of all tables."""
    rows = _last_days(deduplicated.rows_by_date())
    seconds = cpu_seconds([unregistered], rows)
    return sum(seconds.values()) / sum(rows[day] for day in seconds) if seconds else None


def _last_days(rows: Mapping[date, int]) -> dict[date, int]:
    return {day: rows[day] for day in sorted(rows)[-_DAYS:] if rows[day]}
