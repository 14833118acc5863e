"""filtered_events: the events that the filter dropped before landing, by the day of their arrival in the stream.

The asset exists only if the filter's queue is set. Each run of raw_events takes all messages that are in the queue.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from event_platform.defs.assets.step import TableResult, run_step
from event_platform.defs.assets.tables import Layer, table_spec
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.resources.platform import ComputeResource, LakeResource, PublishingResource
from event_platform.lake import registry
from event_platform.lake.lake import Lake
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.loading.filtered import FilteredReport, take_filtered
from event_platform.quality.text import shown
from event_platform.storage.queue import Queue

FILTERED_EVENTS = dg.AssetKey(registry.FILTERED_EVENTS.name)

#: Metadata of a materialization: faults of the messages that stay in the queue.
LEFT_IN_QUEUE = "left_in_queue"

#: Number of messages whose fault is reported.
_MOST_NAMED = 5


def build_filtered_events(
    tables: Lake, queue: Queue, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset that takes all messages from the filter's queue, whatever their days."""

    @dg.multi_asset(
        name="filtered_events",
        pool="filtered_events",
        group_name="raw",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[_spec(tables)],
    )
    def filtered_events(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        compute: ComputeResource,
        publishing: PublishingResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        def step(pipeline: PipelineContext) -> Iterator[TableResult]:
            report, table = take_filtered(pipeline, queue, dates_of(context)), pipeline.lake.filtered_events
            reasons = _reasons_left(report)
            for fault in reasons:
                context.log.warning(fault)
            rows, first = table.snapshot().rows_by_date(report.commit_results), min(report.commit_results)
            figures: dict[date, dict[str, Any]] = {
                day: {ROWS: rows.get(day, 0), "events_taken": report.events[day]} for day in report.commit_results
            }
            figures[first] |= {LEFT_IN_QUEUE: reasons} if reasons else {}
            yield TableResult(table, figures, report.commit_results)

        yield from run_step(context, lake, compute, publishing, step)

    return filtered_events


def _reasons_left(report: FilteredReport) -> list[str]:
    """Return why messages stay in the queue."""
    reasons = [shown(fault, len(fault)) for fault in report.rejected_messages.values()][:_MOST_NAMED]
    more = len(report.rejected_messages) - len(reasons)
    return [*reasons, *([f"and {more} more messages are left there"] if more else [])]


def _spec(tables: Lake) -> dg.AssetSpec:
    table = tables.filtered_events
    return table_spec(
        table,
        Layer.QUARANTINE,
        about=f"{table.spec.description} Messages are taken from the queue once: a partition cannot be rebuilt.",
        query="select arrival_date, count(*) n from {table} group by 1 order by 1",
        lineage={},
    )
