"""The checks of an event table, and the figures that they share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

from event_platform.checks import conformance, shares, uniqueness, volume
from event_platform.checks.bands import days_before
from event_platform.checks.result import Result
from event_platform.checks.shares import ColumnCounts
from event_platform.defs.assets.typed_events import event_key
from event_platform.defs.checks.operation import CheckedAsset
from event_platform.defs.checks.results import Check
from event_platform.defs.resources.platform import RulesResource
from event_platform.events.catalog import EventType
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot


@dataclass(frozen=True)
class _TypedFigures:
    """Figures for the checks of an event table."""

    event_type: EventType
    table: Snapshot
    deduplicated: Snapshot
    rules: RulesResource
    dates: list[date]
    today: date

    def uniqueness(self) -> list[tuple[date, Result]]:
        return uniqueness.check_typed_dates(self.event_type, self.table, self.deduplicated, self.dates)

    def conformance(self) -> list[tuple[date, Result]]:
        return conformance.check_dates(self.event_type, self.table, self.dates)

    @cached_property
    def rows(self) -> dict[date, int]:
        """The rows of the dates and of the days before that they are compared with."""
        weeks = self.rules.anomaly_weeks
        return self.table.rows_by_date(
            {*self.dates, *(earlier for day in self.dates for earlier in days_before(day, weeks))}
        )

    def volume(self) -> Iterator[tuple[date, Result]]:
        limits = self.rules.anomaly_weeks, volume.allowed(self.event_type, self.rules.anomaly_deviations)
        yield from ((day, volume.check_day(day, self.rows, self.today, *limits)) for day in self.dates)

    def nulls(self) -> Iterator[tuple[date, Result]]:
        columns = shares.compared_columns(self.event_type)
        nulls = self.table.nulls_by_date(self.rows)
        days = {
            day: ColumnCounts(rows, {column: nulls[day][column] for column in columns if column in nulls[day]})
            for day, rows in self.rows.items()
            if rows
        }
        limits = self.rules.anomaly_weeks, self.rules.anomaly_deviations
        yield from ((day, shares.check_nulls(day, days, self.today, *limits)) for day in self.dates)


def typed_events_checks(event_type: EventType) -> CheckedAsset[_TypedFigures]:
    """Return the checks of an event table."""
    asset = event_key(event_type)

    def figures(lake: Lake, rules: RulesResource, dates: list[date]) -> _TypedFigures:
        # The table is pinned before its source. If a faster run commits in between, they differ, and rows are counted.
        table, deduplicated = lake.event_table(event_type).snapshot(), lake.deduplicated_events.snapshot()
        return _TypedFigures(event_type, table, deduplicated, rules, dates, datetime.now(UTC).date())

    return CheckedAsset(
        [
            Check(
                uniqueness.NAME, asset, "no two rows have the same event_uuid", _TypedFigures.uniqueness, blocking=True
            ),
            Check(
                conformance.NAME,
                asset,
                "values conform to the schema: none rescued, no unknown fields, no broken constraints",
                _TypedFigures.conformance,
            ),
            Check(
                volume.NAME,
                asset,
                "the count is in the band that is usual for this weekday, of the weeks before",
                _TypedFigures.volume,
            ),
            Check(
                shares.NULLS,
                asset,
                "the share of nulls in each column is in the band that is usual for this weekday, of the weeks before",
                _TypedFigures.nulls,
            ),
        ],
        figures,
    )
