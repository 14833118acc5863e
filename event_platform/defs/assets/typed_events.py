"""events/<name>: one asset and one typed Delta table for each event type of the catalog; and unregistered_events."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from event_platform.defs.assets.deduplicated_events import DEDUPLICATED_EVENTS
from event_platform.defs.assets.retrying import request_retry
from event_platform.defs.assets.step import TableResult, run_step
from event_platform.defs.assets.tables import BuildConfig, Layer, freshness_policy, same_columns, table_spec
from event_platform.defs.metadata import Lineage
from event_platform.defs.partitions import ROWS, dates_of
from event_platform.defs.resources.platform import ComputeResource, LakeResource, PublishingResource, RulesResource
from event_platform.events.catalog import Catalog, EventType, first_part, key_of
from event_platform.events.columns import Constraints, storage_shape, typed
from event_platform.events.errors import StorageError
from event_platform.events.event import EVENT_COLUMNS
from event_platform.events.wording import counted
from event_platform.lake import registry
from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.lake.lake import Lake
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.typing.report import TypingReport
from event_platform.pipeline.typing.step import UNREGISTERED, table_of, type_all
from event_platform.quality.text import as_code, as_markdown

UNREGISTERED_EVENTS = dg.AssetKey(registry.UNREGISTERED_EVENTS.name)

_DESCRIPTION_LENGTH = 2_000
#: What Dagster allows for the value of a tag.
_TAG_LENGTH = 63


def event_key(event_type: EventType) -> dg.AssetKey:
    """Return the asset key of an event type. It comes from the catalog, never from data."""
    return dg.AssetKey([registry.EVENTS_FOLDER, event_type.key])


def build_typed_events(
    tables: Lake,
    catalog: Catalog,
    rules: RulesResource,
    partitions: dg.DailyPartitionsDefinition,
    policy: dg.BackfillPolicy,
) -> dg.AssetsDefinition:
    """Return the asset of all event types; any subset can be selected.

    A failing type does not stop the others: they are materialized, then the run fails with the names of the failed
    types.
    """
    keys = {event_key(event_type): event_type.key for event_type in catalog.event_types}
    keys[UNREGISTERED_EVENTS] = UNREGISTERED

    @dg.multi_asset(
        name="typed_events",
        pool="typed_events",
        can_subset=True,
        partitions_def=partitions,
        backfill_policy=policy,
        specs=[*(_spec(tables, event_type, rules) for event_type in catalog.event_types), _unregistered_spec(tables)],
    )
    def typed_events(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: LakeResource,
        compute: ComputeResource,
        publishing: PublishingResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        selected = {key: keys[key] for key in keys if key in context.selected_asset_keys}
        reports: dict[str, TypingReport] = {}

        def step(pipeline: PipelineContext) -> Iterator[TableResult]:
            tables = pipeline.lake
            if other := other_deployment(tables.unregistered_events.snapshot(), deployment_of(catalog)):
                context.log.warning(other)
            names = list(selected.values())
            reports.update(type_all(pipeline, catalog, names, dates_of(context), rebuild=config.rebuild))
            for name, report in reports.items():
                if report.retyped and report.error is None:
                    context.log.info(_widened(table_of(tables, catalog, name).name, report))
                if report.error and report.transient:
                    request_retry(context, StorageError(report.error))
                if report.error is None:
                    yield TableResult(table_of(tables, catalog, name), _figures(report), report.commit_results)

        yield from run_step(context, lake, compute, publishing, step)
        failed = {key.to_user_string(): reports[name].error for key, name in selected.items() if reports[name].error}
        if failed:
            raise dg.Failure(
                description=f"{len(failed)} of {len(selected)} assets failed: {', '.join(sorted(failed))}. "
                "The others are materialized; their tables are as they were.",
                metadata={name: str(error) for name, error in failed.items()},
                allow_retries=False,
            )

    return typed_events


def _widened(table: str, report: TypingReport) -> str:
    days = counted(len(report.commit_results), "day")
    return f"{table}: {', '.join(report.retyped)}: {days} rebuilt in one commit"


def _figures(report: TypingReport) -> dict[date, dict[str, Any]]:
    return {day: {ROWS: rows, "rows_with_rescued_values": report.rescued[day]} for day, rows in report.rows.items()}


def _spec(tables: Lake, event_type: EventType, rules: RulesResource) -> dg.AssetSpec:
    # Every event table is materialized when anything arrives for its day, even without events of its type.
    freshness = event_type.freshness_hours or (rules.event_warn_hours, rules.event_fail_hours)
    return table_spec(
        tables.event_table(event_type),
        Layer.TYPED,
        about=f"{as_code(event_type.name)} events, one a row. "
        f"{as_markdown(event_type.description, _DESCRIPTION_LENGTH)}\n\n"
        "The properties of the schema are columns; a value that does not fit its column is null there, and in "
        "`_rescued` by field.",
        query="select * from {table} where created_date = '2025-06-02' limit 10",
        lineage=_lineage(event_type),
        depends_on=json.dumps([*storage_shape(event_type.columns), *event_type.path_columns, *event_type.derivations]),
        rules={column.name: list(_words(column.constraints)) for column in typed(event_type.columns)},
        tags={"event_type": key_of(first_part(event_type.name))[:_TAG_LENGTH]},
        deps=[DEDUPLICATED_EVENTS],
        skippable=True,
        freshness_policy=freshness_policy(*freshness),
        group_name=event_type.group,
        owners=[event_type.owner] if event_type.owner else None,
    )


def _lineage(event_type: EventType) -> Lineage:
    made_of_path = event_type.path_columns
    derived = {column.name: column.uses for column in event_type.derived}
    known = {*EVENT_COLUMNS, *made_of_path, *derived}
    lineage: dict[str, Sequence[tuple[dg.AssetKey, str]]] = {
        **{name: [(DEDUPLICATED_EVENTS, "source_object")] for name in made_of_path},
        **same_columns(list(EVENT_COLUMNS), DEDUPLICATED_EVENTS),
        **{name: [(DEDUPLICATED_EVENTS, "body")] for name in event_type.schema.names() if name not in known},
    }
    for name, uses in derived.items():  # the sources of its columns
        lineage[name] = sorted({source for used in uses for source in lineage[used]})
    return lineage


def _words(rules: Constraints) -> Iterator[str]:
    """Yield the rules of a column in the words of its schema.

    Values that break a rule are kept, and counted by the check.
    """
    if rules.required:
        yield "required"
    if rules.enum is not None:
        yield f"enum: {', '.join(map(str, rules.enum))}"
    for keyword, limit in (("minimum", rules.minimum), ("maximum", rules.maximum), ("pattern", rules.pattern)):
        if limit is not None:
            yield f"{keyword}: {limit}"


def _unregistered_spec(tables: Lake) -> dg.AssetSpec:
    table = tables.unregistered_events
    return table_spec(
        table,
        Layer.QUARANTINE,
        about=table.spec.description,
        query="select event_name, count(*) n from {table} group by 1 order by n desc",
        lineage=same_columns(table.schema.names(), DEDUPLICATED_EVENTS),
        deps=[DEDUPLICATED_EVENTS],
        skippable=True,
        group_name="deduplicated",
    )
