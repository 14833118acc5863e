"""raw_events and corrupt_events: what landed, by arrival date."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from event_platform.assets.reporting import progress_of, report
from event_platform.assets.retrying import retrying
from event_platform.events.envelope import Envelope
from event_platform.partitions import ROWS, dates_of
from event_platform.resources import ComputeResource, LakeResource, LandingResource, RulesResource
from event_platform.steps.corrupt import set_aside
from event_platform.steps.raw import load
from event_platform.tasks.raw import Loading

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
    envelope: Envelope, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset that brings the ledger up to date with landing, and sets the corrupt records aside."""
    first_date = partitions.start.date()

    @dg.multi_asset(
        name="raw_events",
        pool="raw_events",
        group_name="raw",
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[
            dg.AssetSpec(
                RAW_EVENTS,
                freshness_policy=_FRESH,
                kinds={"deltalake", "polars"},
                description="Every record that landed, once, with its fate. Its own ledger: objects in it are not read "
                "again. Partitioned by the day of arrival.",
            ),
            dg.AssetSpec(
                CORRUPT_EVENTS,
                deps=[RAW_EVENTS],
                kinds={"deltalake", "polars"},
                description="Dead letters: records that cannot be used, each with its corruption_reason.",
            ),
        ],
    )
    def raw_events(
        context: dg.AssetExecutionContext,
        config: RawConfig,
        landing: LandingResource,
        lake: LakeResource,
        compute: ComputeResource,
        rules: RulesResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        dates, window = dates_of(context), rules.deduplication_window_days
        with retrying(context):
            tables = lake.open()
            loading = Loading(landing.open(), envelope, first_date, tables.storage)
            loaded = load(tables, loading, dates, window, compute.executor, progress_of(context), replay=config.replay)
            reasons = set_aside(tables, dates)
            rows = tables.raw_events.snapshot().rows_by_date()
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
        yield report(context, RAW_EVENTS, figures)
        yield report(
            context,
            CORRUPT_EVENTS,
            {day: {ROWS: counts.total(), "reasons": dict(counts)} for day, counts in reasons.items()},
        )

    return raw_events
