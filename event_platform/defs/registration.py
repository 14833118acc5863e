"""Tables that a step has written, in the Glue Data Catalog: after the commit, and never at the cost of the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from event_platform.defs.metadata import asset_key
from event_platform.defs.resources.platform import GlueResource
from event_platform.events.errors import EventPlatformError
from event_platform.lake.tables import Table
from event_platform.publishing.glue import GlueDatabase, Outcome

#: Metadata of each table, by its asset.
Registered = Mapping[dg.AssetKey, Mapping[str, Any]]


def registered(
    context: dg.AssetExecutionContext | dg.OutputContext, glue: GlueResource, tables: Sequence[Table]
) -> Registered:
    """Register the tables that a step has committed, where a database is set; return metadata for each.

    What fails is in the log of the run and in the metadata, and is tried again by the next run of the asset: a
    table that cannot be looked up is whole all the same.
    """
    database = glue.open()
    return {} if database is None else _registered(context, database, tables)


def _registered(
    context: dg.AssetExecutionContext | dg.OutputContext, database: GlueDatabase, tables: Sequence[Table]
) -> Registered:
    try:
        found = database.register(tables)
    except EventPlatformError as error:
        context.log.warning("%s. The tables are written, and are registered by the next run", error)
        return {asset_key(table): {"glue": f"{Outcome.FAILED}: {error}"} for table in tables}
    for each in found:
        if each.outcome is Outcome.FAILED:
            context.log.warning("%s: not registered as %s.%s: %s", each.table, database.name, each.name, each.reason)
    return {
        asset_key(table): {
            "glue_table": f"{database.name}.{each.name}",
            "glue": f"{each.outcome}: {each.reason}" if each.reason else each.outcome.value,
        }
        for table, each in zip(tables, found, strict=True)
    }
