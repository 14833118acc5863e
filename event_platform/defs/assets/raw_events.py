"""raw_events and corrupt_events: what landed, by arrival date."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from event_platform.compute.tasks import counting_cpu_time
from event_platform.defs.assets.reporting import progress_of, report
from event_platform.defs.assets.retrying import retrying
from event_platform.defs.assets.tables import Layer, same_columns, table_spec
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.registration import registered
from event_platform.defs.resources.platform import (
    ComputeResource,
    GlueResource,
    LakeResource,
    LandingResource,
    RulesResource,
)
from event_platform.events.envelope import Envelope
from event_platform.lake.lake import Lake
from event_platform.pipeline.loading.corrupt import set_aside
from event_platform.pipeline.loading.step import load, raise_unreadable
from event_platform.pipeline.loading.tasks import Loading

RAW_EVENTS = dg.AssetKey("raw_events")
CORRUPT_EVENTS = dg.AssetKey("corrupt_events")

#: Firehose delivers every few minutes, and what lands is loaded within one.
_FRESH = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=2), fail_window=timedelta(hours=6))


class RawConfig(dg.Config):
    """What one run of the asset may be told."""

    replay: bool = Field(
        default=False,
        description="Read the objects of these days again, also those that are loaded, as the rules are now",
    )


def build_raw_events(
    place: Lake, envelope: Envelope, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset that brings the ledger up to date with landing, and sets the corrupt records aside.

    `place` says where the tables are; nothing is opened.
    """
    first_date = partitions.start.date()

    @dg.multi_asset(
        name="raw_events",
        pool="raw_events",
        group_name="raw",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[_raw_spec(place, envelope), _corrupt_spec(place)],
    )
    def raw_events(
        context: dg.AssetExecutionContext,
        config: RawConfig,
        landing: LandingResource,
        lake: LakeResource,
        compute: ComputeResource,
        rules: RulesResource,
        glue: GlueResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        dates, window = dates_of(context), rules.deduplication_window_days
        with retrying(context), counting_cpu_time() as cpu_time, compute.open() as executor:
            tables = lake.open()
            loading = Loading(landing.open(), envelope, first_date, tables.storage, rules.limits)
            loaded = load(tables, loading, dates, window, executor, progress_of(context), replay=config.replay)
            corrupt = set_aside(tables, dates)
            rows = tables.raw_events.snapshot().rows_by_date()
            for day, each in loaded.items():
                if each.altered:
                    context.log.warning(
                        "%s was not as the platform left it (%s), and is loaded again", day, each.altered
                    )
            raise_unreadable(loaded.values())
        looked_up = registered(context, glue, [tables.raw_events, tables.corrupt_events])
        figures = {
            day: {
                ROWS: rows.get(day, 0),
                "objects_read": each.objects,
                "objects_known_already": each.known_objects,
                "objects_replaced": each.replaced_objects,
                "bytes_read": each.bytes_read,
                "records_read": each.records,
                "created_dates_touched": [touched.isoformat() for touched in sorted(each.created_dates)],
            }
            for day, each in loaded.items()
        }
        written = {day: each.written for day, each in loaded.items()}
        yield report(context, tables.raw_events, figures, written, cpu_time, looked_up)
        figures = {day: {ROWS: each.reasons.total(), "reasons": dict(each.reasons)} for day, each in corrupt.items()}
        written = {day: each.written for day, each in corrupt.items()}
        yield report(context, tables.corrupt_events, figures, written, cpu_time, looked_up)

    return raw_events


def _raw_spec(place: Lake, envelope: Envelope) -> dg.AssetSpec:
    return table_spec(
        place.raw_events,
        Layer.RAW,
        about=f"{place.raw_events.description} A sound record has no `corruption_reason`.",
        query="select source_object, count(*) n from {table} where arrival_date = '2025-06-02' group by 1",
        lineage={},
        made_with=repr(envelope),
        freshness_policy=_FRESH,
    )


def _corrupt_spec(place: Lake) -> dg.AssetSpec:
    table = place.corrupt_events
    return table_spec(
        table,
        Layer.SET_ASIDE,
        about=f"{table.description} Landing is never changed: land a mended object under the same name, and its "
        "records are judged anew.",
        query="select corruption_reason, count(*) n from {table} group by 1 order by n desc",
        lineage=same_columns(table.schema.names(), RAW_EVENTS),
        deps=[RAW_EVENTS],
    )
