"""Partitions that are not as the platform left them. They are rebuilt, never appended to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from event_platform.lake.files import DataFile
from event_platform.lake.snapshot import Snapshot
from event_platform.storage.threads import map_threads

#: Files in the folders of a table for each of its latest version, at most times: others are of replaced versions, until
#: they are vacuumed.
_LISTED_FOR_EACH = 5


@dataclass(frozen=True)
class DamagedFile:
    """A missing or damaged file of a table."""

    file: DataFile
    reason: str


def foreign_dates(snapshot: Snapshot, dates: Collection[date] | None = None) -> dict[date, str]:
    """Return the partitions (default: of all) that others changed since the platform wrote them, and how."""
    return {
        day: f"version {version} of {snapshot.table.name} was not committed by the platform"
        for day, version in snapshot.foreign.items()
        if dates is None or day in dates
    }


def damaged_files(
    snapshot: Snapshot, dates: Collection[date] | None = None, sizes: Mapping[str, int] | None = None
) -> list[DamagedFile]:
    """Return the files of some partitions (default: of all) that are missing or differ in size from the log.

    `sizes` are those of the existing files, by their paths below the root of the lake; without them, the folders of the
    files are listed.
    """
    table, files = snapshot.table, snapshot.files(dates)
    if sizes is None:
        folders = sorted({f"{table.name}/{file.path}".rpartition("/")[0] for file in files})
        listed = map_threads(lambda folder: table.storage.sizes(*folder.split("/")), folders)
        sizes = {path: size for sizes_of_table in listed for path, size in sizes_of_table.items()}
    sized = ((file, sizes.get(f"{table.name}/{file.path}")) for file in files)
    return [
        DamagedFile(file, f"the file {file.path} of {table.name} {describe_size(file.size, size)}")
        for file, size in sized
        if size != file.size
    ]


def listed_sizes(snapshots: Sequence[Snapshot]) -> dict[str, int]:
    """Return the bytes of each file of some tables of a lake, for `damaged_files`. A request for each thousand."""
    storages = {snapshot.table.name.partition("/")[0]: snapshot.table.storage for snapshot in snapshots}
    listed = map_threads(lambda folder: storages[folder].sizes(folder), sorted(storages))
    return {path: size for sizes in listed for path, size in sizes.items()}


def listed_if_cheaper(snapshots: Sequence[Snapshot], partitions: int) -> dict[str, int] | None:
    """Return `listed_sizes`, unless listing the folders of `partitions` partitions one by one takes fewer requests."""
    files = _LISTED_FOR_EACH * sum(snapshot.file_count for snapshot in snapshots)
    is_cheaper = not any(snapshot.table.storage.is_local for snapshot in snapshots) and files < 1000 * partitions
    return listed_sizes(snapshots) if is_cheaper else None


def altered_dates(
    snapshot: Snapshot, dates: Collection[date] | None = None, sizes: Mapping[str, int] | None = None
) -> dict[date, str]:
    """Return the partitions (default: of all) that are not as the platform left them, and why.

    For `sizes`, see `damaged_files`.
    """
    damaged = {file.file.partition: file.reason for file in damaged_files(snapshot, dates, sizes)}
    return {**damaged, **foreign_dates(snapshot, dates)}


def describe_size(size: int, actual: int | None) -> str:
    """Describe the actual state of a file that should have this size."""
    return "is missing" if actual is None else f"has {actual:,} bytes, not {size:,}"
