"""Publication of a step's tables after their commit. Errors never fail the step.

Tables are registered in the Glue Data Catalog and published in an Iceberg catalog, if these are set.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from event_platform.defs.metadata import asset_key
from event_platform.defs.resources.platform import PublishingResource
from event_platform.events.errors import EventPlatformError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.publishing.glue import GlueDatabase, Registration
from event_platform.publishing.iceberg import Publication

#: Metadata of each table, by its asset.
Published = dict[dg.AssetKey, dict[str, Any]]

_Context = dg.AssetExecutionContext | dg.OutputContext


def publish(context: _Context, publishing: PublishingResource, lake: Lake, tables: Sequence[Table]) -> Published:
    """Make the tables of a step known in each catalog that is set. Return metadata for each.

    Failures are logged, recorded in the metadata, and retried by the next run.
    """
    published = Published()
    if publishing.glue_database:
        _add(published, tables, _registered(context, publishing.open_glue(), tables))
    if publishing.iceberg:
        _add(
            published,
            tables,
            [
                _metadata(context, "iceberg", publication.name, publication)
                for publication in publishing.publish(lake, tables)
            ],
        )
    return published


def _add(published: Published, tables: Sequence[Table], metadata: Sequence[dict[str, Any]]) -> None:
    for table, table_metadata in zip(tables, metadata, strict=True):
        published.setdefault(asset_key(table), {}).update(table_metadata)


def _registered(context: _Context, database: GlueDatabase, tables: Sequence[Table]) -> list[dict[str, Any]]:
    try:
        registrations = database.register(tables)
    except EventPlatformError as error:
        context.log.warning("%s. The tables are written, and are registered by the next run", error)
        return [{"glue": f"failed: {error}"} for _ in tables]
    return [
        _metadata(context, "glue", f"{database.name}.{registration.name}", registration)
        for registration in registrations
    ]


def _metadata(context: _Context, kind: str, name: str, result: Registration | Publication) -> dict[str, Any]:
    if result.outcome.value == "failed":
        context.log.warning("%s: failed in %s as %s: %s", result.table, kind, name, result.reason)
    return {
        f"{kind}_table": name,
        kind: f"{result.outcome}: {result.reason}" if result.reason else result.outcome.value,
    }
