"""The asset checks of the platform, each partitioned like the asset it is about."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from event_platform.assets.deduplicated_events import DEDUPLICATED_EVENTS, DUPLICATE_EVENTS
from event_platform.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.assets.typed_events import UNREGISTERED_EVENTS, event_key
from event_platform.checks import conformance, conservation, gaps, rates, uniqueness, volume
from event_platform.checks.verdict import BLOCKING, Verdict, done, evaluations
from event_platform.events.catalog import Catalog, EventType
from event_platform.lake.at_once import each_in_turn
from event_platform.lake.balance import arrival_balances, deduplication_balances, typing_balances
from event_platform.lake.explained import each_explained
from event_platform.lake.lake import Lake
from event_platform.partitions import dates_of
from event_platform.resources import LakeResource, RulesResource

Evaluations = Iterator[dg.AssetCheckEvaluation | dg.Output[None]]

#: Whole columns of so many tables are looked at side by side: enough to wait for a store, few enough for the memory.
_TABLES_AT_ONCE = 4


def build_checks(catalog: Catalog, partitions: dg.DailyPartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """Return every check, one operation for each asset that has some."""
    spec = _spec_factory(partitions)
    # Partitioned checks are new in Dagster: its minor version is pinned, and tests depend on them.
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):
        return [
            _raw_checks(spec),
            _deduplicated_checks(spec),
            _unregistered_checks(catalog, spec),
            _typed_checks(catalog, spec),
        ]


SpecFactory = Callable[..., dg.AssetCheckSpec]


def _spec_factory(partitions: dg.DailyPartitionsDefinition) -> SpecFactory:
    def spec(
        name: str, asset: dg.AssetKey, description: str | None, also: Sequence[dg.AssetKey] = ()
    ) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            name,
            asset=asset,
            description=description,
            blocking=name in BLOCKING,
            partitions_def=partitions,
            additional_deps=also,
        )

    return spec


def _raw_checks(spec: SpecFactory) -> dg.AssetChecksDefinition:
    specs = [
        spec(conservation.NAME, RAW_EVENTS, conservation.of_arrivals.__doc__, [CORRUPT_EVENTS]),
        spec(rates.CORRUPTION, RAW_EVENTS, rates.of_corruption.__doc__, [CORRUPT_EVENTS]),
        spec(gaps.NAME, RAW_EVENTS, gaps.verdict.__doc__),
    ]

    @dg.multi_asset_check(name="raw_events_checks", specs=specs, can_subset=True)
    @each_explained
    def raw_events_checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, rules: RulesResource
    ) -> Evaluations:
        dates, tables = dates_of(context), lake.open()
        balances = arrival_balances(tables, dates)
        reasons = _counts(tables.corrupt_events.snapshot().scan(dates), "arrival_date", "corruption_reason")
        corruption = [
            (
                each.arrival_date,
                rates.of_corruption(
                    each.landed,
                    reasons.get(each.arrival_date, {}),
                    rules.corruption_warn_above,
                    rules.corruption_error_above,
                ),
            )
            for each in balances
        ]
        conserved = [(each.arrival_date, conservation.of_arrivals(each)) for each in balances]
        objects = gaps.objects_by_hour(tables.raw_events.snapshot(), dates)
        yield from evaluations(
            context,
            RAW_EVENTS,
            {
                conservation.NAME: conserved,
                rates.CORRUPTION: corruption,
                gaps.NAME: [(day, gaps.verdict(day, objects)) for day in dates],
            },
        )
        yield from done(context, specs)

    return raw_events_checks


def _deduplicated_checks(spec: SpecFactory) -> dg.AssetChecksDefinition:
    specs = [
        spec(conservation.NAME, DEDUPLICATED_EVENTS, conservation.of_deduplication.__doc__, [DUPLICATE_EVENTS]),
        spec(uniqueness.NAME, DEDUPLICATED_EVENTS, uniqueness.verdict.__doc__),
        spec(rates.DUPLICATION, DEDUPLICATED_EVENTS, rates.of_duplication.__doc__, [DUPLICATE_EVENTS]),
    ]

    @dg.multi_asset_check(name="deduplicated_events_checks", specs=specs, can_subset=True)
    @each_explained
    def deduplicated_events_checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, rules: RulesResource
    ) -> Evaluations:
        dates, tables = dates_of(context), lake.open()
        balances = deduplication_balances(tables, dates)
        yield from evaluations(
            context,
            DEDUPLICATED_EVENTS,
            {
                conservation.NAME: [(each.created_date, conservation.of_deduplication(each)) for each in balances],
                uniqueness.NAME: uniqueness.verdicts(tables.deduplicated_events.snapshot(), dates),
                rates.DUPLICATION: [
                    (each.created_date, rates.of_duplication(each, rules.duplicates_warn_above)) for each in balances
                ],
            },
        )
        yield from done(context, specs)

    return deduplicated_events_checks


def _unregistered_checks(catalog: Catalog, spec: SpecFactory) -> dg.AssetChecksDefinition:
    specs = [
        spec(conservation.NAME, UNREGISTERED_EVENTS, conservation.of_typing.__doc__),
        spec(rates.UNREGISTERED, UNREGISTERED_EVENTS, rates.of_unregistered.__doc__),
    ]

    @dg.multi_asset_check(name="unregistered_events_checks", specs=specs, can_subset=True)
    @each_explained
    def unregistered_events_checks(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Evaluations:
        dates, tables = dates_of(context), lake.open()
        names = _counts(tables.unregistered_events.snapshot().scan(dates), "created_date", "event_name")
        balances = typing_balances(tables, catalog, dates)
        yield from evaluations(
            context,
            UNREGISTERED_EVENTS,
            {
                conservation.NAME: [(each.created_date, conservation.of_typing(each)) for each in balances],
                rates.UNREGISTERED: [(day, rates.of_unregistered(names.get(day, {}))) for day in dates],
            },
        )
        yield from done(context, specs)

    return unregistered_events_checks


def _typed_checks(catalog: Catalog, spec: SpecFactory) -> dg.AssetChecksDefinition:
    specs = [
        check
        for event_type in catalog.event_types
        for check in (
            spec(uniqueness.NAME, event_key(event_type), uniqueness.verdict.__doc__),
            spec(conformance.NAME, event_key(event_type), conformance.__doc__),
            spec(volume.NAME, event_key(event_type), volume.verdict.__doc__),
        )
    ]

    @dg.multi_asset_check(name="typed_events_checks", specs=specs, can_subset=True)
    @each_explained
    def typed_events_checks(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Evaluations:
        dates, tables, today = dates_of(context), lake.open(), datetime.now(UTC).date()
        assets = {key.asset_key for key in context.selected_asset_check_keys}
        selected = [each for each in catalog.event_types if event_key(each) in assets]
        # Not pl.collect_all, which takes three times as long for a hundred small scans.
        figures = each_in_turn(lambda each: _typed_verdicts(tables, each, dates, today), selected, _TABLES_AT_ONCE)
        for event_type, verdicts in zip(selected, figures, strict=True):
            yield from evaluations(context, event_key(event_type), verdicts)
        yield from done(context, specs)

    return typed_events_checks


def _typed_verdicts(
    lake: Lake, event_type: EventType, dates: list[date], today: date
) -> dict[str, list[tuple[date, Verdict]]]:
    table = lake.event_table(event_type).snapshot()
    compared = {*dates, *(week for day in dates for week in volume.weeks_before(day))}
    counts = table.rows_by_date(compared)
    return {
        uniqueness.NAME: uniqueness.verdicts(table, dates),
        conformance.NAME: conformance.verdicts(event_type, table, dates),
        volume.NAME: [(day, volume.verdict(day, counts, today)) for day in dates],
    }


def _counts(rows: pl.LazyFrame, day: str, value: str) -> dict[date, dict[str, int]]:
    counted = rows.group_by(day, value).agg(pl.len()).sort(day, value).collect(engine="streaming")
    result: dict[date, Counter[str]] = {}
    for each, what, count in counted.iter_rows():
        result.setdefault(each, Counter())[what] = count
    return {each: dict(counts) for each, counts in result.items()}
