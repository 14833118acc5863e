"""The location of a table and its log: opening it, creating it, reading its commits."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from event_platform.events.errors import DamagedTableError, StorageError, TableStorageError
from event_platform.lake.field_ids import FieldIds
from event_platform.lake.log_copy import LOG, LogCopy, commit_name, copy_log, temporary_table
from event_platform.lake.log_writer import create_log
from event_platform.lake.specs import TableSpec
from event_platform.storage.errors import cause, has_broken_off, one_line, storage_error
from event_platform.storage.storage import Storage
from event_platform.storage.store import ChangedError

#: Tries to open or create a table, and to commit, where connections break off: delta-rs retries some requests only.
TRIES = 5

#: Errors of delta-rs for a damaged log, on any storage: a file of it is truncated or missing.
_DAMAGED = re.compile("Json error|Parquet error|No table metadata or protocol found|Expected contiguous commit files")

_REBUILD = (
    "move the folder of the table out of the lake, keep it, and run: the table is built again from its sources, "
    "raw_events from what landing still has, and filtered_events without what it had"
)

#: Options that only Dagster's resources set, with their defaults.
_DEFAULTS = {("provider", "s3"), ("imdsv1_fallback", "False")}


def _effective(options: Mapping[str, str] | None) -> set[tuple[str, str]]:
    return set((options or {}).items()) - _DEFAULTS


@dataclass(frozen=True)
class OpenedLog:
    """A version of a table, and the storage options it was opened with.

    With a copy of the log, `delta` is opened on that copy: it knows the schema and the files, but cannot read or
    commit.
    """

    delta: DeltaTable
    options: Mapping[str, str] | None
    version: int
    copy: LogCopy | None = None

    def has_options_of(self, storage: Storage) -> bool:
        """Return whether it was opened with the options of now: the credentials of a role are renewed."""
        return self.copy is not None or _effective(self.options) == _effective(storage.for_delta())

    @cached_property
    def add_actions(self) -> Any:
        """The add actions of the version as an Arrow table."""
        return self.delta.get_add_actions(flatten=False)


@dataclass(frozen=True)
class TableLocation:
    """The definition of a table, and the storage that holds it."""

    spec: TableSpec
    storage: Storage
    #: Ids of the fields of new files: see `Snapshot.table_to_write`. Files of a table without get none.
    field_ids: FieldIds | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def name(self) -> str:
        """The name below the root of the lake."""
        return self.spec.name

    @property
    def schema(self) -> pl.Schema:
        """The columns as they are defined."""
        return self.spec.schema

    @property
    def partition_column(self) -> str | None:
        """The date column that the table is partitioned by."""
        return self.spec.partition_column

    @property
    def uri(self) -> str:
        """The address of the table."""
        return self.storage.uri(self.name)

    @property
    def key(self) -> str:
        """A unique name of the table: its address and, unless it is the default one, that of the store."""
        return f"{self.storage.options.get('endpoint', '')} {self.uri}"

    @property
    def log_folder(self) -> str:
        """The log's folder below the root of the lake."""
        return f"{self.name}/{LOG}"

    def copy_log(self) -> OpenedLog:
        """Open the latest version through a copy of the log, if it can be copied. Errors as for `open_log`."""
        try:
            copy = copy_log(self.storage.store, self.log_folder)
        except StorageError as error:
            raise self.request_error("the table cannot be opened", error) from error
        return (None if copy is None else self.open_copy(copy)) or self.open_log()

    def open_copy(self, copy: LogCopy) -> OpenedLog | None:
        """Open a version through a copy of its log; None if delta-rs has to read the log itself."""
        try:
            with temporary_table(copy.files) as folder:
                delta = DeltaTable(str(folder))
        except (DeltaError, OSError):
            return None
        features = delta.protocol().reader_features or []
        return None if "v2Checkpoint" in features else OpenedLog(delta, None, copy.version, copy)

    def open_log(self, version: int | None = None) -> OpenedLog:
        """Open a version (default: the latest) through the log itself, so that delta-rs can read and commit.

        Raises TableNotFoundError, and TableStorageError for other failures.
        """
        for retries_left in reversed(range(TRIES)):
            options = self.storage.for_delta()
            try:
                delta = DeltaTable(self.uri, version, storage_options=options)
                return OpenedLog(delta, options, delta.version())
            except TableNotFoundError:
                raise
            except (DeltaError, OSError) as error:
                if not (retries_left and has_broken_off(error)):
                    raise self.storage_error("the table cannot be opened", error) from cause(error)
        raise AssertionError  # the last try has returned or raised

    def create_log(self) -> OpenedLog:
        """Create the table, or open it if another writer was first."""
        try:
            copy = create_log(self.spec, self.storage.store, self.log_folder)
        except StorageError as error:
            if isinstance(error, ChangedError):
                with suppress(TableNotFoundError):
                    return self.open_log() if self.storage.is_local else self.copy_log()
            raise self.request_error("the table cannot be created", error) from error
        except DeltaError as error:
            raise self.local_error("the table cannot be created", error) from error
        return (None if self.storage.is_local else self.open_copy(copy)) or self.open_log()

    def clean_up_log(self) -> None:
        """Delete expired commits that are older than a checkpoint.

        Failures are ignored: a later call deletes the rest.
        """
        with suppress(DeltaError, OSError, StorageError):
            delta = self.open_log().delta
            if delta.metadata().configuration.get("delta.enableExpiredLogCleanup") != "false":
                delta.cleanup_metadata()

    def read_commit(self, version: int) -> bytes:
        """Return the lines of a commit in the log. Raises MissingError if it was cleaned up."""
        return self.read_log_file(commit_name(version))

    def read_log_file(self, name: str) -> bytes:
        """Return a file of the log. Raises MissingError if it does not exist."""
        return self.storage.read(f"{self.uri}/{LOG}/{name}")

    def commit_tag(self, version: int) -> str | None:
        """Return a tag that changes whenever the file of a commit is written; None if there is no such file."""
        return self.storage.tag(f"{self.uri}/{LOG}/{commit_name(version)}")

    def storage_error(self, what: str, error: Exception) -> StorageError:
        """Return an error of delta-rs as a platform error, with the table and the remedy."""
        if _DAMAGED.search(str(error)):
            fault = f"{self.uri}: {what}, as its log is damaged: {one_line(error)}"
            return DamagedTableError(fault, transient=False, remedy=_REBUILD)
        if self.storage.is_local:
            return self.local_error(what, error)
        return storage_error(error, f"{self.uri}: {what}", TableStorageError)

    def local_error(self, what: str, error: Exception) -> TableStorageError:
        """Return an error of delta-rs, or of this machine, that no store has to do with."""
        return TableStorageError(f"{self.uri}: {what}: {one_line(error)}")

    def request_error(self, what: str, error: StorageError) -> TableStorageError:
        """Return an error of the store as an error of the table, with the object and the remedy."""
        return TableStorageError(f"{self.uri}: {what}: {error.fault}", transient=error.transient, remedy=error.remedy)
