"""Publish a version of a Delta table as a snapshot of an Iceberg table: create it, catch up, or rebuild it."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    RemovePartitionSpecsUpdate,
    RemoveSchemasUpdate,
    RemoveSnapshotsUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from event_platform.events.errors import StorageError, TableError
from event_platform.publishing.iceberg.cleanup import dropped_files
from event_platform.publishing.iceberg.delta import Changes, DeltaVersion, file_name, latest_version
from event_platform.publishing.iceberg.files import data_file
from event_platform.publishing.iceberg.layout import Layout, change_updates, create_updates, layout_of
from event_platform.publishing.iceberg.manifests import (
    DamagedManifestError,
    Files,
    MissingFileError,
    Plan,
    StagedSnapshot,
    live_files,
    stage,
)
from event_platform.publishing.iceberg.models import model
from event_platform.publishing.iceberg.publication import Outcome
from event_platform.publishing.iceberg.schema import changed_types, has_same_ids
from event_platform.publishing.iceberg.summary import PublishedVersion, read_summary, summary_of
from event_platform.publishing.iceberg.target import Target, until_committed

#: A table with this many snapshots is cut to the newest ones, the second number. Delta keeps the history.
_MAX_SNAPSHOTS, _SNAPSHOTS_AFTER_DROP = 20, 10


def published_version(target: Target) -> int | None:
    """Return the published version of a Delta table; None if there is none. Errors as for `Target.load`."""
    base = target.load()
    version = None if base is None else read_summary(base.current_snapshot())
    delta = latest_version(target.table)
    return version.version if version and delta and _continues(version, delta) else None


def publish(target: Target, *, verify: bool) -> tuple[Outcome, int | None]:
    """Give an Iceberg table the files of its Delta table's latest version; return the outcome, and the version.

    With `verify`, all manifests are read, and the table is rebuilt if they are damaged or name other files. Concurrent
    publishers end in one snapshot for each version: the loser starts over from the winner's result. Raises TableError
    if the table cannot be published, and errors of the catalog and the store.
    """
    return until_committed(target.table, lambda: _publish(target, verify=verify))


def _publish(target: Target, *, verify: bool) -> tuple[Outcome, int | None]:
    base = target.load()  # before Delta: so Iceberg is ahead only if Delta was restored to an earlier version
    delta = latest_version(target.table)
    if delta is None:
        return Outcome.NO_TABLE_YET, None
    publisher, is_published = _Publisher(target, base, delta), base is not None and _is_published(base, delta)
    if verify and not publisher.is_whole(is_published=is_published):
        publisher = replace(publisher, is_damaged=True)
    elif is_published:
        return Outcome.UNCHANGED, delta.version
    return publisher.publish(), delta.version


def _is_published(base: IcebergTable, delta: DeltaVersion) -> bool:
    version = read_summary(base.current_snapshot())
    return version is not None and version.version == delta.version and _continues(version, delta)


def _continues(version: PublishedVersion, delta: DeltaVersion) -> bool:
    """Return whether the log continues the published version, and is not another table's or restored from a backup."""
    if version.table_id != delta.table_id or version.version > delta.version:
        return False
    return delta.timestamp_of(version.version) in {version.timestamp, None}


