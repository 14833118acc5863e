"""One version of a table: its files, its rows, and its log's entries for each partition. Nothing is written here."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl
from deltalake import DeltaTable, Schema

from event_platform.events.errors import TableError
from event_platform.lake.app_transactions import app_transactions
from event_platform.lake.commits import foreign_versions
from event_platform.lake.field_ids import ids_by_path
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.history import commit_infos
from event_platform.lake.location import OpenedLog, TableLocation
from event_platform.lake.log_copy import LogCopy, commit_name
from event_platform.lake.schemas import Retyped, merged, readable, retyped, to_delta

#: Begins the app transactions of build fingerprints, as lakes of earlier releases have them.
_RULES = "rules:"


class _FileInLog(NamedTuple):
    """A file in the log; `rows` and `nulls` (by column) are set only if its writer counted them."""

    day: date
    path: str
    rows: int | None
    nulls: Mapping[str, int]


@dataclass(frozen=True)
class Snapshot:
    """One version of a table. Everything read from it, and every commit on top of it, refers to that version."""

    table: TableLocation
    opened: OpenedLog | None = field(repr=False)  # None if the table does not exist
    is_taken: bool = False  # by a writer: see snapshot_cache
    commits: dict[int, bytes] = field(default_factory=dict, repr=False, compare=False)  # that were read from the log

    @property
    def delta(self) -> DeltaTable | None:
        """The version in delta-rs; None if the table does not exist."""
        if self.opened is None:
            return None
        is_moved_on = self.opened.delta.version() != self.opened.version  # by a commit: see snapshot_cache
        return (self._reopened if is_moved_on else self.opened).delta

    @cached_property
    def _reopened(self) -> OpenedLog:
        return self.table.open_log(self.version)

    @property
    def copy(self) -> LogCopy | None:
        """The copy of the log that the version was opened with; None without a copy."""
        return None if self.opened is None else self.opened.copy

    @property
    def version(self) -> int:
        """The version in the table's log; -1 if the table does not exist."""
        return -1 if self.opened is None else self.opened.version

    def files(self, dates: Collection[date] | None = None) -> list[DataFile]:
        """Return the files of the given partitions (all without them), in the order of partition and path."""
        if dates is None:
            return self._read_files(None)
        chosen = frozenset(dates)
        if (files := self._last_read.get(chosen)) is None:
            files = self._read_files(chosen)
            self._last_read.clear()
            self._last_read[chosen] = files
        return [*files]

    @cached_property
    def _last_read(self) -> dict[frozenset[date], list[DataFile]]:
        """The files of the last requested partitions: all checks of a run request the same partitions."""
        return {}

    def _read_files(self, chosen: frozenset[date] | None) -> list[DataFile]:
        log = self._log
        if log.is_empty():
            return []
        column = self.column
        if chosen is not None and not chosen.issuperset(file.day for file in self._files_in_log):
            log = log[[number for number, file in enumerate(self._files_in_log) if file.day in chosen]]
        files = [
            DataFile(
                uri=self.table.storage.uri(self.table.name, row["path"]),
                path=row["path"],
                partition=row["partition"][column],
                rows=row["num_records"],
                size=row["size_bytes"],
                modified=row["modification_time"],
                minimum=row.get("min") or {},
                maximum=row.get("max") or {},
                nulls=row.get("null_count") or {},
            )
            for row in log.to_dicts()
        ]
        return sorted(files, key=lambda file: (file.partition, file.path))

    @property
    def file_count(self) -> int:
        """How many files the version has."""
        return 0 if self.opened is None else int(self.opened.add_actions.num_rows)

    @property
    def stored_sizes(self) -> dict[str, int]:
        """The size in bytes of each file by its path below the table; also available for unpartitioned tables."""
        return {} if self._log.is_empty() else dict(zip(self._log["path"], self._log["size_bytes"], strict=True))

    def rows_by_date(self, dates: Collection[date] | None = None) -> dict[date, int]:
        """Return the rows of each non-empty partition (default: of all), from the log."""
        counts = Counter[date]()
        for file in self._files_of(dates):
            counts[file.day] += file.rows or 0
        return dict(counts)

    def nulls_by_date(self, dates: Collection[date]) -> dict[date, dict[str, int]]:
        """Return the nulls of each non-empty partition by column, from the log.

        Columns missing from some of its files, or without statistics, are omitted.
        """
        nulls = dict[date, dict[str, int]]()
        for file in self._files_of(dates):
            counted = {column: count for column, count in file.nulls.items() if isinstance(count, int)}
            before = nulls.get(file.day, dict.fromkeys(counted, 0))
            nulls[file.day] = {column: before[column] + count for column, count in counted.items() if column in before}
        return nulls

    def rows_with(self, column: str) -> int:
        """Return the number of rows with a value in a column, by the statistics of files; 0 without statistics."""
        return sum(self.values_by_date(column).values())

    def values_by_date(self, column: str, dates: Collection[date] | None = None) -> dict[date, int]:
        """Return `rows_with` of each partition (default: of all) where it is not 0."""
        counts = Counter[date]()
        for file in self._files_of(dates):
            if file.rows is not None and (nulls := file.nulls.get(column)) is not None:
                counts[file.day] += file.rows - nulls
        return {day: rows for day, rows in counts.items() if rows}

    def largest(self, column: str) -> Any:
        """Return the largest value of a column, by the statistics of files; None without statistics."""
        statistics = self._log.schema.get("max")
        if not isinstance(statistics, pl.Struct) or column not in {field.name for field in statistics.fields}:
            return None
        return self._log["max"].struct.field(column).max()

    def paths_by_date(self, dates: Collection[date] | None = None, column: str | None = None) -> dict[date, list[str]]:
        """Return the sorted file paths of each non-empty partition (default: of all).

        With `column`, only of files that may have a value in it, by their statistics.
        """
        paths = defaultdict[date, list[str]](list)
        for file in self._files_of(dates):
            if column is None or file.nulls.get(column) != file.rows:
                paths[file.day].append(file.path)
        return {day: sorted(names) for day, names in paths.items()}

    def paths(self) -> list[str]:
        """Return the sorted paths of all files."""
        return [] if self._log.is_empty() else sorted(self._log["path"])

    def _files_of(self, dates: Collection[date] | None) -> Iterable[_FileInLog]:
        chosen = None if dates is None else set(dates)
        return (file for file in self._files_in_log if chosen is None or file.day in chosen)

    @cached_property
    def _files_in_log(self) -> list[_FileInLog]:
        """The files of the version. Without polars: a query costs a millisecond, and `status` reads a hundred logs."""
        if self.opened is None or not self.opened.add_actions.num_rows:
            return []
        actions = self.opened.add_actions
        column, names = self.column, ("partition", "path", "num_records")
        partitions, paths, rows = (actions.column(name).to_pylist() for name in names)
        has_nulls = "null_count" in actions.schema.names
        nulls = actions.column("null_count").to_pylist() if has_nulls else [None] * len(paths)
        return [
            _FileInLog(values[column], path, count, nulls_of or {})
            for values, path, count, nulls_of in zip(partitions, paths, rows, nulls, strict=True)
        ]

    @cached_property
    def _log(self) -> pl.DataFrame:
        """A row for each file of the version, in the order of `_files_in_log`."""
        return pl.DataFrame() if self.opened is None else pl.DataFrame(self.opened.add_actions)

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
        """The columns of the table, including dropped ones, and new ones that no file has yet."""
        return readable(self.stored_schema, self.table.schema)

    @property
    def stored_schema(self) -> pl.Schema:
        """The columns in the log; empty if the table does not exist."""
        # pl.scan_delta would open the table again if it has storage options.
        return pl.Schema() if self.delta is None else pl.Schema(self.delta.schema())

    @cached_property
    def schema_to_write(self) -> Schema:
        """The table's schema after a commit on top of this version: its own columns and those the definition adds.

        Raises TableError if both are incompatible, and if the table does not exist.
        """
        if self.delta is None:
            raise TableError(f"{self.table.uri}: no such table; commit on top of snapshot_to_write()")
        spec = self.table.spec
        defined = to_delta(spec.schema, spec.comments, spec.variants)
        return merged(spec.name, self.delta.schema(), defined, widens=spec.widens)

    @property
    def has_new_schema(self) -> bool:
        """Whether a commit on top of this version changes the schema of the table."""
        return self.delta is not None and self.schema_to_write != self.delta.schema()

    @cached_property
    def retyped(self) -> list[Retyped]:
        """The columns that the next commit widens; that commit has to rebuild every partition."""
        return (
            [] if self.delta is None or not self.has_new_schema else retyped(self.delta.schema(), self.schema_to_write)
        )

    @cached_property
    def table_to_write(self) -> TableLocation:
        """The table with the field ids for new files: those in its log, and those it gets with the next commit.

        A field keeps its id in the log as long as it keeps its type, and a commit is refused if another one changed the
        schema meanwhile.
        """
        return replace(self.table, field_ids=ids_by_path(self.schema_to_write))

    def _scan_log(self, delta: DeltaTable) -> pl.LazyFrame:
        options = self.table.storage.for_polars().get("storage_options")
        return pl.scan_delta(self.renewed(delta), storage_options=options)

    def app_id(self, partition: date) -> str:
        """Return the app transaction that keeps the source version of a partition."""
        return f"{self.table.partition_column}={partition.isoformat()}"

    def fingerprint_id(self, partition: date) -> str:
        """Return the app transaction that keeps the build fingerprint of a partition."""
        return f"{_RULES}{self.app_id(partition)}"

    def source_version(self, partition: date) -> int | None:
        """Return the source version that a partition was last built from; None if it was never built."""
        return self.transaction(self.app_id(partition))

    def was_built(self, partition: date) -> bool:
        """Return whether a partition was ever built, and its rows are not elsewhere since."""
        version = self.source_version(partition)
        return version is not None and version >= 0

    def source_versions(self, partitions: Iterable[date]) -> dict[date, int]:
        """Return `source_version` of each partition; -1 for one that was never built."""
        versions = {day: self.source_version(day) for day in partitions}
        return {day: -1 if version is None else version for day, version in versions.items()}

    def build_fingerprint(self, partition: date) -> int | None:
        """Return the fingerprint of the rules that a partition was last rebuilt with; None if it is unknown."""
        return self.transaction(self.fingerprint_id(partition))

    @property
    def build_fingerprints(self) -> dict[date, int]:
        """The build fingerprints of all partitions; empty if transactions can only be read one by one."""
        prefix = f"{_RULES}{self.column}="
        transactions = (self.transactions or {}).items()
        return {
            date.fromisoformat(app_id[len(prefix) :]): fingerprint
            for app_id, fingerprint in transactions
            if app_id.startswith(prefix)
        }

    def transaction(self, app_id: str) -> int | None:
        """Return the version of an app transaction of the table; None if it does not exist."""
        if self.delta is None:
            return None
        transactions = self.transactions
        return self.delta.transaction_version(app_id) if transactions is None else transactions.get(app_id)

    @cached_property
    def transactions(self) -> Mapping[str, int] | None:
        """The versions of all app transactions; None if they can only be read one by one."""
        if self.delta is None:
            return {}
        return app_transactions(self.table, self.version, self.read_commit, self.copy)

    def read_commit(self, version: int) -> bytes:
        """Return the lines of a commit in the log. Those of the last commit are cached.

        Raises MissingError if it was cleaned up.
        """
        if self.copy is not None and (copied := self.copy.files.get(commit_name(version))) is not None:
            return copied
        if version in self.commits:
            return self.commits[version]
        lines = self.table.read_commit(version)
        if version == self.version:
            self.commits[version] = lines
        return lines

    def commits_since(self, version: int) -> list[dict[str, Any]]:
        """Return the commit infos after `version`, oldest first. This process reads each of them once."""
        if self.delta is None or version >= self.version:
            return []
        return commit_infos(self.table.key, version, self.version, self.read_commit)

    @cached_property
    def foreign(self) -> dict[date, int]:
        """The partitions that others changed since the platform wrote them, each with the version of the change."""
        if self.table.partition_column is None:
            return {}
        return foreign_versions(self.version, self.rows_by_date(), self.read_commit)

    def renewed(self, delta: DeltaTable) -> DeltaTable:
        """Return the version to read or commit with, with the credentials of now: a step may outlast those of then."""
        if self.opened is None:
            return delta
        opened = OpenedLog(delta, self.opened.options, self.version) if self.copy is None else self._reopened
        return (opened if opened.has_options_of(self.table.storage) else self.table.open_log(self.version)).delta
