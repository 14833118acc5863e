"""The asset checks of the platform, each partitioned like the asset it is about.

A check is one object, with what evaluates it. To add one, put it into the list of its asset.
"""

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
from event_platform.defs.checks.verdict import Check, Judged, Verdict, evaluations, judged
from event_platform.defs.partitions import dates_of
from event_platform.defs.resources.platform import LakeResource, RulesResource
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.errors import StorageError, panics_as_errors
from event_platform.lake.balance import (
    ArrivalBalance,
    DeduplicationBalance,
    arrival_balances,
    deduplication_balances,
    typing_balances,
)
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Snapshot
from event_platform.storage.polars_errors import translate_errors, translate_errors_of_each
from event_platform.storage.threads import imap_threads

#: Whole columns of so many tables are looked at side by side: enough to wait for a store, few enough for the memory.
_TABLES_AT_ONCE = 4

F = TypeVar("F")


@dataclass(frozen=True)
class CheckedAsset(Generic[F]):
    """The checks of an asset, and what those of them that are selected share, looked up once for all dates."""

    checks: Sequence[Check[F]]
    figures: Callable[[Lake, RulesResource, list[date]], F]


def build_checks(catalog: Catalog, partitions: dg.DailyPartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """Return every check, one operation for each asset of the platform that has some; event tables share one."""
    return [
        build_operation("raw_events_checks", [_RAW], partitions),
        build_operation("deduplicated_events_checks", [_DEDUPLICATED], partitions),
        build_operation("unregistered_events_checks", [_unregistered(catalog)], partitions),
        build_operation("typed_events_checks", list(map(_typed, catalog.event_types)), partitions),
    ]


def build_operation(
    name: str, assets: Sequence[CheckedAsset[Any]], partitions: dg.PartitionsDefinition[Any]
) -> dg.AssetChecksDefinition:
    """Return the operation that evaluates the checks of some assets, those that are selected."""
    # Partitioned checks are new in Dagster: its minor version is pinned, and tests depend on them.
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):
        specs = [check.spec(partitions) for each in assets for check in each.checks]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    @translate_errors_of_each
    def evaluate(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, rules: RulesResource
    ) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
        dates, tables = dates_of(context), lake.open()
        selected = [
            (each, checks)
            for each in assets
            if (checks := [check for check in each.checks if check.key in context.selected_asset_check_keys])
        ]

        def judge(one: tuple[CheckedAsset[Any], list[Check[Any]]]) -> list[Judged]:
            asset, checks = one
            try:
                with translate_errors(), panics_as_errors():
                    return judged(checks, asset.figures(tables, rules, dates))
            except Exception as error:
                if isinstance(error, StorageError) and error.may_pass:
                    raise
                # Whatever it is, it must not stop the checks of other assets.
                return [(check, day, Verdict.of_error(error)) for check in checks for day in dates]

        # Not pl.collect_all, which takes three times as long for a hundred small scans.
        by_asset = imap_threads(judge, selected, _TABLES_AT_ONCE)
        found = (verdict for verdicts in by_asset for verdict in verdicts)
        yield from evaluations([check for _, checks in selected for check in checks], dates, found)

    return evaluate


@dataclass(frozen=True)
class _RawFigures:
    """What the checks of raw_events look at."""

    lake: Lake
    rules: RulesResource
    dates: list[date]

    @cached_property
    def balances(self) -> list[ArrivalBalance]:
        return arrival_balances(self.lake, self.dates)

    def conservation(self) -> Iterator[tuple[date, Verdict]]:
        yield from ((each.arrival_date, conservation.of_arrivals(each)) for each in self.balances)

    def corruption(self) -> Iterator[tuple[date, Verdict]]:
        reasons = _counts(self.lake.corrupt_events.snapshot().scan(self.dates), "arrival_date", "corruption_reason")
        limits = self.rules.corruption_warn_above, self.rules.corruption_error_above
        for each in self.balances:
            verdict = rates.of_corruption(each.landed, reasons.get(each.arrival_date, {}), *limits)
            yield each.arrival_date, verdict

    def gaps(self) -> Iterator[tuple[date, Verdict]]:
        objects = gaps.objects_by_hour(self.lake.raw_events.snapshot(), self.dates)
        yield from ((day, gaps.verdict(day, objects)) for day in self.dates)


_RAW = CheckedAsset(
    [
        Check(
            conservation.NAME,
            RAW_EVENTS,
            conservation.of_arrivals.__doc__,
            _RawFigures.conservation,
            blocking=True,
            also=[CORRUPT_EVENTS],
        ),
        Check(
            rates.CORRUPTION,
            RAW_EVENTS,
            rates.of_corruption.__doc__,
            _RawFigures.corruption,
            also=[CORRUPT_EVENTS],
        ),
        Check(gaps.NAME, RAW_EVENTS, gaps.verdict.__doc__, _RawFigures.gaps),
    ],
    _RawFigures,
)


