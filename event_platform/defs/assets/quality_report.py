"""quality_report: the figures of each created_date, as a table and as a page."""

import base64
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from event_platform.checks.result import Finding
from event_platform.defs.assets.deduplicated_events import DEDUPLICATED_EVENTS, DUPLICATE_EVENTS
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS
from event_platform.defs.assets.step import TableResult, run_step
from event_platform.defs.assets.tables import Layer, table_spec
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS, event_key
from event_platform.defs.checks import distinct_share
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.resources.platform import ComputeResource, LakeResource, PublishingResource, RulesResource
from event_platform.events.catalog import Catalog
from event_platform.lake import registry
from event_platform.lake.lake import Lake
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.reporting.step import QualityReport, report_quality
from event_platform.quality.page import BROKEN_RULE, DRIFT, LATENESS, totals
from event_platform.quality.rows import percent
from event_platform.quality.text import shown

QUALITY_REPORT = dg.AssetKey(registry.QUALITY_REPORT.name)

_LONGEST_TABLE = 20
_TEXT_LENGTH = 80


def build_quality_report(
    tables: Lake,
    catalog: Catalog,
    partitions: dg.DailyPartitionsDefinition,
    policy: dg.BackfillPolicy,
    report_url: str | None,
    *,
    with_filtered: bool = False,
) -> dg.AssetsDefinition:
    """Return the asset that counts each day and draws its page; `report_url` is the address of the pages, if any.

    With `with_filtered`, the ledger includes the events that the filter of the stream dropped.
    """

    @dg.multi_asset(
        name="quality_report",
        pool="quality_report",
        group_name="quality",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[_spec(tables, catalog)],
        check_specs=[distinct_share.build_spec(partitions)],
    )
    def quality_report(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        compute: ComputeResource,
        rules: RulesResource,
        publishing: PublishingResource,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckEvaluation | dg.Output[None]]:
        findings: dict[date, Sequence[Finding]] = {}

        def step(pipeline: PipelineContext) -> Iterator[TableResult]:
            days, start = dates_of(context), partitions.start.date()
            reports = report_quality(pipeline, catalog, rules.thresholds, days, start, with_filtered=with_filtered)
            figures = {day: _metadata(report, report_url) for day, report in reports.items()}
            written = {day: report.commit_result for day, report in reports.items()}
            findings.update({day: report.findings for day, report in reports.items()})
            yield TableResult(pipeline.lake.quality_report, figures, written)

        yield from run_step(context, lake, compute, publishing, step)
        yield from distinct_share.evaluate(findings)

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


def _metadata(reported: QualityReport, report_url: str | None) -> dict[str, Any]:
    """Return the metadata of a day for the UI: texts first, then numbers, which the UI plots over the days."""
    figures = _figures(reported)
    return {
        "summary": dg.MetadataValue.md(_summary(figures)),
        "report": _link(reported, report_url),
        "events_by_hour": _picture("Events by hour", reported.page.thumbnail),
        "events_by_hour_and_type": _picture("Events by hour and type", reported.page.plot),
        ROWS: reported.figures.height,
        **{name: value for name, value, _ in figures},
        **{f"{name}_percent": round(100 * value / whole, 3) for name, value, whole in figures if whole},
        **_tables(reported),
    }


def _figures(reported: QualityReport) -> list[tuple[str, int, int]]:
    """Return name, value and total of each figure. The total is 0 if the figure has none, or an empty one."""
    counts = totals(reported.figures)
    events = counts["events"]
    return [
        ("events", events, 0),
        ("late", counts["late"], events),
        ("duplicates", counts["duplicates"], events + counts["duplicates"]),
        ("corrupt", counts["corrupt"], 0),
        ("unregistered", counts["unregistered"], events),
        ("drifted_values", sum(counts[name] for name in DRIFT), 0),
        (f"{BROKEN_RULE}s", counts[BROKEN_RULE], 0),
    ]


def _summary(figures: Sequence[tuple[str, int, int]]) -> str:
    """Return a table with formatted numbers: the UI does not format numbers in metadata."""
    rows = [
        f"| {name.replace('_', ' ')} | {value:,} | {percent(value, whole) if whole else ''} |"
        for name, value, whole in figures
    ]
    return "\n".join(["| | count | share |", "| --- | ---: | ---: |", *rows])


def _link(reported: QualityReport, report_url: str | None) -> dg.MetadataValue[Any]:
    if report_url is None:
        return dg.MetadataValue.path(reported.page.address)
    return dg.MetadataValue.url(f"{report_url}/{reported.created_date.isoformat()}.html")


def _picture(name: str, svg: bytes) -> dg.MarkdownMetadataValue:
    """Return a picture as base64, which cannot contain markup."""
    return dg.MetadataValue.md(f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg).decode()})")


def _tables(reported: QualityReport) -> dict[str, dg.TableMetadataValue]:
    """Return the figures that are tables. Empty ones have no schema and are left out."""
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
