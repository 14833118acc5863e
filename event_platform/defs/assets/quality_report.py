"""quality_report: what there is to know of each created_date, as figures, and as a page to look at."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from event_platform.defs.assets.deduplicated_events import DEDUPLICATED_EVENTS, DUPLICATE_EVENTS
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS
from event_platform.defs.assets.step import TableResult, run_step
from event_platform.defs.assets.tables import Layer, table_spec
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS, event_key
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.resources.platform import ComputeResource, GlueResource, LakeResource
from event_platform.events.catalog import Catalog
from event_platform.lake import registry
from event_platform.lake.lake import Lake
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.reporting.step import report_quality
from event_platform.pipeline.reporting.tasks import Reported
from event_platform.quality.page import DRIFT, LATENESS, totals
from event_platform.quality.text import shown

QUALITY_REPORT = dg.AssetKey(registry.QUALITY_REPORT.name)

_LONGEST_TABLE = 20
_TEXT_LENGTH = 80


def build_quality_report(
    tables: Lake, catalog: Catalog, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset that counts each day and draws a page of it."""

    @dg.multi_asset(
        name="quality_report",
        pool="quality_report",
        group_name="quality",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[_spec(tables, catalog)],
    )
    def quality_report(
        context: dg.AssetExecutionContext, lake: LakeResource, compute: ComputeResource, glue: GlueResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        def step(pipeline: PipelineContext) -> Iterator[TableResult]:
            reports = report_quality(pipeline, catalog, dates_of(context))
            figures = {day: _metadata(each.found) for day, each in reports.items()}
            written = {day: each.written for day, each in reports.items()}
            yield TableResult(pipeline.lake.quality_report, figures, written)

        yield from run_step(context, lake, compute, glue, step)

    return quality_report


def _spec(tables: Lake, catalog: Catalog) -> dg.AssetSpec:
    sources = [DEDUPLICATED_EVENTS, DUPLICATE_EVENTS, CORRUPT_EVENTS, UNREGISTERED_EVENTS]
    return table_spec(
        tables.quality_report,
        Layer.REPORT,
        about=tables.quality_report.spec.description,
        query="select event_name, label, value from {table} where figure = 'unknown_field' order by value desc",
        lineage={},  # every figure counts something else
        deps=[*sources, *map(event_key, catalog.event_types)],
        kinds=["deltalake", "html"],
    )


def _metadata(reported: Reported) -> dict[str, Any]:
    found = totals(reported.figures)
    return {
        ROWS: reported.figures.height,
        "report": dg.MetadataValue.path(reported.address),
        "events_by_hour": _picture("Events by hour", reported.thumbnail),
        "events_by_hour_and_type": _picture("Events by hour and type", reported.plot),
        **{name: found[name] for name in ("events", "late", "duplicates", "corrupt", "unregistered")},
        "late_share": found["late"] / found["events"] if found["events"] else 0.0,
        "drifted_values": sum(found[name] for name in DRIFT),
        **_tables(reported),
    }


def _picture(name: str, svg: bytes) -> dg.MarkdownMetadataValue:
    """Return a picture that cannot be anything else: in base64 there is no markup, whatever is drawn."""
    return dg.MetadataValue.md(f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg).decode()})")


def _tables(reported: Reported) -> dict[str, dg.TableMetadataValue]:
    """Return the figures that are lists; those that are empty have no schema, and are left out."""
    figures = reported.figures.rows_by_key("figure", named=True)
    order = {name: number for number, name in enumerate(LATENESS)}
    tables = {
        "lateness": [
            {"arrived": row["label"], "events": row["value"]}
            for row in sorted(figures.get("lateness", []), key=lambda row: order[row["label"]])
        ],
        "corrupt_by_reason": [
            {"reason": row["label"], "records": row["value"]} for row in _largest(figures.get("corrupt", []))
        ],
        "schema_drift": [
            {
                "event": row["event_name"],
                "field": shown(row["label"] or "", _TEXT_LENGTH),
                "why": DRIFT[figure],
                "events": row["value"],
            }
            for figure in DRIFT
            for row in _largest(figures.get(figure, []))
        ],
    }
    return {
        name: dg.MetadataValue.table([dg.TableRecord(record) for record in records])
        for name, records in tables.items()
        if records
    }


def _largest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -row["value"])[:_LONGEST_TABLE]
