"""Publish a version of a Delta table as a snapshot of an Iceberg table: create it, catch it up, or rebuild it."""

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
    DamagedError,
    Files,
    MissingFileError,
    Plan,
    Staged,
    live_files,
    stage,
)
from event_platform.publishing.iceberg.models import model
from event_platform.publishing.iceberg.publication import Outcome
from event_platform.publishing.iceberg.schema import changed_types, has_same_ids
from event_platform.publishing.iceberg.summary import Published, published, summary_of
from event_platform.publishing.iceberg.target import Target, until_committed

#: Snapshots of a table: with more than the first number, all but the newest are dropped. The history is Delta's.
_MOST, _KEPT = 20, 10


def published_version(target: Target) -> int | None:
    """Return the version of a Delta table that is published; None if it never was. Errors as of `Target.load`."""
    base = target.load()
    found = None if base is None else published(base.current_snapshot())
    delta = latest_version(target.table)
    return found.version if found and delta and _is_of(found, delta) else None


def publish(target: Target, *, verify: bool) -> tuple[Outcome, int | None]:
    """Give an Iceberg table the files of the latest version of its Delta table; return the outcome, and the version.

    With `verify`, all manifests are read, and the table is rebuilt where they are damaged, or name other files.
    Two publishers at once end in one snapshot for each version: who loses starts over from what the other one has left.
    Raises TableError where the table cannot be published, and errors of the catalog and the store.
    """
    return until_committed(target.table, lambda: _publish(target, verify=verify))


def _publish(target: Target, *, verify: bool) -> tuple[Outcome, int | None]:
    base = target.load()  # before Delta: what is published then is not ahead, unless Delta went back
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
    found = published(base.current_snapshot())
    return found is not None and found.version == delta.version and _is_of(found, delta)


def _is_of(found: Published, delta: DeltaVersion) -> bool:
    """Return whether the log goes on from what is published: not of another table, nor restored from a backup."""
    if found.table_id != delta.table_id or found.version > delta.version:
        return False
    return delta.timestamp_of(found.version) in {found.timestamp, None}


