"""Delta tables: pinned snapshots, pruned scans, and commits that replace whole partitions or nothing.

Tasks write files; here they become part of a table, all in one commit. Every commit names the partitions it touches
as app transactions, because Delta sees no conflict between two writers that fill the same empty partition: with them,
the second writer is refused and starts over from what the first one left.
"""

import json
import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import count
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from event_platform.events.errors import MissingError, StorageError, TableError, TableStorageError
from event_platform.lake.commits import commit_info, foreign_versions
from event_platform.lake.files import DataFile, Written, scan_files, written, written_by_date
from event_platform.lake.history import commit_infos
from event_platform.lake.schemas import merged, readable, to_delta
from event_platform.storage.errors import cause, has_broken_off, one_line, storage_error
from event_platform.storage.storage import Storage

#: Other partitions' writers may get in between this often; each try costs one round to the store.
_COMMIT_RETRIES = 100


#: Of opening a table and of a commit, where connections break off: delta-rs tries a request again, but not all of them.
_TRIES = 5

#: To open a table takes two requests for each commit since its last checkpoint, and each run opens all of them. Delta's
#: own hundred would make that the largest part of the bill where there is little to do.
_CONFIGURATION: dict[str, str | None] = {"delta.checkpointInterval": "10"}

#: The app transaction of every commit that replaces a table without partitions.
_ALL = "all"


class ConflictError(TableError):
    """Somebody else wrote the same partitions in the meantime: read again and start over."""


@dataclass(frozen=True)
class Table:
    """A table's place and shape: partitioned by one date column, or not at all."""

    name: str  # below the root of the lake, such as events/lesson_started
    schema: pl.Schema
    partition_column: str | None
    storage: Storage
    comments: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    key: tuple[str, ...] = ()  # the columns that tell its rows apart
    filled: frozenset[str] = frozenset()  # the columns that are null in no row

    @property
    def uri(self) -> str:
        """The address of the table."""
        return self.storage.uri(self.name)

    def snapshot(self) -> "Snapshot":
        """Pin the table as it is now, to read it; one that does not exist yet is empty, at version -1."""
        try:
            return self.opened()
        except TableNotFoundError:
            return Snapshot(self, None)

    def snapshot_to_write(self) -> "Snapshot":
        """Pin the table as it is now, to commit on top of it; one that does not exist yet is created first.

        Raises SettingError where the store would lose commits.
        """
        self.storage.check()
        snapshot = self.snapshot()
        if snapshot.delta is None:
            snapshot = self._create()
        found = [] if snapshot.delta is None else snapshot.delta.metadata().partition_columns
        if found != self.partition_by:
            raise TableError(
                f"{self.uri}: the table is partitioned by {found}, and what is to be written by {self.partition_by}. "
                "Give it another name, or delete the table and materialize it again."
            )
        return snapshot

    @property
    def partition_by(self) -> list[str]:
        """The columns that the table is partitioned by, as Delta wants them: one or none."""
        return [] if self.partition_column is None else [self.partition_column]

    def _create(self) -> "Snapshot":
        for left in reversed(range(_TRIES)):
            options = self.storage.for_delta()
            try:
                delta = DeltaTable.create(
                    self.uri,
                    to_delta(self.schema, self.comments),
                    partition_by=self.partition_by,
                    name=self.name.replace("/", "."),
                    description=self.description or None,
                    configuration=_CONFIGURATION,
                    storage_options=options,
                )
            except (DeltaError, OSError) as error:
                with suppress(TableNotFoundError):
                    return self.opened()  # somebody else was first, or the answer was lost
                if not (left and has_broken_off(error)):
                    raise self.failed("the table cannot be created", error) from cause(error)
            else:
                return Snapshot(self, delta, options)
        raise AssertionError  # the last try has returned or raised

    def opened(self, version: int | None = None) -> "Snapshot":
        """Pin a version, or what is there now. Raises TableNotFoundError, and TableStorageError where that fails."""
        for left in reversed(range(_TRIES)):
            options = self.storage.for_delta()
            try:
                return Snapshot(self, DeltaTable(self.uri, version, storage_options=options), options)
            except TableNotFoundError:
                raise
            except (DeltaError, OSError) as error:
                if not (left and has_broken_off(error)):
                    raise self.failed("the table cannot be opened", error) from cause(error)
        raise AssertionError  # the last try has returned or raised

    def commit(self, version: int) -> bytes:
        """Return the lines of a commit, as the log has them. Raises MissingError where it was cleaned up."""
        return self.storage.read(f"{self.uri}/_delta_log/{version:020}.json")

    def failed(self, what: str, error: Exception) -> StorageError:
        """Return an error of delta-rs in our words."""
        if self.storage.is_local:
            return TableStorageError(f"{self.uri}: {what}: {one_line(error)}")
        return storage_error(error, f"{self.uri}: {what}", TableStorageError)


