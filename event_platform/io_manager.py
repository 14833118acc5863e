"""The I/O manager of assets that people add: their inputs are scans of the lake, their outputs are tables in it."""

from collections.abc import Collection
from typing import Any

import dagster as dg
import polars as pl

from event_platform.events.errors import TableError
from event_platform.lake.explained import explained
from event_platform.lake.tables import ConflictError
from event_platform.metadata import COLUMN_SCHEMA, URI, column_schema, figures_of
from event_platform.partitions import ROWS
from event_platform.registering import registered
from event_platform.resources import GlueResource, LakeResource, dates_in
from event_platform.steps.frames import write_frame

_TRIES = 5


class LakeIOManager(dg.ConfigurableIOManager):
    """Tables of the lake, by asset key.

    An input is a `pl.LazyFrame` of exactly the partitions that it is mapped to; the input's metadata
    `{"columns": [...]}` chooses columns. An output, a `pl.LazyFrame` or `pl.DataFrame`, replaces exactly the run's
    partitions, in one commit; `created_date` (Date) says which of them a row belongs to. The output of an asset without
    partitions replaces its table. None leaves the table alone. What is written is registered in the Glue Data Catalog,
    where a database is set.
    """

    lake: dg.ResourceDependency[LakeResource]
    glue: dg.ResourceDependency[GlueResource]

    @explained()
    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        """Return a lazy scan of an input's partitions. Raises TableError for an unknown table or column."""
        partitions = context.asset_partition_keys if context.has_asset_partitions else None
        columns: Collection[str] | None = (context.definition_metadata or {}).get("columns")
        return self.lake.scan(context.asset_key.to_user_string(), partitions, columns)

    @explained()
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the partitions of the run by a frame. Raises TableError, and then the table is as it was.

        Where another run wrote the same partitions meanwhile, the whole step is tried again: its inputs may have
        changed as well.
        """
        if obj is None:
            return
        if not isinstance(obj, pl.LazyFrame | pl.DataFrame):
            raise TableError(
                f"{context.asset_key.to_user_string()}: got a {type(obj).__name__}, expected a polars LazyFrame or "
                "DataFrame; what is no table needs an io_manager_key of its own"
            )
        keys = context.asset_partition_keys if context.has_asset_partitions else None
        dates = None if keys is None else dates_in(keys)
        try:
            report = write_frame(self.lake.open(), context.asset_key.to_user_string(), obj.lazy(), dates)
        except ConflictError as error:
            raise dg.RetryRequested(max_retries=_TRIES, seconds_to_wait=1) from error
        looked_up = registered(context, self.glue, [report.table]).get(context.asset_key, {})
        context.add_output_metadata({URI: report.table.uri, COLUMN_SCHEMA: column_schema(report.table), **looked_up})
        for day, rows in report.rows.items():
            figures = figures_of(report.written[day])
            if day is None:
                context.add_output_metadata({"dagster/row_count": rows, **figures})
            else:
                context.step_context.add_asset_metadata({ROWS: rows, **figures}, context.asset_key, day.isoformat())