@dataclass(frozen=True)
class _Publisher:
    """One try: from a state of the Iceberg table (None: there is none) to a version of the Delta table."""

    target: Target
    base: IcebergTable | None
    delta: DeltaVersion
    is_damaged: bool = False  # what the Iceberg table has is not to be read

    def is_whole(self, *, is_published: bool) -> bool:
        """Return whether the manifests can be read, and, if this version is published, name its files."""
        try:
            live = live_files(self.target.io, self._parent)
        except DamagedError:
            return False
        return not is_published or live == set(map(self._location, self.delta.paths))

    def publish(self) -> Outcome:
        layout = self._kept_layout() or layout_of(self.target, self.delta, self._known)
        try:
            is_rebuilt = self._known is not None and self._must_rebuild(self._known, layout)
            staged = self._stage_all(layout) if is_rebuilt or self._known is None else self._stage_changes(layout)
        except DamagedError:
            is_rebuilt, staged = True, self._stage_all(layout)
        dropped = self._dropped(all_of_them=is_rebuilt)
        try:
            after = self._commit(layout, staged.snapshot, dropped)
        except (CommitFailedException, TableAlreadyExistsError):
            self._delete(staged.written)
            raise
        if self._known is None:
            return Outcome.CREATED
        self._delete(dropped_files(self.target.io, self._known, after))
        return Outcome.REBUILT if is_rebuilt else Outcome.CAUGHT_UP

    @property
    def _known(self) -> TableMetadata | None:
        return None if self.base is None else self.base.metadata

    @property
    def _parent(self) -> Snapshot | None:
        return None if self.base is None else self.base.current_snapshot()

    def _kept_layout(self) -> Layout | None:
        """Return the layout that the table has, if nothing says that it changed: another one takes long to make."""
        if self._known is None or self._changes is None or self._changes.has_new_schema:
            return None
        return Layout(self._known.schema(), self._known.spec(), {})

    @cached_property
    def _changes(self) -> Changes | None:
        """What the log says changed since the published version; None if it does not go on from there."""
        before = published(self._parent)
        return self.delta.changes_since(before.version) if before and _is_of(before, self.delta) else None

    def _must_rebuild(self, known: TableMetadata, layout: Layout) -> bool:
        """Return whether nothing of the table may stay. Raises TableError where it has to, and would be misread."""
        before = published(self._parent)
        if self.is_damaged or before is None or before.table_id != self.delta.table_id:
            return True
        if layout.schema is known.schema():
            return False
        changed = changed_types(known.schema(), layout.schema)
        if not has_same_ids(known.schema(), layout.schema):
            if not before.has_ids:  # the log has got them since; no file has others
                return True
            changed.append("the ids of fields")
        if changed and self._has_old_files():
            raise TableError(
                f"{self.target.table.name}: changed while older files stay: {', '.join(changed)}. Iceberg reads these "
                "by the new type and fails: give the property a new column with x-column, or rebuild all partitions"
            )
        return bool(changed) or layout.spec.spec_id != known.default_spec_id

    def _has_old_files(self) -> bool:
        return not live_files(self.target.io, self._parent).isdisjoint(map(self._location, self.delta.paths))

    def _stage_all(self, layout: Layout) -> Staged:
        return self._stage(layout, None, self._data_files(layout, None), [])

    def _stage_changes(self, layout: Layout) -> Staged:
        """Stage what the log says changed, or else, where that does not lead to Delta's files, all differences."""
        if self._changes is not None:
            with suppress(MissingFileError):
                removed = set(map(self._location, self._changes.removed))
                staged = self._stage(layout, self._parent, self._data_files(layout, self._changes.added), removed)
                if staged.file_count == self.delta.file_count:
                    return staged
                self._delete(staged.written)
        live, paths = live_files(self.target.io, self._parent), self.delta.paths
        removed = live - set(map(self._location, paths))
        added = [path for path in paths if self._location(path) not in live]
        return self._stage(layout, self._parent, self._data_files(layout, added), removed)

    def _stage(
        self, layout: Layout, parent: Snapshot | None, added: list[DataFile], removed: Collection[str]
    ) -> Staged:
        number = 1 if self._known is None else self._known.next_sequence_number()
        files = Files(self.target.io, self.target.metadata_folder, layout.schema, layout.spec)
        return stage(files, parent, number, Plan(added, removed, summary_of(self.delta)))

    def _data_files(self, layout: Layout, paths: Collection[str] | None) -> list[DataFile]:
        rows, location = self.delta.files(paths), self.target.location
        return [data_file(self.target.table, location, row, layout.schema, layout.spec) for row in rows]

    def _location(self, path: str) -> str:
        return f"{self.target.location}/{file_name(path)}"

    def _dropped(self, *, all_of_them: bool) -> list[int]:
        """Return the snapshots to drop in the same commit."""
        if self._known is None:
            return []
        snapshots = sorted(self._known.snapshots, key=lambda each: each.sequence_number or 0)
        if all_of_them:
            return [each.snapshot_id for each in snapshots]
        named = {ref.snapshot_id for name, ref in self._known.refs.items() if name != MAIN_BRANCH}
        old = snapshots[: -(_KEPT - 1)] if len(snapshots) >= _MOST else []
        return [each.snapshot_id for each in old if each.snapshot_id not in named]

    def _commit(self, layout: Layout, snapshot: Snapshot, dropped: list[int]) -> TableMetadata:
        updates = create_updates(self.target, layout) if self._known is None else change_updates(self._known, layout)
        updates += [AddSnapshotUpdate(snapshot=snapshot), _as_main(snapshot)]
        if dropped:
            updates.append(model(RemoveSnapshotsUpdate, snapshot_ids=dropped))
        if self._known is not None and len(dropped) == len(self._known.snapshots):
            updates += _drop_others(self._known, layout)
        return self.target.commit(self.base, updates)

    def _delete(self, files: list[str]) -> None:
        with suppress(StorageError):  # what stays is deleted before the next vacuum
            self.target.io.delete_files(files)


def _as_main(snapshot: Snapshot) -> TableUpdate:
    return model(
        SetSnapshotRefUpdate, ref_name=MAIN_BRANCH, type=SnapshotRefType.BRANCH, snapshot_id=snapshot.snapshot_id
    )


def _drop_others(known: TableMetadata, layout: Layout) -> list[TableUpdate]:
    """Drop the partitions and schemas that no snapshot has: ids in them may be those of other columns by now."""
    specs = [each.spec_id for each in known.partition_specs if each.spec_id != layout.spec.spec_id]
    schemas = [each.schema_id for each in known.schemas if each.schema_id != layout.schema.schema_id]
    updates: list[TableUpdate] = [model(RemovePartitionSpecsUpdate, spec_ids=specs)] if specs else []
    return [*updates, model(RemoveSchemasUpdate, schema_ids=schemas)] if schemas else updates
