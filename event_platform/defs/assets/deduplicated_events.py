"""deduplicated_events and duplicate_events: one row for each event_uuid, and the others, by created_date."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from event_platform.compute.tasks import counting_cpu_time
from event_platform.defs.assets.raw_events import RAW_EVENTS
from event_platform.defs.assets.reporting import progress_of, report
from event_platform.defs.assets.retrying import retrying
from event_platform.defs.assets.tables import BuildConfig, Layer, same_columns, table_spec
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.registration import registered
from event_platform.defs.resources.platform import ComputeResource, GlueResource, LakeResource, RulesResource
from event_platform.events.event import SOURCE_COLUMNS, DuplicateKind
from event_platform.lake.lake import Lake
from event_platform.pipeline.deduplication.step import deduplicate

DEDUPLICATED_EVENTS = dg.AssetKey("deduplicated_events")
DUPLICATE_EVENTS = dg.AssetKey("duplicate_events")


def build_deduplicated_events(
    place: Lake, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset that splits sound records into first arrivals and duplicates."""

    @dg.multi_asset(
        name="deduplicated_events",
        pool="deduplicated_events",
        group_name="deduplicated",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[_deduplicated_spec(place), _duplicate_spec(place)],
    )
    def deduplicated_events(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: LakeResource,
        compute: ComputeResource,
        rules: RulesResource,
        glue: GlueResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with retrying(context), counting_cpu_time() as cpu_time, compute.open() as executor:
            tables = lake.open()
            reports = deduplicate(
                tables,
                dates_of(context),
                rules.deduplication_window_days,
                executor,
                progress_of(context),
                rebuild=config.rebuild,
            )
        looked_up = registered(context, glue, [tables.deduplicated_events, tables.duplicate_events])
        figures = {day: {ROWS: each.unique} for day, each in reports.items()}
        written = {day: each.unique_written for day, each in reports.items()}
        yield report(context, tables.deduplicated_events, figures, written, cpu_time, looked_up)
        figures = {
            day: {ROWS: each.kinds.total(), **{kind.value: each.kinds[kind] for kind in DuplicateKind}}
            for day, each in reports.items()
        }
        written = {day: each.duplicates_written for day, each in reports.items()}
        yield report(context, tables.duplicate_events, figures, written, cpu_time, looked_up)

    return deduplicated_events


def _deduplicated_spec(place: Lake) -> dg.AssetSpec:
    table = place.deduplicated_events
    return table_spec(
        table,
        Layer.DEDUPLICATED,
        about=f"{table.description} Events of all types are in it; those of one type are in a table of their own, with "
        "typed columns.",
        query="select event_name, count(*) n from {table} where created_date = '2025-06-02' group by 1 order by n desc",
        lineage=same_columns(table.schema.names(), RAW_EVENTS),
        deps=[RAW_EVENTS],
    )


def _duplicate_spec(place: Lake) -> dg.AssetSpec:
    table = place.duplicate_events
    copied = [name for name in table.schema.names() if name in place.raw_events.schema]
    return table_spec(
        table,
        Layer.SET_ASIDE,
        about=table.description,
        query="select kind, event_name, count(*) n from {table} group by 1, 2 order by n desc",
        lineage={
            **same_columns(copied, RAW_EVENTS),
            "kind": [(RAW_EVENTS, "body")],
            **{f"survivor_{name}": [(RAW_EVENTS, name)] for name in SOURCE_COLUMNS},
        },
        deps=[RAW_EVENTS],
    )
