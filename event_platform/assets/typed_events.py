"""events/<name>: one asset and one typed Delta table for each catalogued event type; and what has no type."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from event_platform.assets.deduplicated_events import DEDUPLICATED_EVENTS
from event_platform.assets.reporting import progress_of, report
from event_platform.assets.retrying import retrying, try_again_later
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.errors import StorageError
from event_platform.partitions import ROWS, dates_of
from event_platform.resources import ComputeResource, LakeResource
from event_platform.steps.typed import UNREGISTERED, type_all

UNREGISTERED_EVENTS = dg.AssetKey("unregistered_events")

#: Every event table is materialized when anything arrives for its day, also those of rare types.
_FRESH = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=3), fail_window=timedelta(hours=12))


def event_key(event_type: EventType) -> dg.AssetKey:
    """Return the asset key of an event type. It comes from the catalog, never from data."""
    return dg.AssetKey(["events", event_type.key])


def build_typed_events(
    catalog: Catalog, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    """Return the asset of all event types; any subset of them can be selected.

    A type that fails does not stop the others: they are materialized, then the run fails naming those that did.
    """
    keys = {event_key(event_type): event_type.key for event_type in catalog.event_types}
    keys[UNREGISTERED_EVENTS] = UNREGISTERED

    @dg.multi_asset(
        name="typed_events",
        pool="typed_events",
        can_subset=True,
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[*map(_spec, catalog.event_types), _unregistered_spec()],
    )
    def typed_events(
        context: dg.AssetExecutionContext, lake: LakeResource, compute: ComputeResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        selected = {key: keys[key] for key in keys if key in context.selected_asset_keys}
        with retrying(context):
            reports = type_all(
                lake.open(), catalog, list(selected.values()), dates_of(context), compute.executor, progress_of(context)
            )
        for each in reports.values():
            if each.may_pass:
                try_again_later(context, StorageError(each.error))
        for key, name in selected.items():
            each = reports[name]
            if each.error is None:
                figures = {
                    day: {ROWS: rows, "rows_with_rescued_values": each.rescued[day]} for day, rows in each.rows.items()
                }
                yield report(context, key, figures)
        failed = {key.to_user_string(): reports[name].error for key, name in selected.items() if reports[name].error}
        if failed:
            raise dg.Failure(
                description=f"{len(failed)} of {len(selected)} assets failed: {', '.join(sorted(failed))}. "
                "The others are materialized; their tables are as they were.",
                metadata={name: str(error) for name, error in failed.items()},
                allow_retries=False,
            )

    return typed_events


def _spec(event_type: EventType) -> dg.AssetSpec:
    return dg.AssetSpec(
        event_key(event_type),
        deps=[DEDUPLICATED_EVENTS],
        skippable=True,
        freshness_policy=_FRESH,
        group_name="events",
        kinds={"deltalake", "polars"},
        owners=[event_type.owner] if event_type.owner else None,
        description=f"`{event_type.name}` events, typed. {event_type.description}".strip(),
    )


def _unregistered_spec() -> dg.AssetSpec:
    return dg.AssetSpec(
        UNREGISTERED_EVENTS,
        deps=[DEDUPLICATED_EVENTS],
        skippable=True,
        group_name="deduplicated",
        kinds={"deltalake", "polars"},
        description="Events whose name the catalog lacks, with their body. Add a schema, and they move to a table.",
    )
