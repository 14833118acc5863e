"""Build the asset checks, partitioned like their assets. To add a check, add it to the list of its asset."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

import dagster as dg
import polars as pl

from event_platform.defs.assets.deduplicated_events import DEDUPLICATED_EVENTS, DUPLICATE_EVENTS
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS, event_key
from event_platform.defs.checks import conformance, conservation, gaps, rates, uniqueness, volume
from event_platform.defs.checks.results import Check, Evaluated, Result, evaluate_checks, to_dagster
from event_platform.defs.partitions import dates_of
from event_platform.defs.resources.platform import LakeResource, RulesResource
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.errors import StorageError, raise_panics_as_errors
from event_platform.lake.balance import (
    ArrivalBalance,
    DeduplicationBalance,
    arrival_balances,
    deduplication_balances,
    typing_balances,
)
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Snapshot
from event_platform.storage.polars_errors import each_explained, explained
from event_platform.storage.threads import each_in_turn

#: Tables whose columns are read in parallel: enough to hide the latency of S3, few enough for the memory.
_TABLES_AT_ONCE = 4

F = TypeVar("F")


@dataclass(frozen=True)
class CheckedAsset(Generic[F]):
    """The checks of an asset, and a function that returns the figures that they share."""

    checks: Sequence[Check[F]]
    figures: Callable[[Lake, RulesResource, list[date]], F]


def build_checks(catalog: Catalog, partitions: dg.DailyPartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """Return all checks: one operation per platform asset, and one for all event tables."""
    return [
        build_operation("raw_events_checks", [_RAW], partitions),
        build_operation("deduplicated_events_checks", [_DEDUPLICATED], partitions),
        build_operation("unregistered_events_checks", [_unregistered(catalog)], partitions),
        build_operation("typed_events_checks", list(map(_typed, catalog.event_types)), partitions),
    ]


def build_operation(
    name: str, assets: Sequence[CheckedAsset[Any]], partitions: dg.PartitionsDefinition[Any]
) -> dg.AssetChecksDefinition:
    """Return an operation that evaluates the selected checks of `assets`."""
    # Partitioned checks are a preview in Dagster. Its minor version is pinned and tests cover them.
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):
        specs = [check.spec(partitions) for each in assets for check in each.checks]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    @each_explained
    def evaluate(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, rules: RulesResource
    ) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
        dates, tables = dates_of(context), lake.open()
        selected = [
            (each, checks)
            for each in assets
            if (checks := [check for check in each.checks if check.key in context.selected_asset_check_keys])
        ]

        def evaluate_asset(one: tuple[CheckedAsset[Any], list[Check[Any]]]) -> list[Evaluated]:
            asset, checks = one
            try:
                with explained(), raise_panics_as_errors():
                    return evaluate_checks(checks, asset.figures(tables, rules, dates))
            except Exception as error:
                if isinstance(error, StorageError) and error.may_pass:
                    raise
                # It must not stop the checks of other assets.
                return [(check, day, Result.from_error(error)) for check in checks for day in dates]

        # Not pl.collect_all, which takes three times as long for a hundred small scans.
        by_asset = each_in_turn(evaluate_asset, selected, _TABLES_AT_ONCE)
        found = (result for results in by_asset for result in results)
        yield from to_dagster([check for _, checks in selected for check in checks], dates, found)

    return evaluate


@dataclass(frozen=True)
class _RawFigures:
    """Figures for the checks of raw_events."""

    lake: Lake
    rules: RulesResource
    dates: list[date]

    @cached_property
    def balances(self) -> list[ArrivalBalance]:
        return arrival_balances(self.lake, self.dates)

    def conservation(self) -> Iterator[tuple[date, Result]]:
        yield from ((each.arrival_date, conservation.check_arrivals(each)) for each in self.balances)

    def corruption(self) -> Iterator[tuple[date, Result]]:
        reasons = _counts(self.lake.corrupt_events.snapshot().scan(self.dates), "arrival_date", "corruption_reason")
        limits = self.rules.corruption_warn_above, self.rules.corruption_error_above
        for each in self.balances:
            result = rates.check_corruption(each.landed, reasons.get(each.arrival_date, {}), *limits)
            yield each.arrival_date, result

    def gaps(self) -> Iterator[tuple[date, Result]]:
        objects = gaps.objects_by_hour(self.lake.raw_events.snapshot(), self.dates)
        yield from ((day, gaps.check_day(day, objects)) for day in self.dates)


_RAW = CheckedAsset(
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
    _RawFigures,
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
        yield from ((each.created_date, rates.check_duplication(each, limit)) for each in self.balances)


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
        names = _counts(self.lake.unregistered_events.snapshot().scan(self.dates), "created_date", "event_name")
        yield from ((day, rates.check_unregistered(names.get(day, {}))) for day in self.dates)


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
    dates: list[date]
    today: date

    def uniqueness(self) -> list[tuple[date, Result]]:
        return uniqueness.check_dates(self.table, self.dates)

    def conformance(self) -> list[tuple[date, Result]]:
        return conformance.check_dates(self.event_type, self.table, self.dates)

    def volume(self) -> Iterator[tuple[date, Result]]:
        compared = {*self.dates, *(week for day in self.dates for week in volume.weeks_before(day))}
        counts = self.table.rows_by_date(compared)
        yield from ((day, volume.check_day(day, counts, self.today)) for day in self.dates)


def _typed(event_type: EventType) -> CheckedAsset[_TypedFigures]:
    asset = event_key(event_type)

    def figures(lake: Lake, _: RulesResource, dates: list[date]) -> _TypedFigures:
        table = lake.event_table(event_type).snapshot()
        return _TypedFigures(event_type, table, dates, datetime.now(UTC).date())

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
                "the count is between half and double of the median of this weekday in the last four weeks",
                _TypedFigures.volume,
            ),
        ],
        figures,
    )


def _counts(rows: pl.LazyFrame, day: str, value: str) -> dict[date, dict[str, int]]:
    counted = rows.group_by(day, value).agg(pl.len()).sort(day, value).collect(engine="streaming")
    result: dict[date, Counter[str]] = {}
    for each, what, count in counted.iter_rows():
        result.setdefault(each, Counter())[what] = count
    return {each: dict(counts) for each, counts in result.items()}
