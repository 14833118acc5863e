"""raw_events and corrupt_events: landed records, by arrival date."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from event_platform.defs.assets.step import TableResult, run_step
from event_platform.defs.assets.tables import Layer, freshness_policy, same_columns, table_spec
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.resources.platform import (
    ComputeResource,
    LakeResource,
    LandingResource,
    PublishingResource,
    RulesResource,
)
from event_platform.events.catalog import Catalog
from event_platform.lake import registry
from event_platform.lake.lake import Lake
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.quarantine import quarantine_corrupt
from event_platform.pipeline.loading.report import RawReport, raise_unreadable
from event_platform.pipeline.loading.step import load
from event_platform.quality.text import shown

RAW_EVENTS = dg.AssetKey(registry.RAW_EVENTS.name)
#: Metadata of a materialization: outcome of the catalog's functions for the dead letters.
MENDING = "mending"
CORRUPT_EVENTS = dg.AssetKey(registry.CORRUPT_EVENTS.name)


class RawConfig(dg.Config):
    """Options of a run of the asset."""

    replay: bool = Field(
        default=False,
        description="Read the objects of these days again, also those that are loaded, as the rules are now",
    )
    mend: bool = Field(
        default=False,
        description="Read the objects of these days again whose dead letters functions of catalog/mend are given now, "
        "or have mended: `event-platform mend` finds the days",
    )


def build_raw_events(
    tables: Lake,
    catalog: Catalog,
    rules: RulesResource,
    partitions: dg.DailyPartitionsDefinition,
    policy: dg.BackfillPolicy,
) -> dg.AssetsDefinition:
    """Return the asset that loads new objects from landing and quarantines corrupt records.

    `tables` provides the locations of tables; nothing is opened. `rules` has the freshness limit.
    """
    first_date, envelope = partitions.start.date(), catalog.envelope

    @dg.multi_asset(
        name="raw_events",
        pool="raw_events",
        group_name="raw",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[_raw_spec(tables, catalog, rules), _corrupt_spec(tables)],
    )
    def raw_events(
        context: dg.AssetExecutionContext,
        config: RawConfig,
        landing: LandingResource,
        lake: LakeResource,
        compute: ComputeResource,
        rules: RulesResource,
        publishing: PublishingResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        def step(pipeline: PipelineContext) -> Iterator[TableResult]:
            tables, dates = pipeline.lake, dates_of(context)
            source = ObjectSource(landing.open(), envelope, first_date, rules.limits, catalog.mending)
            window_days = rules.deduplication_window_days
            loaded = load(pipeline, source, dates, window_days, replay=config.replay, mend=config.mend)
            corrupt = quarantine_corrupt(tables, dates)
            rows = tables.raw_events.snapshot().rows_by_date()
            _warn(context, loaded)
            raise_unreadable(loaded.values())
            figures = {day: _raw_figures(report, rows.get(day, 0)) for day, report in loaded.items()}
            yield TableResult(tables.raw_events, figures, {day: report.commit_result for day, report in loaded.items()})
            figures = {
                day: {ROWS: quarantined.reasons.total(), "reasons": dict(quarantined.reasons)}
                for day, quarantined in corrupt.items()
            }
            yield TableResult(
                tables.corrupt_events, figures, {day: quarantined.commit_result for day, quarantined in corrupt.items()}
            )

        yield from run_step(context, lake, compute, publishing, step)

    return raw_events


def _warn(context: dg.AssetExecutionContext, loaded: Mapping[date, RawReport]) -> None:
    for day, report in loaded.items():
        if report.altered_reason:
            context.log.warning(
                "%s was not as the platform left it (%s), and is loaded again", day, report.altered_reason
            )
        if report.unmended_objects:
            context.log.warning(
                "%s: %d objects with records to mend are no longer in landing: their rows stay",
                day,
                report.unmended_objects,
            )
        for warning in report.mend_outcome.warnings:
            context.log.warning("%s: %s", day, shown(warning, len(warning)))


def _raw_figures(report: RawReport, rows: int) -> dict[str, Any]:
    return {
        ROWS: rows,
        "objects_read": report.objects,
        "objects_known_already": report.known_objects,
        "objects_replaced": report.replaced_objects,
        "bytes_read": report.bytes_read,
        "records_read": report.records,
        **({MENDING: report.mend_outcome.as_json()} if report.mend_outcome.letter_counts else {}),
        "created_dates_changed": [day.isoformat() for day in sorted(report.created_dates)],
    }


def _raw_spec(tables: Lake, catalog: Catalog, rules: RulesResource) -> dg.AssetSpec:
    return table_spec(
        tables.raw_events,
        Layer.RAW,
        about=f"{tables.raw_events.spec.description} A sound record has no `corruption_reason`.",
        query="select source_object, count(*) n from {table} where arrival_date = '2025-06-02' group by 1",
        lineage={},
        depends_on=catalog.envelope.definition
        + (f"{catalog.mending.fingerprint}" if catalog.mending.functions else ""),
        freshness_policy=freshness_policy(rules.raw_warn_hours, rules.raw_fail_hours),
    )


def _corrupt_spec(tables: Lake) -> dg.AssetSpec:
    table = tables.corrupt_events
    return table_spec(
        table,
        Layer.QUARANTINE,
        about=f"{table.spec.description} Landing is never changed: land a corrected object under the same name, "
        "and its records are classified again; or mend them by a function of the catalog.",
        query="select corruption_reason, count(*) n from {table} group by 1 order by n desc",
        lineage=same_columns(table.schema.names(), RAW_EVENTS),
        deps=[RAW_EVENTS],
    )
