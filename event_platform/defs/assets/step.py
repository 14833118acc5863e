"""The body of every asset: open the lake and the workers, run the step, publish and report its tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from event_platform.compute.tasks import CpuTime, counting_cpu_time
from event_platform.defs.assets.reporting import progress_callback
from event_platform.defs.assets.retrying import retrying
from event_platform.defs.instance.dagster_internals import list_outputs_once, log_no_unread_events
from event_platform.defs.metadata import URI, asset_key, figures_of
from event_platform.defs.publication import Published, publish
from event_platform.defs.resources.platform import ComputeResource, LakeResource, PublishingResource
from event_platform.lake.table_commit import CommitResult
from event_platform.lake.tables import Table
from event_platform.pipeline.context import PipelineContext

#: Dagster's event tag for the data version of `MaterializeResult`.
_DATA_VERSION = "dagster/data_version"


@dataclass(frozen=True)
class TableResult:
    """The outcome of a step for one table: its commit, and figures for Dagster, by partition."""

    table: Table
    figures: Mapping[date, Mapping[str, Any]]
    written: Mapping[date, CommitResult]


def run_step(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    compute: ComputeResource,
    publishing: PublishingResource,
    step: Callable[[PipelineContext], Iterable[TableResult]],
) -> Iterator[dg.MaterializeResult[Any]]:
    """Run a step of the pipeline, and yield a materialization for each table that it returns.

    Storage errors are retried. The CPU time in the metadata is the time of the whole step.
    """
    list_outputs_once(context)
    log_no_unread_events(context)
    with retrying(context), counting_cpu_time() as cpu_time, compute.open() as executor:
        tables = lake.open()
        results = list(step(PipelineContext(tables, executor, progress_callback(context))))
    published = publish(context, publishing, tables, [result.table for result in results])
    for result in results:
        yield _materialization(context, result, cpu_time, published)


def _materialization(
    context: dg.AssetExecutionContext, result: TableResult, cpu_time: CpuTime, published: Published
) -> dg.MaterializeResult[Any]:
    """Attach the figures of each partition to its own materialization of a table, and return the table's result.

    Order of the metadata in the UI: the day's rows, the commit, and values that are the same for all days.
    """
    key, requested_days = asset_key(result.table), set(context.partition_keys)
    version = dg.DataVersion(str(max(partition.version for partition in result.written.values())))
    shared = {"step_cpu_seconds": round(cpu_time.seconds, 3), URI: result.table.uri, **published.get(key, {})}
    for day, written in result.written.items():
        partition = {**result.figures.get(day, {}), **figures_of(written), **shared}
        if day.isoformat() in requested_days:
            context.add_asset_metadata(partition, asset_key=key, partition_key=day.isoformat())
        else:  # a day that was not requested, but had to be rebuilt with the run
            context.log_event(_other_day_materialization(key, day, partition, version))
    # Without a version, Dagster would take the rows as unchanged while the code version is the same.
    return dg.MaterializeResult(asset_key=key, data_version=version)


def _other_day_materialization(
    key: dg.AssetKey, day: date, metadata: Mapping[str, Any], version: dg.DataVersion
) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        key, partition=day.isoformat(), metadata=metadata, tags={_DATA_VERSION: version.value}
    )