@dataclass(frozen=True)
class _DeduplicatedFigures:
    """What the checks of deduplicated_events look at."""

    lake: Lake
    rules: RulesResource
    dates: list[date]

    @cached_property
    def balances(self) -> list[DeduplicationBalance]:
        return deduplication_balances(self.lake, self.dates)

    def conservation(self) -> Iterator[tuple[date, Verdict]]:
        yield from ((each.created_date, conservation.of_deduplication(each)) for each in self.balances)

    def uniqueness(self) -> list[tuple[date, Verdict]]:
        return uniqueness.verdicts(self.lake.deduplicated_events.snapshot(), self.dates)

    def duplication(self) -> Iterator[tuple[date, Verdict]]:
        limit = self.rules.duplicates_warn_above
        yield from ((each.created_date, rates.of_duplication(each, limit)) for each in self.balances)


_DEDUPLICATED = CheckedAsset(
    [
        Check(
            conservation.NAME,
            DEDUPLICATED_EVENTS,
            conservation.of_deduplication.__doc__,
            _DeduplicatedFigures.conservation,
            blocking=True,
            also=[DUPLICATE_EVENTS],
        ),
        Check(
            uniqueness.NAME,
            DEDUPLICATED_EVENTS,
            uniqueness.verdict.__doc__,
            _DeduplicatedFigures.uniqueness,
            blocking=True,
        ),
        Check(
            rates.DUPLICATION,
            DEDUPLICATED_EVENTS,
            rates.of_duplication.__doc__,
            _DeduplicatedFigures.duplication,
            also=[DUPLICATE_EVENTS],
        ),
    ],
    _DeduplicatedFigures,
)


@dataclass(frozen=True)
class _UnregisteredFigures:
    """What the checks of unregistered_events look at."""

    lake: Lake
    catalog: Catalog
    dates: list[date]

    def conservation(self) -> Iterator[tuple[date, Verdict]]:
        balances = typing_balances(self.lake, self.catalog, self.dates)
        yield from ((each.created_date, conservation.of_typing(each)) for each in balances)

    def names(self) -> Iterator[tuple[date, Verdict]]:
        names = _counts(self.lake.unregistered_events.snapshot().scan(self.dates), "created_date", "event_name")
        yield from ((day, rates.of_unregistered(names.get(day, {}))) for day in self.dates)


def _unregistered(catalog: Catalog) -> CheckedAsset[_UnregisteredFigures]:
    return CheckedAsset(
        [
            Check(
                conservation.NAME,
                UNREGISTERED_EVENTS,
                conservation.of_typing.__doc__,
                _UnregisteredFigures.conservation,
                blocking=True,
            ),
            Check(rates.UNREGISTERED, UNREGISTERED_EVENTS, rates.of_unregistered.__doc__, _UnregisteredFigures.names),
        ],
        lambda lake, _, dates: _UnregisteredFigures(lake, catalog, dates),
    )


@dataclass(frozen=True)
class _TypedFigures:
    """What the checks of an event table look at."""

    event_type: EventType
    table: Snapshot
    dates: list[date]
    today: date

    def uniqueness(self) -> list[tuple[date, Verdict]]:
        return uniqueness.verdicts(self.table, self.dates)

    def conformance(self) -> list[tuple[date, Verdict]]:
        return conformance.verdicts(self.event_type, self.table, self.dates)

    def volume(self) -> Iterator[tuple[date, Verdict]]:
        compared = {*self.dates, *(week for day in self.dates for week in volume.weeks_before(day))}
        counts = self.table.rows_by_date(compared)
        yield from ((day, volume.verdict(day, counts, self.today)) for day in self.dates)


def _typed(event_type: EventType) -> CheckedAsset[_TypedFigures]:
    asset = event_key(event_type)

    def figures(lake: Lake, _: RulesResource, dates: list[date]) -> _TypedFigures:
        table = lake.event_table(event_type).snapshot()
        return _TypedFigures(event_type, table, dates, datetime.now(UTC).date())

    return CheckedAsset(
        [
            Check(uniqueness.NAME, asset, uniqueness.verdict.__doc__, _TypedFigures.uniqueness, blocking=True),
            Check(conformance.NAME, asset, conformance.__doc__, _TypedFigures.conformance),
            Check(volume.NAME, asset, volume.verdict.__doc__, _TypedFigures.volume),
        ],
        figures,
    )


def _counts(rows: pl.LazyFrame, day: str, value: str) -> dict[date, dict[str, int]]:
    counted = rows.group_by(day, value).agg(pl.len()).sort(day, value).collect(engine="streaming")
    result: dict[date, Counter[str]] = {}
    for each, what, count in counted.iter_rows():
        result.setdefault(each, Counter())[what] = count
    return {each: dict(counts) for each, counts in result.items()}