@dataclass(frozen=True)
class _Publisher:
    """One attempt: from a state of the Iceberg table (None: it does not exist) to a version of the Delta table."""

    target: Target
    base: IcebergTable | None
    delta: DeltaVersion
    is_damaged: bool = False  # the manifests of the Iceberg table cannot be read

    def is_whole(self, *, is_published: bool) -> bool:
        """Return whether the manifests can be read, and name the files of this version if it is published."""
        try:
            live_locations = live_files(self.target.io, self._parent)
        except DamagedManifestError:
            return False
        return not is_published or live_locations == set(map(self._location, self.delta.paths))

    def publish(self) -> Outcome:
        layout = self._current_layout() or layout_of(self.target, self.delta, self._metadata)
        try:
            is_rebuilt = self._metadata is not None and self._must_rebuild(self._metadata, layout)
            staged = self._stage_all(layout) if is_rebuilt or self._metadata is None else self._stage_changes(layout)
        except DamagedManifestError:
            is_rebuilt, staged = True, self._stage_all(layout)
        dropped_ids = self._ids_to_drop(all_of_them=is_rebuilt)
        try:
            after = self._commit(layout, staged.snapshot, dropped_ids)
        except (CommitFailedException, TableAlreadyExistsError):
            self._delete(staged.files)
            raise
        if self._metadata is None:
            return Outcome.CREATED
        self._delete(dropped_files(self.target.io, self._metadata, after))
        return Outcome.REBUILT if is_rebuilt else Outcome.CAUGHT_UP

    @property
    def _metadata(self) -> TableMetadata | None:
        return None if self.base is None else self.base.metadata

    @property
    def _parent(self) -> Snapshot | None:
        return None if self.base is None else self.base.current_snapshot()

    def _current_layout(self) -> Layout | None:
        """Return the table's present layout; None if the schema may have changed. Making a layout takes long."""
        if self._metadata is None or self._changes is None or self._changes.has_new_schema:
            return None
        return Layout(self._metadata.schema(), self._metadata.spec(), {})

    @cached_property
    def _changes(self) -> Changes | None:
        """The changes in the log since the published version; None if the log does not continue from it."""
        before = read_summary(self._parent)
        return self.delta.changes_since(before.version) if before and _continues(before, self.delta) else None

    def _must_rebuild(self, metadata: TableMetadata, layout: Layout) -> bool:
        """Return whether all files must be replaced.

        Raises TableError if they must, and readers would misread the table.
        """
        before = read_summary(self._parent)
        if self.is_damaged or before is None or before.table_id != self.delta.table_id:
            return True
        if layout.schema is metadata.schema():
            return False
        changes = changed_types(metadata.schema(), layout.schema)
        if not has_same_ids(metadata.schema(), layout.schema):
            if not before.has_ids:  # Delta assigned the ids after that publication: no file has other ids
                return True
            changes.append("the ids of fields")
        if changes and self._has_old_files():
            raise TableError(
                f"{self.target.table.name}: changed while older files stay: {', '.join(changes)}. Iceberg reads these "
                "by the new type and fails: give the property a new column with x-column, or rebuild all partitions"
            )
        return bool(changes) or layout.spec.spec_id != metadata.default_spec_id

    def _has_old_files(self) -> bool:
        return not live_files(self.target.io, self._parent).isdisjoint(map(self._location, self.delta.paths))

    def _stage_all(self, layout: Layout) -> StagedSnapshot:
        return self._stage(layout, None, self._data_files(layout, None), [])

    def _stage_changes(self, layout: Layout) -> StagedSnapshot:
        """Stage the changes in the log; if these do not lead to Delta's files, stage all differences instead."""
        if self._changes is not None:
            with suppress(MissingFileError):
                removed = set(map(self._location, self._changes.removed))
                staged = self._stage(layout, self._parent, self._data_files(layout, self._changes.added), removed)
                if staged.file_count == self.delta.file_count:
                    return staged
                self._delete(staged.files)
        live_locations, paths = live_files(self.target.io, self._parent), self.delta.paths
        removed = live_locations - set(map(self._location, paths))
        added = [path for path in paths if self._location(path) not in live_locations]
        return self._stage(layout, self._parent, self._data_files(layout, added), removed)

    def _stage(
        self, layout: Layout, parent: Snapshot | None, added: list[DataFile], removed: Collection[str]
    ) -> StagedSnapshot:
        number = 1 if self._metadata is None else self._metadata.next_sequence_number()
        files = Files(self.target.io, self.target.metadata_folder, layout.schema, layout.spec)
        return stage(files, parent, number, Plan(added, removed, summary_of(self.delta)))

    def _data_files(self, layout: Layout, paths: Collection[str] | None) -> list[DataFile]:
        rows, location = self.delta.files(paths), self.target.location
        return [data_file(self.target.table, location, row, layout.schema, layout.spec) for row in rows]

    def _location(self, path: str) -> str:
        return f"{self.target.location}/{file_name(path)}"

    def _ids_to_drop(self, *, all_of_them: bool) -> list[int]:
        """Return the ids of the snapshots to drop in the same commit."""
        if self._metadata is None:
            return []
        snapshots = sorted(self._metadata.snapshots, key=lambda each: each.sequence_number or 0)
        if all_of_them:
            return [each.snapshot_id for each in snapshots]
        named_ids = {ref.snapshot_id for name, ref in self._metadata.refs.items() if name != MAIN_BRANCH}
        old_snapshots = snapshots[: -(_SNAPSHOTS_AFTER_DROP - 1)] if len(snapshots) >= _MAX_SNAPSHOTS else []
        return [each.snapshot_id for each in old_snapshots if each.snapshot_id not in named_ids]

    def _commit(self, layout: Layout, snapshot: Snapshot, dropped_ids: list[int]) -> TableMetadata:
        updates = (
            create_updates(self.target, layout) if self._metadata is None else change_updates(self._metadata, layout)
        )
        updates += [AddSnapshotUpdate(snapshot=snapshot), _as_main(snapshot)]
        if dropped_ids:
            updates.append(model(RemoveSnapshotsUpdate, snapshot_ids=dropped_ids))
        if self._metadata is not None and len(dropped_ids) == len(self._metadata.snapshots):
            updates += _drop_unused(self._metadata, layout)
        return self.target.commit(self.base, updates)

    def _delete(self, files: list[str]) -> None:
        with suppress(StorageError):  # files that remain are deleted before the next vacuum
            self.target.io.delete_files(files)


def _as_main(snapshot: Snapshot) -> TableUpdate:
    return model(
        SetSnapshotRefUpdate, ref_name=MAIN_BRANCH, type=SnapshotRefType.BRANCH, snapshot_id=snapshot.snapshot_id
    )


def _drop_unused(metadata: TableMetadata, layout: Layout) -> list[TableUpdate]:
    """Drop the partition specs and schemas that no snapshot uses: their ids may belong to other columns by now."""
    specs = [each.spec_id for each in metadata.partition_specs if each.spec_id != layout.spec.spec_id]
    schemas = [each.schema_id for each in metadata.schemas if each.schema_id != layout.schema.schema_id]
    updates: list[TableUpdate] = [model(RemovePartitionSpecsUpdate, spec_ids=specs)] if specs else []
    return [*updates, model(RemoveSchemasUpdate, schema_ids=schemas)] if schemas else updates
