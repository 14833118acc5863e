"""Commits to a table: rebuilt and appended partitions, all in one version or not at all.

Tasks write files; a commit makes them part of the table. Every commit names its partitions as app transactions, because
Delta sees no conflict between two writers that fill the same empty partition. With app transactions, the second writer
is refused and starts over from the first one's result.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from event_platform.events.errors import MissingError, StorageError, TableError, TableStorageError
from event_platform.lake.commits import commit_info
from event_platform.lake.files import remove_action
from event_platform.lake.location import TRIES, OpenedLog
from event_platform.lake.log_copy import LogCopy
from event_platform.lake.log_writer import COMMIT_RETRIES, write_commit
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.snapshot_cache import cache_snapshot, move_on
from event_platform.storage.errors import cause, has_broken_off, one_line
from event_platform.storage.store import ChangedError

#: Versions after which expired commits are looked for: delta-rs lists the whole log for that.
_CLEANUP_INTERVAL = 100

#: The app transaction of every commit that replaces a table without partitions.
_WHOLE_TABLE = "all"


class ConflictError(TableError):
    """Another writer changed the same partitions in the meantime: read again and start over."""


@dataclass(frozen=True)
class CommitResult:
    """The outcome of a commit for one partition, or for an unpartitioned table."""

    version: int  # of the table, with what was written
    previous_version: int  # version before it; the same as `version` if there was nothing to commit
    files: int = 0
    size: int = 0  # bytes


class TableCommit:
    """Changes to the partitions of a table, collected for one commit on top of a snapshot."""

    def __init__(
        self, snapshot: Snapshot, metadata: Mapping[str, Any] = {}, transactions: Mapping[str, int] = {}
    ) -> None:
        """Begin with no change. `metadata` and further app `transactions` go into the commit."""
        self._snapshot, self._metadata = snapshot, metadata
        self._transactions = [Transaction(app_id, version) for app_id, version in transactions.items()]
        self._rebuilt: list[date] = []
        self._appended: list[date] = []
        self._restored: list[date] = []
        self._actions: list[AddAction | RemoveAction] = []

    def rebuild(
        self,
        dates: Iterable[date],
        adds: Iterable[AddAction],
        source_versions: Mapping[date, int],
        build_fingerprint: int | None = None,
    ) -> "TableCommit":
        """Make `adds` the whole content of some partitions.

        Each partition stores the version of its source, and the fingerprint of its rules.
        """
        days = list(dates)
        self._keep_versions(days, source_versions)
        if build_fingerprint is not None:
            self._transactions += [Transaction(self._snapshot.fingerprint_id(day), build_fingerprint) for day in days]
        self._rebuilt += days
        self._actions += adds
        return self

    def append(
        self,
        dates: Iterable[date],
        actions: Iterable[AddAction | RemoveAction],
        source_versions: Mapping[date, int],
        *,
        restored: Iterable[date] = (),
    ) -> "TableCommit":
        """Append files to some partitions, and remove files that others of these replace.

        `restored` are those of the partitions from which all changes by other writers are gone.
        """
        days = list(dates)
        self._keep_versions(days, source_versions)
        self._appended += days
        self._actions += actions
        self._restored += restored
        return self

    def commit(self) -> dict[date, CommitResult]:
        """Commit, and return the outcome for each partition.

        Raises ConflictError if one of them changed since the snapshot; if a column gets a wider type, if any partition
        did.
        """
        if self._snapshot.retyped:
            self._require_every_partition()
            version = self._commit(self._actions, "overwrite", None, retries=0)
        elif self._appended:
            files = self._snapshot.files(self._rebuilt) if self._rebuilt else []
            removes = [remove_action(self._snapshot.table, file) for file in files]
            version = self._commit([*self._actions, *removes], "append", None)
        else:
            days = [day.isoformat() for day in self._rebuilt]
            version = self._commit(self._actions, "overwrite", [(self._snapshot.column, "in", days)])
        return {day: _written(version, self._adds_of(day)) for day in (*self._rebuilt, *self._appended)}

    def _require_every_partition(self) -> None:
        """Raise TableError if files with the old type of a column would stay."""
        if self._appended or not self._snapshot.rows_by_date().keys() <= set(self._rebuilt):
            types = ", ".join(map(str, self._snapshot.retyped))
            raise TableError(f"{self._snapshot.table.uri}: {types}: every partition has to be rebuilt in one commit")

    def commit_schema(self) -> None:
        """Commit only the columns that the definition adds. Raises ConflictError as `commit` does.

        delta-rs writes a schema only with an overwrite: here, of no partition.
        """
        self._commit([], "overwrite", [(self._snapshot.column, "in", [])])

    def replace_table(self, adds: Sequence[AddAction]) -> CommitResult:
        """Commit `adds` as the whole content of a table without partitions. Raises ConflictError as `commit` does."""
        self._transactions.append(Transaction(_WHOLE_TABLE, self._snapshot.version + 1))
        return _written(self._commit(list(adds), "overwrite", None), adds)

    def _keep_versions(self, dates: Iterable[date], source_versions: Mapping[date, int]) -> None:
        self._transactions += [Transaction(self._snapshot.app_id(day), source_versions[day]) for day in dates]

    def _adds_of(self, day: date) -> list[AddAction]:
        adds = (action for action in self._actions if isinstance(action, AddAction) and action.data_change)
        return adds_of([day], adds)

    def _commit(
        self,
        actions: list[AddAction | RemoveAction],
        mode: str,
        filters: list[tuple[str, str, Any]] | None,
        retries: int = COMMIT_RETRIES,
    ) -> int:
        """Commit, and return the new version.

        Without `retries`, any other commit since the snapshot is a conflict. Otherwise delta-rs would accept a commit
        that fills another partition with the old schema.
        """
        snapshot, table, delta = self._snapshot, self._snapshot.table, self._snapshot.delta
        if delta is None:
            raise TableError(f"{table.uri}: no such table; commit on top of snapshot_to_write()")
        commit_id = uuid.uuid4().hex
        try:
            schema = snapshot.schema_to_write
        except DeltaError as error:
            raise table.storage_error("the commit failed", error) from error
        restored = [*self._rebuilt, *self._restored]
        properties = CommitProperties(
            custom_metadata={**self._metadata, **commit_info(commit_id, snapshot.version, restored, snapshot.foreign)},
            max_commit_retries=retries,
            app_transactions=self._transactions,
        )

        def write(delta: DeltaTable) -> None:
            delta.create_write_transaction(
                actions,
                mode,
                schema,
                partition_by=table.spec.partition_by,
                partition_filters=filters,
                commit_properties=properties,
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )

        copy = snapshot.copy
        version = self._write(delta, write, commit_id) if copy is None else self._put(copy, write, commit_id)
        if version % _CLEANUP_INTERVAL == 0:
            table.clean_up_log()
        return version

    def _put(self, copy: LogCopy, write: Callable[[DeltaTable], None], commit_id: str) -> int:
        """Commit by the copy of the log."""
        table = self._snapshot.table
        try:
            delta, committed = write_commit(copy, table.storage.store, write)
        except (DeltaError, OSError, StorageError) as error:
            with suppress(StorageError):  # after a lost answer, it is unknown whether the commit was made
                if (version := self._version_of(commit_id)) is not None:
                    return version
            cache_snapshot(self._snapshot, None)  # the log may have moved on since
            raise self._failure(error) from cause(error)
        cache_snapshot(Snapshot(table, OpenedLog(delta, None, committed.version, committed)), committed.tag)
        return committed.version

    def _write(self, delta: DeltaTable, write: Callable[[DeltaTable], None], commit_id: str) -> int:
        """Commit by the log itself."""
        snapshot, table = self._snapshot, self._snapshot.table
        for retries_left in reversed(range(TRIES)):
            try:
                delta = snapshot.renewed(delta)
                write(delta)
            except (DeltaError, OSError) as error:
                # After a lost answer the commit may be in the log: the retry then conflicted with its own first
                # attempt.
                version = self._version_of(commit_id)
                if version is not None:
                    return version
                # A retry is safe: its transactions would conflict with those of a first attempt that arrives late.
                if isinstance(error, CommitFailedError) or not (retries_left and has_broken_off(error)):
                    raise self._failure(error) from cause(error)
            else:
                version = self._version_of(commit_id)
                if version is not None:
                    move_on(snapshot, delta, version)
                    return version
        raise TableStorageError(f"{table.uri}: the commit is not in the log; run again")

    def _failure(self, error: Exception) -> TableError | StorageError:
        """Return the error that says why the commit failed."""
        table = self._snapshot.table
        if isinstance(error, CommitFailedError | ChangedError):
            return ConflictError(f"{table.uri}: {one_line(error)}")
        if isinstance(error, StorageError):
            return table.request_error("the commit failed", error)
        describe = table.storage_error if self._snapshot.copy is None else table.local_error
        return describe("the commit failed", error)

    def _version_of(self, commit_id: str) -> int | None:
        """Find a commit in the log by the names of Delta's commit files: opening the table takes far longer.

        It is usually the next version, unless writers of other partitions came first. None if it is not in the log.
        """
        try:
            for version in count(self._snapshot.version + 1):
                if commit_id.encode() in self._snapshot.table.read_commit(version):
                    return version
        except MissingError:
            return None
        raise AssertionError  # a log has an end


def adds_of(dates: Iterable[date], adds: Iterable[AddAction]) -> list[AddAction]:
    """Return the files that are added to some partitions."""
    values = {day.isoformat() for day in dates}
    return [add for add in adds if not values.isdisjoint(map(str, add.partition_values.values()))]


def _written(version: int, adds: Sequence[AddAction]) -> CommitResult:
    return CommitResult(version, version - 1, len(adds), sum(add.size for add in adds))
