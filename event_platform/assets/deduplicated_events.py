"""deduplicated_events and duplicate_events: one row for each event_uuid, and the others, by created_date."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from event_platform.assets.raw_events import RAW_EVENTS
from event_platform.assets.reporting import progress_of, report
from event_platform.assets.retrying import retrying
from event_platform.events.event import DuplicateKind
from event_platform.partitions import ROWS, dates_of
from event_platform.resources import ComputeResource, LakeResource, RulesResource
from event_platform.steps.deduplicated import deduplicate

DEDUPLICATED_EVENTS = dg.AssetKey("deduplicated_events")
DUPLICATE_EVENTS = dg.AssetKey("duplicate_events")


def build_deduplicated_events(
    partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset that splits sound records into first arrivals and duplicates."""

    @dg.multi_asset(
        name="deduplicated_events",
        pool="deduplicated_events",
        group_name="deduplicated",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[
            dg.AssetSpec(
                DEDUPLICATED_EVENTS,
                deps=[RAW_EVENTS],
                kinds={"deltalake", "polars"},
                description="One row for each event_uuid: the record that arrived first. Partitioned by created_date.",
            ),
            dg.AssetSpec(
                DUPLICATE_EVENTS,
                deps=[RAW_EVENTS],
                kinds={"deltalake", "polars"},
                description="Dead letters: records that another one of the same event_uuid came before, with its place "
                "and their kind: redelivery (the same body) or conflict (another one: a producer's bug).",
            ),
        ],
    )
    def deduplicated_events(
        context: dg.AssetExecutionContext, lake: LakeResource, compute: ComputeResource, rules: RulesResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with retrying(context):
            reports = deduplicate(
                lake.open(),
                dates_of(context),
                rules.deduplication_window_days,
                compute.executor,
                progress_of(context),
            )
        yield report(context, DEDUPLICATED_EVENTS, {day: {ROWS: each.unique} for day, each in reports.items()})
        duplicates = {
            day: {ROWS: each.kinds.total(), **{kind.value: each.kinds[kind] for kind in DuplicateKind}}
            for day, each in reports.items()
        }
        yield report(context, DUPLICATE_EVENTS, duplicates)

    return deduplicated_events
