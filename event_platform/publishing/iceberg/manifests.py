"""Manifests: the files of a snapshot. Each publication writes one manifest and one manifest list.

pyiceberg's own producers are not used: their retries let two publishers double rows, and for replaced files they write
two manifests and merge none. The single manifest of a snapshot has the added files, the removed ones, and the unchanged
ones of the manifests that it replaces.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Self

from pyiceberg.io import FileIO
from pyiceberg.manifest import (
    DataFile,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import (
    TOTAL_DATA_FILES,
    Operation,
    Snapshot,
    SnapshotSummaryCollector,
    Summary,
    update_snapshot_summaries,
)

from event_platform.events.errors import EventPlatformError
from event_platform.publishing.iceberg.models import model

#: Number of small manifests that are merged into one, and the size in bytes from which one is not small.
_MERGE_COUNT, _SMALL_BYTES = 20, 256 << 10

_FORMAT: Literal[2] = 2
_CODEC: Literal["deflate"] = "deflate"


class MissingFileError(Exception):
    """A file to remove is in no manifest: the changes in the log do not start from the files in Iceberg."""


class DamagedManifestError(Exception):
    """A manifest, or a list of manifests, is missing or damaged."""


@dataclass(frozen=True)
class Files:
    """Location and format of a table's manifests."""

    io: FileIO
    folder: str
    schema: Schema
    spec: PartitionSpec


@dataclass
class StagedSnapshot:
    """A snapshot that is written and not committed yet."""

    snapshot: Snapshot
    files: list[str]

    @property
    def file_count(self) -> int:
        """How many data files the snapshot has, counting from its parent."""
        summary = self.snapshot.summary
        return 0 if summary is None else int(summary[TOTAL_DATA_FILES] or 0)


@dataclass
class Plan:
    """The changes of a snapshot. `removed` are locations of files."""

    added: Sequence[DataFile]
    removed: Collection[str]
    properties: Mapping[str, str] = field(default_factory=dict)


def read_manifests(io: FileIO, snapshot: Snapshot | None) -> list[ManifestFile]:
    """Return the manifests of a snapshot, without reading their entries. Raises DamagedManifestError."""
    with _translate_errors():
        return [] if snapshot is None else snapshot.manifests(io)


def live_files(io: FileIO, snapshot: Snapshot | None) -> set[str]:
    """Return the locations of the files of a snapshot. Raises DamagedManifestError."""
    return {entry.data_file.file_path for each in read_manifests(io, snapshot) for entry in _entries(io, each)}


def _entries(io: FileIO, manifest: ManifestFile) -> list[ManifestEntry]:
    with _translate_errors():
        return manifest.fetch_manifest_entry(io)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise DamagedManifestError for the errors of an Avro reader, but not for errors of the store."""
    try:
        yield
    except (EventPlatformError, MemoryError):
        raise
    except Exception as error:
        raise DamagedManifestError from error


def stage(files: Files, parent: Snapshot | None, sequence_number: int, plan: Plan) -> StagedSnapshot:
    """Write a snapshot on top of another one (None: the first snapshot).

    Raises MissingFileError and DamagedManifestError.
    """
    snapshot_id, commit_id = _new_id(), uuid.uuid4()
    parent_id = None if parent is None else parent.snapshot_id
    manifests = [each for each in read_manifests(files.io, parent) if _has_files(each)]
    replacement = _replacement(files, manifests, plan)
    removed = [entry.data_file for entry in replacement.removed_entries]
    if len(removed) < len(plan.removed):
        raise MissingFileError
    unchanged_manifests = [each for each in manifests if each not in replacement.manifests]
    new_manifests = _write_manifest(files, f"{files.folder}/{commit_id}-m0.avro", snapshot_id, plan.added, replacement)
    name = f"{files.folder}/snap-{snapshot_id}-0-{commit_id}.avro"
    with write_manifest_list(
        _FORMAT, files.io.new_output(name), snapshot_id, parent_id, sequence_number, _CODEC
    ) as writer:
        writer.add_manifests([*new_manifests, *unchanged_manifests])
    summary = _summary(plan, removed, parent)
    snapshot = model(
        Snapshot,
        snapshot_id=snapshot_id,
        parent_snapshot_id=parent_id,
        sequence_number=sequence_number,
        manifest_list=name,
        summary=summary,
        schema_id=files.schema.schema_id,
    )
    return StagedSnapshot(snapshot, [name, *(each.manifest_path for each in new_manifests)])


@dataclass
class _Replacement:
    """Manifests that a snapshot replaces, with their unchanged and removed entries."""

    manifests: list[ManifestFile] = field(default_factory=list)
    live_entries: list[ManifestEntry] = field(default_factory=list)
    removed_entries: list[ManifestEntry] = field(default_factory=list)

    def read(self, manifest: ManifestFile, io: FileIO, removed: Collection[str]) -> Self:
        for entry in _entries(io, manifest):
            (self.removed_entries if entry.data_file.file_path in removed else self.live_entries).append(entry)
        self.manifests.append(manifest)
        return self


def _replacement(files: Files, manifests: Sequence[ManifestFile], plan: Plan) -> _Replacement:
    """Return the manifests with files to remove and, if there are many small ones, these as well."""
    replacement = _Replacement()
    for manifest in manifests if plan.removed else []:
        one = _Replacement().read(manifest, files.io, plan.removed)
        if one.removed_entries:
            replacement.manifests.append(manifest)
            replacement.live_entries += one.live_entries
            replacement.removed_entries += one.removed_entries
    small = [each for each in manifests if each.manifest_length < _SMALL_BYTES and each not in replacement.manifests]
    if len(small) + 1 >= _MERGE_COUNT:
        for manifest in small:
            replacement.read(manifest, files.io, ())
    return replacement


def _write_manifest(
    files: Files, name: str, snapshot_id: int, added: Sequence[DataFile], replacement: _Replacement
) -> list[ManifestFile]:
    if not (added or replacement.manifests):
        return []
    with write_manifest(_FORMAT, files.spec, files.schema, files.io.new_output(name), snapshot_id, _CODEC) as writer:
        for file in added:
            writer.add(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, data_file=file))
        for entry in replacement.live_entries:
            writer.existing(entry)
        for entry in replacement.removed_entries:
            writer.delete(entry)
    return [writer.to_manifest_file()]


def _summary(plan: Plan, removed: Sequence[DataFile], parent: Snapshot | None) -> Summary:
    totals = SnapshotSummaryCollector()
    for file in plan.added:
        totals.metrics.add_file(file)
    for file in removed:
        totals.metrics.remove_file(file)
    operation = Operation.APPEND if not removed else Operation.OVERWRITE if plan.added else Operation.DELETE
    summary = Summary(operation, **totals.build(), **plan.properties)
    return update_snapshot_summaries(summary, parent.summary if parent else None)


def _has_files(manifest: ManifestFile) -> bool:
    return bool(manifest.added_files_count or manifest.existing_files_count)


def _new_id() -> int:
    return uuid.uuid4().int >> 65
