"""deduplicated_events and duplicate_events: one row for each event_uuid, and the others, by created_date."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from event_platform.defs.assets.raw_events import RAW_EVENTS
from event_platform.defs.assets.step import TableResult, run_step
from event_platform.defs.assets.tables import BuildConfig, Layer, same_columns, table_spec
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.resources.platform import ComputeResource, LakeResource, PublishingResource, RulesResource
from event_platform.events.event import SOURCE_COLUMNS, DuplicateKind
from event_platform.lake import registry
from event_platform.lake.lake import Lake
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.deduplication.step import deduplicate

DEDUPLICATED_EVENTS = dg.AssetKey(registry.DEDUPLICATED_EVENTS.name)
DUPLICATE_EVENTS = dg.AssetKey(registry.DUPLICATE_EVENTS.name)


def build_deduplicated_events(
    tables: Lake, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset that splits sound records into first arrivals and duplicates."""

    @dg.multi_asset(
        name="deduplicated_events",
        pool="deduplicated_events",
        group_name="deduplicated",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[_deduplicated_spec(tables), _duplicate_spec(tables)],
    )
    def deduplicated_events(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: LakeResource,
        compute: ComputeResource,
        rules: RulesResource,
        publishing: PublishingResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        def step(pipeline: PipelineContext) -> Iterator[TableResult]:
            window = rules.deduplication_window_days
            reports = deduplicate(pipeline, dates_of(context), window, rebuild=config.rebuild)
            unique, duplicates = pipeline.lake.deduplicated_events, pipeline.lake.duplicate_events
            figures = {day: {ROWS: report.unique} for day, report in reports.items()}
            yield TableResult(unique, figures, {day: report.unique_commit for day, report in reports.items()})
            figures = {
                day: {ROWS: report.kinds.total(), **{kind.value: report.kinds[kind] for kind in DuplicateKind}}
                for day, report in reports.items()
            }
            yield TableResult(duplicates, figures, {day: report.duplicates_commit for day, report in reports.items()})

        yield from run_step(context, lake, compute, publishing, step)

    return deduplicated_events


def _deduplicated_spec(tables: Lake) -> dg.AssetSpec:
    table = tables.deduplicated_events
    return table_spec(
        table,
        Layer.DEDUPLICATED,
        about=f"{table.spec.description} Events of all types are in it; those of one type are in a table of their own, "
        "with typed columns.",
        query="select event_name, count(*) n from {table} where created_date = '2025-06-02' group by 1 order by n desc",
        lineage=same_columns(table.schema.names(), RAW_EVENTS),
        deps=[RAW_EVENTS],
    )


def _duplicate_spec(tables: Lake) -> dg.AssetSpec:
    table = tables.duplicate_events
    copied = [name for name in table.schema.names() if name in tables.raw_events.schema]
    return table_spec(
        table,
        Layer.QUARANTINE,
        about=table.spec.description,
        query="select kind, event_name, count(*) n from {table} group by 1, 2 order by n desc",
        lineage={
            **same_columns(copied, RAW_EVENTS),
            "kind": [(RAW_EVENTS, "body")],
            **{f"survivor_{name}": [(RAW_EVENTS, name)] for name in SOURCE_COLUMNS},
        },
        deps=[RAW_EVENTS],
    )
