"""Manifests: the files of a snapshot. Each publication writes one manifest and one list of manifests.

pyiceberg's own producers are not used: with their retries two publishers doubled rows, they write two manifests where
files are replaced, and merge none then. The one manifest of a snapshot has the added files, the removed ones, and those
that stay of the manifests that it replaces.
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

#: Small manifests that are merged into one, and the bytes from which one is not small.
_MERGED, _SMALL = 20, 256 << 10

_FORMAT: Literal[2] = 2
_CODEC: Literal["deflate"] = "deflate"


class MissingFileError(Exception):
    """A file to remove is in no manifest: what the log says changed is not what Iceberg lacks."""


class DamagedError(Exception):
    """A manifest, or a list of them, is missing or is not what was written."""


@dataclass(frozen=True)
class Files:
    """Where and in which form the manifests of a table are written."""

    io: FileIO
    folder: str
    schema: Schema
    spec: PartitionSpec


@dataclass
class Staged:
    """A snapshot that is written and not committed yet."""

    snapshot: Snapshot
    written: list[str]

    @property
    def file_count(self) -> int:
        """How many data files the snapshot has, counting from its parent."""
        summary = self.snapshot.summary
        return 0 if summary is None else int(summary[TOTAL_DATA_FILES] or 0)


@dataclass
class Plan:
    """What a snapshot changes. `removed` are locations of files."""

    added: Sequence[DataFile]
    removed: Collection[str]
    properties: Mapping[str, str] = field(default_factory=dict)


def read_manifests(io: FileIO, snapshot: Snapshot | None) -> list[ManifestFile]:
    """Return the manifests of a snapshot, which are not read. Raises DamagedError."""
    with _expect_whole():
        return [] if snapshot is None else snapshot.manifests(io)


def live_files(io: FileIO, snapshot: Snapshot | None) -> set[str]:
    """Return the locations of the files of a snapshot. Raises DamagedError."""
    return {entry.data_file.file_path for each in read_manifests(io, snapshot) for entry in _entries(io, each)}


def _entries(io: FileIO, manifest: ManifestFile) -> list[ManifestEntry]:
    with _expect_whole():
        return manifest.fetch_manifest_entry(io)


@contextmanager
def _expect_whole() -> Iterator[None]:
    """Raise DamagedError for whatever a reader of Avro raises, but not where the store does not answer."""
    try:
        yield
    except (EventPlatformError, MemoryError):
        raise
    except Exception as error:
        raise DamagedError from error


def stage(files: Files, parent: Snapshot | None, sequence_number: int, plan: Plan) -> Staged:
    """Write a snapshot on top of another one (None: on top of nothing). Raises MissingFileError and DamagedError."""
    snapshot_id, commit = _new_id(), uuid.uuid4()
    parent_id = None if parent is None else parent.snapshot_id
    manifests = [each for each in read_manifests(files.io, parent) if _has_files(each)]
    rewritten = _rewritten(files, manifests, plan)
    removed = [entry.data_file for entry in rewritten.removed]
    if len(removed) < len(plan.removed):
        raise MissingFileError
    kept = [each for each in manifests if each not in rewritten.manifests]
    written = _write_manifest(files, f"{files.folder}/{commit}-m0.avro", snapshot_id, plan.added, rewritten)
    name = f"{files.folder}/snap-{snapshot_id}-0-{commit}.avro"
    with write_manifest_list(
        _FORMAT, files.io.new_output(name), snapshot_id, parent_id, sequence_number, _CODEC
    ) as writer:
        writer.add_manifests([*written, *kept])
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
    return Staged(snapshot, [name, *(each.manifest_path for each in written)])


@dataclass
class _Rewritten:
    """Manifests that a snapshot replaces, with their entries: those that stay, and those that are removed."""

    manifests: list[ManifestFile] = field(default_factory=list)
    kept: list[ManifestEntry] = field(default_factory=list)
    removed: list[ManifestEntry] = field(default_factory=list)

    def read(self, manifest: ManifestFile, io: FileIO, removed: Collection[str]) -> Self:
        for entry in _entries(io, manifest):
            (self.removed if entry.data_file.file_path in removed else self.kept).append(entry)
        self.manifests.append(manifest)
        return self


def _rewritten(files: Files, manifests: Sequence[ManifestFile], plan: Plan) -> _Rewritten:
    """Return the manifests with files to remove, and, where these are many, all small ones."""
    found = _Rewritten()
    for manifest in manifests if plan.removed else []:
        read = _Rewritten().read(manifest, files.io, plan.removed)
        if read.removed:
            found.manifests.append(manifest)
            found.kept += read.kept
            found.removed += read.removed
    small = [each for each in manifests if each.manifest_length < _SMALL and each not in found.manifests]
    if len(small) + 1 >= _MERGED:
        for manifest in small:
            found.read(manifest, files.io, ())
    return found


def _write_manifest(
    files: Files, name: str, snapshot_id: int, added: Sequence[DataFile], rewritten: _Rewritten
) -> list[ManifestFile]:
    if not (added or rewritten.manifests):
        return []
    with write_manifest(_FORMAT, files.spec, files.schema, files.io.new_output(name), snapshot_id, _CODEC) as writer:
        for file in added:
            writer.add(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, data_file=file))
        for entry in rewritten.kept:
            writer.existing(entry)
        for entry in rewritten.removed:
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
