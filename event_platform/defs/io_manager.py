"""The I/O manager for assets of one's own: inputs are scans of the lake, outputs become tables of the lake."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from pydantic import PrivateAttr

from event_platform.defs.graph import own_asset
from event_platform.defs.metadata import COLUMN_SCHEMA, URI, column_schema, figures_of
from event_platform.defs.partitions import ROWS
from event_platform.defs.publication import publish
from event_platform.defs.resources.platform import LakeResource, PublishingResource, dates_in
from event_platform.events.errors import TableError
from event_platform.lake.derived import (
    UNKNOWN,
    MadeOf,
    contents,
    fingerprint_of_all,
    fingerprint_of_day,
    fingerprint_of_files,
)
from event_platform.lake.lake import Lake, scan_columns
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import ConflictError
from event_platform.pipeline.own_tables import write_frame
from event_platform.storage.polars_errors import translate_errors

_TRIES = 5


class LakeIOManager(dg.ConfigurableIOManager):
    """Reads and writes tables of the lake by asset key."""

    lake: dg.ResourceDependency[LakeResource]
    publishing: dg.ResourceDependency[PublishingResource]
    #: Snapshots of the inputs of each running step, by table name, as first opened.
    _read: dict[str, dict[str, Snapshot]] = PrivateAttr(default_factory=dict)

    @translate_errors()
    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        """Return a lazy scan of exactly the partitions that an input is mapped to.

        The input's metadata `{"columns": [...]}` selects columns. Raises TableError for an unknown table or column.
        """
        dates = dates_in(context.asset_partition_keys) if context.has_asset_partitions else None
        columns: Collection[str] | None = (context.definition_metadata or {}).get("columns")
        snapshot = self.lake.open().pinned(context.asset_key.to_user_string())
        self._read.setdefault(context.step_context.step.key, {}).setdefault(snapshot.table.name, snapshot)
        return scan_columns(snapshot, dates, columns)

    @translate_errors()
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace exactly the partitions of the run by a frame, in one commit; None leaves the table unchanged.

        The column `created_date` (Date) assigns rows to partitions; without partitions the whole table is replaced. The
        table is registered and published in the configured catalogs. If this raises TableError, the table is unchanged.
        If another run wrote the same partitions meanwhile, the whole step is retried, because its inputs may have
        changed as well.
        """
        read = self._read.pop(context.step_key, {})
        if obj is None:
            return
        if not isinstance(obj, pl.LazyFrame | pl.DataFrame):
            raise TableError(
                f"{context.asset_key.to_user_string()}: got a {type(obj).__name__}, expected a polars LazyFrame or "
                "DataFrame; other outputs need their own io_manager_key"
            )
        keys = context.asset_partition_keys if context.has_asset_partitions else None
        dates = None if keys is None else dates_in(keys)
        tables, name = self.lake.open(), context.asset_key.to_user_string()
        try:
            report = write_frame(tables, name, obj.lazy(), dates, _made_of(context, tables, read, dates))
        except ConflictError as error:
            raise dg.RetryRequested(max_retries=_TRIES, seconds_to_wait=1) from error
        published = publish(context, self.publishing, tables, [report.table]).get(context.asset_key, {})
        context.add_output_metadata({URI: report.table.uri, COLUMN_SCHEMA: column_schema(report.table), **published})
        for day, rows in report.rows.items():
            figures = figures_of(report.commit_results[day])
            if day is None:
                context.add_output_metadata({"dagster/row_count": rows, **figures})
            else:
                context.step_context.add_asset_metadata({ROWS: rows, **figures}, context.asset_key, day.isoformat())


def _made_of(
    context: dg.OutputContext, lake: Lake, read: Mapping[str, Snapshot], dates: Collection[date] | None
) -> MadeOf | None:
    """Return the versions of a step's inputs when they were opened, from which its output was built.

    The asset may read a source in other ways, at an unknown time. If such a source changed after the step began, its
    version is unknown, and the partitions stay due.
    """
    asset = own_asset(context.step_context.job_def.asset_layer.asset_graph.get(context.asset_key), None)
    if asset is None:
        return None
    unread_sources = [source.table for source in asset.sources if source.table not in read]
    opened = {**read, **{table: lake.found_table(table).snapshot() for table in unread_sources}}
    partitions: list[date | None] = [None] if dates is None else [*dates]
    if unread_sources and any(_changed_since(opened[table], _began(context)) for table in unread_sources):
        return MadeOf(asset.sources, dict.fromkeys(partitions, UNKNOWN))
    if dates is None:
        versions = {source.table: fingerprint_of_files(opened[source.table]) for source in asset.sources}
        return MadeOf(asset.sources, {None: fingerprint_of_all(asset.sources, versions)})
    days = {source.table: contents(opened[source.table]) for source in asset.sources}
    return MadeOf(asset.sources, {day: fingerprint_of_day(asset.sources, days, day) for day in dates})


def _began(context: dg.OutputContext) -> float:
    """Return the start time of the step in Unix seconds, or 0 if it was not recorded."""
    steps = context.step_context.instance.get_run_step_stats(context.run_id, [context.step_key])
    return next((step.start_time for step in steps if step.start_time is not None), 0.0)


def _changed_since(snapshot: Snapshot, moment: float) -> bool:
    """Return whether the newest commit of a table is later, by the clock of its writer."""
    newest = snapshot.commits_since(snapshot.version - 1)
    return bool(newest) and newest[-1].get("timestamp", 0) >= moment * 1000
