"""Where a table is, and its log there: opening it, creating it, reading its commits."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from event_platform.events.errors import StorageError, TableStorageError
from event_platform.lake.schemas import to_delta
from event_platform.lake.specs import TableSpec
from event_platform.storage.errors import cause, has_broken_off, one_line, storage_error
from event_platform.storage.storage import Storage

#: Tries to open or create a table, and to commit, where connections break off: delta-rs retries some requests only.
TRIES = 5

#: To open a table takes two requests for each commit since its last checkpoint, and each run opens all of them. Delta's
#: own hundred would make that the largest part of the bill where there is little to do.
CHECKPOINT_INTERVAL = 10
_CONFIGURATION: dict[str, str | None] = {"delta.checkpointInterval": str(CHECKPOINT_INTERVAL)}


#: Options that only Dagster's resources set, as they are by default.
_DEFAULTS = {("provider", "s3"), ("imdsv1_fallback", "False")}


def _effective(options: Mapping[str, str] | None) -> set[tuple[str, str]]:
    return set((options or {}).items()) - _DEFAULTS


@dataclass(frozen=True)
class OpenedLog:
    """A version of a table, and the storage options that it was opened with."""

    delta: DeltaTable
    options: Mapping[str, str] | None
    version: int

    def has_options_of(self, storage: Storage) -> bool:
        """Return whether it was opened with the options of now: the credentials of a role are renewed."""
        return _effective(self.options) == _effective(storage.for_delta())

    @cached_property
    def add_actions(self) -> Any:
        """The add actions of the version as an Arrow table."""
        return self.delta.get_add_actions(flatten=False)


@dataclass(frozen=True)
class TableLocation:
    """A table as it is defined, in the storage that holds it."""

    spec: TableSpec
    storage: Storage

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

    def open_log(self, version: int | None = None) -> OpenedLog:
        """Open a version, or the latest one. Raises TableNotFoundError, and TableStorageError where that fails."""
        for left in reversed(range(TRIES)):
            options = self.storage.for_delta()
            try:
                delta = DeltaTable(self.uri, version, storage_options=options)
                return OpenedLog(delta, options, delta.version())
            except TableNotFoundError:
                raise
            except (DeltaError, OSError) as error:
                if not (left and has_broken_off(error)):
                    raise self.storage_error("the table cannot be opened", error) from cause(error)
        raise AssertionError  # the last try has returned or raised

    def create_log(self) -> OpenedLog:
        """Create the table, or open it where another writer was first."""
        for left in reversed(range(TRIES)):
            options = self.storage.for_delta()
            try:
                delta = DeltaTable.create(
                    self.uri,
                    to_delta(self.schema, self.spec.comments),
                    partition_by=self.spec.partition_by,
                    name=self.name.replace("/", "."),
                    description=self.spec.description or None,
                    configuration=_CONFIGURATION,
                    storage_options=options,
                )
            except (DeltaError, OSError) as error:
                with suppress(TableNotFoundError):
                    return self.open_log()  # another writer was first, or the answer was lost
                if not (left and has_broken_off(error)):
                    raise self.storage_error("the table cannot be created", error) from cause(error)
            else:
                return OpenedLog(delta, options, delta.version())
        raise AssertionError  # the last try has returned or raised

    def read_commit(self, version: int) -> bytes:
        """Return the lines of a commit, as the log has them. Raises MissingError where it was cleaned up."""
        return self.storage.read(self._commit_uri(version))

    def commit_tag(self, version: int) -> str | None:
        """Return what changes whenever the file of a commit is written; None where there is none."""
        return self.storage.tag(self._commit_uri(version))

    def _commit_uri(self, version: int) -> str:
        return f"{self.uri}/_delta_log/{version:020}.json"

    def storage_error(self, what: str, error: Exception) -> StorageError:
        """Return an error of delta-rs as one of the platform, which names the table and says what to do."""
        if self.storage.is_local:
            return TableStorageError(f"{self.uri}: {what}: {one_line(error)}")
        return storage_error(error, f"{self.uri}: {what}", TableStorageError)
