"""Build the asset checks, partitioned like their assets. To add a check, add it to the list of its asset."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, partial

import dagster as dg
import polars as pl

from event_platform.checks import conformance, conservation, corruption, gaps, rates, shares, uniqueness, volume
from event_platform.checks.bands import days_before
from event_platform.checks.result import Result
from event_platform.checks.shares import Counted
from event_platform.defs.assets.deduplicated_events import DEDUPLICATED_EVENTS, DUPLICATE_EVENTS
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS, event_key
from event_platform.defs.checks.operation import CheckedAsset, build_operation
from event_platform.defs.checks.publication import build_publication_check
from event_platform.defs.checks.results import Check
from event_platform.defs.checks.table_schema import build_table_schema_checks
from event_platform.defs.resources.platform import RulesResource
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.envelope import Envelope
from event_platform.events.figures import KINDS, REASONS, UNREGISTERED_NAMES
from event_platform.lake.balance import (
    ArrivalBalance,
    DeduplicationBalance,
    arrival_balances,
    count_by_day,
    deduplication_balances,
    typing_balances,
)
from event_platform.lake.file_figures import read_figure
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot


def build_checks(
    catalog: Catalog, partitions: dg.DailyPartitionsDefinition, *, published: bool
) -> list[dg.AssetChecksDefinition]:
    """Return all checks: one operation per platform asset, and two for all event tables.

    With `published`, also the one that every table is in the Iceberg catalog.
    """
    return [
        build_operation("raw_events_checks", [_raw(catalog.envelope, partitions.start.date())], partitions),
        build_operation("deduplicated_events_checks", [_DEDUPLICATED], partitions),
        build_operation("unregistered_events_checks", [_unregistered(catalog)], partitions),
        build_operation("typed_events_checks", list(map(_typed, catalog.event_types)), partitions),
        build_table_schema_checks(catalog),
        *([build_publication_check(catalog)] if published else []),
    ]


@dataclass(frozen=True)
class _RawFigures:
    """Figures for the checks of raw_events."""

    envelope: Envelope
    first_date: date
    lake: Lake
    rules: RulesResource
    dates: list[date]

    @cached_property
    def balances(self) -> list[ArrivalBalance]:
        return arrival_balances(self.lake, self.dates)

    def conservation(self) -> Iterator[tuple[date, Result]]:
        yield from ((each.arrival_date, conservation.check_arrivals(each)) for each in self.balances)

    def corruption(self) -> Iterator[tuple[date, Result]]:
        corrupt = self.lake.corrupt_events.snapshot()
        reasons = count_by_day(corrupt, self.dates, REASONS)
        times = corruption.read_times(corrupt, self.dates, reasons, self.envelope, self.first_date)
        limits = self.rules.corruption_warn_above, self.rules.corruption_error_above
        for each in self.balances:
            day = each.arrival_date
            yield day, rates.check_corruption(each.landed, reasons.get(day, {}), *limits, times.get(day))

    def gaps(self) -> Iterator[tuple[date, Result]]:
        objects = gaps.objects_by_hour(self.lake.raw_events.snapshot(), self.dates)
        yield from ((day, gaps.check_day(day, objects)) for day in self.dates)


def _raw(envelope: Envelope, first_date: date) -> CheckedAsset[_RawFigures]:
    return CheckedAsset(
        [
            Check(
                conservation.NAME,
                RAW_EVENTS,
                "landed = sound + corrupt, and the records of each object are numbered without a gap",
                _RawFigures.conservation,
                blocking=True,
                also=[CORRUPT_EVENTS],
            ),
            Check(
                rates.CORRUPTION,
                RAW_EVENTS,
                "the share of corrupt records is below the limits",
                _RawFigures.corruption,
                also=[CORRUPT_EVENTS],
            ),
            Check(
                gaps.NAME,
                RAW_EVENTS,
                "no hour lacks objects between hours that have some (for streams that deliver in most hours)",
                _RawFigures.gaps,
            ),
        ],
        partial(_RawFigures, envelope, first_date),
    )


@dataclass(frozen=True)
class _DeduplicatedFigures:
    """Figures for the checks of deduplicated_events."""

    lake: Lake
    rules: RulesResource
    dates: list[date]

    @cached_property
    def balances(self) -> list[DeduplicationBalance]:
        return deduplication_balances(self.lake, self.dates)

    def conservation(self) -> Iterator[tuple[date, Result]]:
        yield from ((each.created_date, conservation.check_deduplication(each)) for each in self.balances)

    def uniqueness(self) -> list[tuple[date, Result]]:
        return uniqueness.check_dates(self.lake.deduplicated_events.snapshot(), self.dates)

    def duplication(self) -> Iterator[tuple[date, Result]]:
        limit = self.rules.duplicates_warn_above
        results = {each.created_date: rates.check_duplication(each, limit) for each in self.balances}
        names = self._duplicate_names([day for day, result in results.items() if not result.passed])
        for each in self.balances:
            day = each.created_date
            yield day, rates.check_duplication(each, limit, names[day]) if day in names else results[day]

    def _duplicate_names(self, dates: list[date]) -> dict[date, dict[str, dict[str, int]]]:
        """Count the duplicates of dates that have many, by kind and event name."""
        found: dict[date, dict[str, dict[str, int]]] = {day: {} for day in dates}
        if dates:
            duplicates = self.lake.duplicate_events.snapshot()
            counts = read_figure(duplicates.table, duplicates.files(dates), KINDS, duplicates.schema)
            summed = counts.group_by("created_date", "kind", "event_name").agg(pl.col("rows").sum())
            for day, kind, name, count in summed.sort("event_name").iter_rows():
                found[day].setdefault(kind, {})[name] = count
        return found


_DEDUPLICATED = CheckedAsset(
    [
        Check(
            conservation.NAME,
            DEDUPLICATED_EVENTS,
            "sound = deduplicated + duplicates",
            _DeduplicatedFigures.conservation,
            blocking=True,
            also=[DUPLICATE_EVENTS],
        ),
        Check(
            uniqueness.NAME,
            DEDUPLICATED_EVENTS,
            "no two rows have the same event_uuid",
            _DeduplicatedFigures.uniqueness,
            blocking=True,
        ),
        Check(
            rates.DUPLICATION,
            DEDUPLICATED_EVENTS,
            "the share of redeliveries is below the limit, and no event_uuid has two different contents",
            _DeduplicatedFigures.duplication,
            also=[DUPLICATE_EVENTS],
        ),
    ],
    _DeduplicatedFigures,
)


@dataclass(frozen=True)
class _UnregisteredFigures:
    """Figures for the checks of unregistered_events."""

    lake: Lake
    catalog: Catalog
    dates: list[date]

    def conservation(self) -> Iterator[tuple[date, Result]]:
        balances = typing_balances(self.lake, self.catalog, self.dates)
        yield from ((each.created_date, conservation.check_typing(each)) for each in balances)

    def names(self) -> Iterator[tuple[date, Result]]:
        names = count_by_day(self.lake.unregistered_events.snapshot(), self.dates, UNREGISTERED_NAMES)
        registered = self.catalog.names
        yield from ((day, rates.check_unregistered(names.get(day, {}), registered)) for day in self.dates)


def _unregistered(catalog: Catalog) -> CheckedAsset[_UnregisteredFigures]:
    return CheckedAsset(
        [
            Check(
                conservation.NAME,
                UNREGISTERED_EVENTS,
                "deduplicated = rows of all event tables + unregistered",
                _UnregisteredFigures.conservation,
                blocking=True,
            ),
            Check(
                rates.UNREGISTERED,
                UNREGISTERED_EVENTS,
                "every event name is in the catalog",
                _UnregisteredFigures.names,
            ),
        ],
        lambda lake, _, dates: _UnregisteredFigures(lake, catalog, dates),
    )


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
        """The rows of the dates and of the days that they are compared with."""
        weeks = self.rules.anomaly_weeks
        return self.table.rows_by_date({*self.dates, *(each for day in self.dates for each in days_before(day, weeks))})

    def volume(self) -> Iterator[tuple[date, Result]]:
        limits = self.rules.anomaly_weeks, volume.allowed(self.event_type, self.rules.anomaly_deviations)
        yield from ((day, volume.check_day(day, self.rows, self.today, *limits)) for day in self.dates)

    def nulls(self) -> Iterator[tuple[date, Result]]:
        columns = shares.compared_columns(self.event_type)
        nulls = self.table.nulls_by_date(self.rows)
        days = {
            day: Counted(rows, {column: nulls[day][column] for column in columns if column in nulls[day]})
            for day, rows in self.rows.items()
            if rows
        }
        limits = self.rules.anomaly_weeks, self.rules.anomaly_deviations
        yield from ((day, shares.check_nulls(day, days, self.today, *limits)) for day in self.dates)


def _typed(event_type: EventType) -> CheckedAsset[_TypedFigures]:
    asset = event_key(event_type)

    def figures(lake: Lake, rules: RulesResource, dates: list[date]) -> _TypedFigures:
        # The table is pinned before its source, so that a faster run makes them differ: then rows are counted.
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
