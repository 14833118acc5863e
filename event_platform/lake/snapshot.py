"""One version of a table: its files, its rows, and what its log says of each partition. Nothing is written here."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl
from deltalake import DeltaTable

from event_platform.events.errors import TableError
from event_platform.lake.commits import foreign_versions
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.history import commit_infos
from event_platform.lake.location import OpenedLog, TableLocation
from event_platform.lake.schemas import readable


@dataclass(frozen=True)
class Snapshot:
    """One version of a table. Everything read from it, and every commit on top of it, refers to that version."""

    table: TableLocation
    opened: OpenedLog | None = field(repr=False)  # None where there is no table

    @property
    def delta(self) -> DeltaTable | None:
        """The version as delta-rs has it; None where there is no table."""
        return None if self.opened is None else self.opened.delta

    @property
    def version(self) -> int:
        """The version in the table's log; -1 where there is no table."""
        return -1 if self.delta is None else self.delta.version()

    def files(self, dates: Collection[date] | None = None) -> list[DataFile]:
        """Return the files of the given partitions (all without them), in the order of partition and path."""
        log = self._log_of(dates)
        return [
            DataFile(
                uri=self.table.storage.uri(self.table.name, row["path"]),
                path=row["path"],
                partition=row["date"],
                rows=row["num_records"],
                size=row["size_bytes"],
                modified=row["modification_time"],
                minimum=row.get("min") or {},
                maximum=row.get("max") or {},
                nulls=row.get("null_count") or {},
            )
            for row in (log.sort("date", "path").to_dicts() if log.width else [])
        ]

    @property
    def stored_sizes(self) -> dict[str, int]:
        """The bytes of each file of the version by its path below the table, also where there are no partitions."""
        log = None if self.delta is None else pl.DataFrame(self.delta.get_add_actions())
        return {} if log is None or log.is_empty() else dict(log.select("path", "size_bytes").iter_rows())

    def rows_by_date(self, dates: Collection[date] | None = None) -> dict[date, int]:
        """Return the rows of each partition (of the given ones, else of all) that has any, as the log counts them."""
        log = self._log_of(dates)
        return dict(log.group_by("date").agg(pl.col("num_records").sum()).iter_rows()) if log.width else {}

    def paths_by_date(self, dates: Collection[date] | None = None, column: str | None = None) -> dict[date, list[str]]:
        """Return the sorted paths of the files of each partition (of the given ones, else of all) that has any.

        With `column`, of those files in which it may hold a value, as their statistics say.
        """
        log = self._log_of(dates)
        counted = log.schema.get("null_count")
        if isinstance(counted, pl.Struct) and column in [each.name for each in counted.fields]:
            log = log.filter(pl.col("null_count").struct.field(str(column)).ne_missing(pl.col("num_records")))
        return dict(log.group_by("date").agg(pl.col("path").sort()).iter_rows()) if log.width else {}

    def paths(self) -> list[str]:
        """Return the sorted paths of all files."""
        log = pl.DataFrame() if self.delta is None else pl.DataFrame(self.delta.get_add_actions(flatten=False))
        return [] if log.is_empty() else log["path"].sort().to_list()

    def _log_of(self, dates: Collection[date] | None) -> pl.DataFrame:
        return (
            self._log if dates is None or not self._log.width else self._log.filter(pl.col("date").is_in(list(dates)))
        )

    @cached_property
    def _log(self) -> pl.DataFrame:
        """A row for each file of the version, with its `date`; no columns where there is none."""
        log = pl.DataFrame() if self.delta is None else pl.DataFrame(self.delta.get_add_actions(flatten=False))
        if log.is_empty():
            return pl.DataFrame()
        return log.with_columns(pl.col("partition").struct.field(self.column).alias("date"))

    def scan(self, dates: Collection[date] | None = None) -> pl.LazyFrame:
        """Scan the given partitions (all without them)."""
        if self.table.partition_column is None and dates is None:
            return pl.LazyFrame(schema=self.schema) if self.delta is None else self._scan_log(self.delta)
        return scan_files(self.table, self.files(dates), self.schema)

    @property
    def column(self) -> str:
        """The partition column. Raises TableError for a table without."""
        if self.table.partition_column is None:
            raise TableError(f"{self.table.uri}: the table has no partitions to choose from")
        return self.table.partition_column

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns of the table, also those that its definition has no more, and those that no file has yet."""
        return readable(self.stored_schema, self.table.schema)

    @property
    def stored_schema(self) -> pl.Schema:
        """The columns in the log; none where there is no table."""
        return pl.Schema() if self.delta is None else self._scan_log(self.delta).collect_schema()

    def _scan_log(self, delta: DeltaTable) -> pl.LazyFrame:
        options = self.table.storage.for_polars().get("storage_options")
        return pl.scan_delta(self.renewed(delta), storage_options=options)

    def app_id(self, partition: date) -> str:
        """Return the app transaction that keeps the source version of a partition."""
        return f"{self.table.partition_column}={partition.isoformat()}"

    def fingerprint_id(self, partition: date) -> str:
        """Return the app transaction that keeps the build fingerprint of a partition."""
        return f"rules:{self.app_id(partition)}"  # as lakes of earlier releases have it

    def source_version(self, partition: date) -> int | None:
        """Return the version of its source that a partition was last built from; None where it never was."""
        return self.transaction(self.app_id(partition))

    def source_versions(self, partitions: Iterable[date]) -> dict[date, int]:
        """Return `source_version` of each partition; -1 for one that was never built."""
        versions = {day: self.source_version(day) for day in partitions}
        return {day: -1 if version is None else version for day, version in versions.items()}

    def build_fingerprint(self, partition: date) -> int | None:
        """Return the fingerprint of the rules that a partition was last rebuilt with; None where none is known."""
        return self.transaction(self.fingerprint_id(partition))

    def transaction(self, app_id: str) -> int | None:
        """Return the version of an app transaction of the table; None where there is none."""
        # To ask costs a millisecond, and version 0 is the creation of a table.
        return self.delta.transaction_version(app_id) if self.delta is not None and self.version else None

    def commits_since(self, version: int) -> list[dict[str, Any]]:
        """Return the commit infos after `version`, oldest first. This process reads each of them once."""
        if self.delta is None or version >= self.version:
            return []
        return commit_infos(str(self.delta.metadata().id), version, self.version, self.table.read_commit)

    @cached_property
    def foreign(self) -> dict[date, int]:
        """The partitions that others changed since the platform wrote them, each with the version that did so."""
        if self.table.partition_column is None:
            return {}
        return foreign_versions(self.version, self.rows_by_date(), self.table.read_commit)

    def renewed(self, delta: DeltaTable) -> DeltaTable:
        """Return the version with the credentials of now: a step may take longer than those of its beginning last."""
        if self.opened is None or self.table.storage.for_delta() == self.opened.options:
            return delta
        return self.table.open_log(self.version).delta