@dataclass(frozen=True)
class Snapshot:
    """One version of a table. Everything read from it, and every commit on top of it, refers to that version."""

    table: Table
    delta: DeltaTable | None
    #: That it was opened with.
    options: Mapping[str, str] | None = field(default=None, repr=False)

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
        return log.with_columns(pl.col("partition").struct.field(self._column).alias("date"))

    def scan(self, dates: Collection[date] | None = None) -> pl.LazyFrame:
        """Scan the given partitions (all without them)."""
        if self.table.partition_column is None and dates is None:
            return pl.LazyFrame(schema=self.schema) if self.delta is None else self._scan_log(self.delta)
        return scan_files(self.files(dates), self.schema, self._column, self.table.storage)

    @property
    def _column(self) -> str:
        if self.table.partition_column is None:
            raise TableError(f"{self.table.uri}: the table has no partitions to choose from")
        return self.table.partition_column

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns of the table, also those that its definition has no more, and those that no file has yet."""
        return readable(self.stored_schema, self.table.schema)

    @property
    def stored_schema(self) -> pl.Schema:
        """The columns that the log tells of; none where there is no table."""
        return pl.Schema() if self.delta is None else self._scan_log(self.delta).collect_schema()

    def _scan_log(self, delta: DeltaTable) -> pl.LazyFrame:
        options = self.table.storage.for_polars().get("storage_options")
        return pl.scan_delta(self._renewed(delta), storage_options=options)

    def app_id(self, partition: date) -> str:
        """Return the app transaction under which a partition's mark is kept."""
        return f"{self.table.partition_column}={partition.isoformat()}"

    def _rules_id(self, partition: date) -> str:
        return f"rules:{self.app_id(partition)}"

    def built_from(self, partition: date) -> int | None:
        """Return the mark that the last commit left on a partition; None where there was none."""
        return self.transaction(self.app_id(partition))

    def marks(self, partitions: Iterable[date]) -> dict[date, int]:
        """Return `built_from` of each partition; -1 for one that was never built."""
        found = {day: self.built_from(day) for day in partitions}
        return {day: -1 if mark is None else mark for day, mark in found.items()}

    def transaction(self, app_id: str) -> int | None:
        """Return the version of an app transaction of the table; None where there is none."""
        # To ask costs a millisecond, and version 0 is the creation of a table.
        return self.delta.transaction_version(app_id) if self.delta is not None and self.version else None

    def commits_since(self, version: int) -> list[dict[str, Any]]:
        """Return the commit infos after `version`, oldest first. This process reads each of them once."""
        if self.delta is None or version >= self.version:
            return []
        return commit_infos(str(self.delta.metadata().id), version, self.version, self.table.commit)

    @cached_property
    def foreign(self) -> dict[date, int]:
        """The partitions that others changed since the platform wrote them, each with the version that did so."""
        return foreign_versions(self.version, self.rows_by_date(), self.table.commit) if self.table.partition_by else {}

    def made_with(self, partition: date) -> int | None:
        """Return the rules (as a number of the writer's) that a partition was made with; None where none are known."""
        return self.transaction(self._rules_id(partition))

    def replace(
        self,
        dates: Sequence[date],
        adds: Sequence[AddAction],
        built_from: Mapping[date, int],
        made_with: int | None = None,
        extended: Sequence[date] = (),
        moved: Sequence[AddAction | RemoveAction] = (),
        transactions: Mapping[str, int] = {},
        metadata: Mapping[str, Any] = {},
    ) -> dict[date, Written]:
        """Commit `adds` as the whole content of the partitions `dates`, each marked with what it was `built_from`.

        Of the partitions `extended` they are more of the content, beside what is `moved` from file to file there.
        `made_with` is a number that stands for the rules; `transactions` are further ones to leave in the log, and
        `metadata` rides in the commit.
        Returns what was written of each partition. Raises ConflictError if any of them changed since the snapshot.
        """
        marks = self._marks([*dates, *extended], built_from, made_with, dates)
        marks += [Transaction(app_id, version) for app_id, version in transactions.items()]
        if extended:
            gone = [remove_action(file, self._column) for file in (self.files(dates) if dates else [])]
            version = self._commit([*adds, *moved, *gone], "append", marks, metadata, None, dates)
        else:
            days = [day.isoformat() for day in dates]
            filters = [(column, "in", days) for column in self.table.partition_by]
            version = self._commit(list(adds), "overwrite", marks, metadata, filters, dates)
        return written_by_date(version, [*dates, *extended], adds)

    def _marks(
        self, dates: Sequence[date], built_from: Mapping[date, int], made_with: int | None, made: Sequence[date]
    ) -> list[Transaction]:
        marks = [Transaction(self.app_id(day), built_from[day]) for day in dates]
        rules = [] if made_with is None else [Transaction(self._rules_id(day), made_with) for day in made]
        return [*marks, *rules]

    def replace_all(self, adds: Sequence[AddAction], transactions: Mapping[str, int] = {}) -> Written:
        """Commit `adds` as the whole content of a table without partitions. Raises ConflictError as `replace` does."""
        marks = [Transaction(app_id, number) for app_id, number in {_ALL: self.version + 1, **transactions}.items()]
        version = self._commit(list(adds), "overwrite", marks, {}, None)
        return written(version, adds)

    def append(
        self,
        dates: Sequence[date],
        actions: Sequence[AddAction | RemoveAction],
        metadata: Mapping[str, Any],
        transactions: Sequence[str] = (),
        replaced: Collection[date] = (),
    ) -> dict[date, Written]:
        """Commit files to add and to remove in the partitions `dates`; `metadata` rides in the commit.

        `transactions` are further app ids to leave in the log; `replaced` are those of the partitions that hold nothing
        any more of what others made of them. Returns and raises as `replace` does.
        """
        marks = [Transaction(self.app_id(day), self.version + 1) for day in dates]
        marks += [Transaction(app_id, 1) for app_id in transactions]
        adds = [action for action in actions if isinstance(action, AddAction) and action.data_change]
        return written_by_date(self._commit(list(actions), "append", marks, metadata, None, replaced), dates, adds)

    def _commit(
        self,
        actions: list[AddAction | RemoveAction],
        mode: str,
        marks: list[Transaction],
        metadata: Mapping[str, Any],
        filters: list[tuple[str, str, Any]] | None,
        replaced: Collection[date] = (),
    ) -> int:
        """Commit, and return the version that it made."""
        if self.delta is None:
            raise TableError(f"{self.table.uri}: no such table; commit on top of snapshot_to_write()")
        commit_id = uuid.uuid4().hex
        try:
            schema = merged(self.table.name, self.delta.schema(), to_delta(self.table.schema, self.table.comments))
        except DeltaError as error:
            raise self.table.failed("the commit failed", error) from error
        properties = CommitProperties(
            custom_metadata={**metadata, **commit_info(commit_id, self.version, replaced, self.foreign)},
            max_commit_retries=_COMMIT_RETRIES,
            app_transactions=marks,
        )
        for left in reversed(range(_TRIES)):
            try:
                self._renewed(self.delta).create_write_transaction(
                    actions,
                    mode,
                    schema,
                    partition_by=self.table.partition_by,
                    partition_filters=filters,
                    commit_properties=properties,
                )
            except (DeltaError, OSError) as error:
                # Where the answer was lost, it may be in the log: what met a conflict was then met by itself.
                version = self._version_of(commit_id)
                if version is not None:
                    return version
                if isinstance(error, CommitFailedError):
                    raise ConflictError(f"{self.table.uri}: {one_line(error)}") from error
                # To try again is safe: its marks would be in conflict with those of one that arrives after all.
                if not (left and has_broken_off(error)):
                    raise self.table.failed("the commit failed", error) from cause(error)
            else:
                version = self._version_of(commit_id)
                if version is not None:
                    return version
        raise TableStorageError(f"{self.table.uri}: the commit is not in the log; run again")

    def _renewed(self, delta: DeltaTable) -> DeltaTable:
        """Return the version with the keys of now: a step may take longer than those of its beginning last."""
        if self.table.storage.for_delta() == self.options:
            return delta
        return self.table.opened(self.version).delta or delta

    def _version_of(self, commit_id: str) -> int | None:
        """Look a commit up in the log, by the names that Delta gives its files: to open the table takes far longer.

        Mostly it is the next version; writers of other partitions may have come between. None where it is not there:
        whether a commit was made is not known where its answer was lost.
        """
        try:
            for version in count(self.version + 1):
                if commit_id.encode() in self.table.commit(version):
                    return version
        except MissingError:
            return None
        raise AssertionError  # a log has an end


def added_file(table: Table, add: AddAction) -> DataFile:
    """Return a file that is written but not yet committed as the log will show it."""
    statistics = json.loads(add.stats)
    (partition,) = add.partition_values.values()
    return DataFile(
        uri=table.storage.uri(table.name, add.path),
        path=add.path,
        partition=date.fromisoformat(str(partition)),
        rows=statistics["numRecords"],
        size=add.size,
        modified=add.modification_time,
        minimum=statistics["minValues"],
        maximum=statistics["maxValues"],
        nulls=statistics["nullCount"],
    )


def remove_action(file: DataFile, column: str, *, data_change: bool = True) -> RemoveAction:
    """Return the action that takes a file out of its table; without `data_change`, its rows are in another one."""
    return RemoveAction(
        path=file.path,
        data_change=data_change,
        deletion_timestamp=time.time_ns() // 1_000_000,
        size=file.size,
        partition_values={column: file.partition.isoformat()},
    )
