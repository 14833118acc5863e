"""The partitions of event tables that only lack new events. All others are rebuilt."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

from event_platform.lake.changes import added_since_source_version
from event_platform.lake.files import DataFile
from event_platform.lake.foreign import altered_dates, listed_if_cheaper
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.typing.report import TypingReport
from event_platform.storage.threads import map_threads

#: A partition of an event table: the key of its type, and its created_date.
Partition = tuple[str, date]


@dataclass(frozen=True)
class Source:
    """deduplicated_events as the source of typing: its files and its source versions by created_date."""

    snapshot: Snapshot
    files: Mapping[date, list[DataFile]]
    versions: Mapping[date, int]


def find_appendable(
    source: Source,
    targets: Mapping[str, Snapshot],
    partitions: Iterable[Partition],
    fingerprints: Mapping[str, int],
    reports: Mapping[str, TypingReport],
) -> dict[Partition, list[DataFile]]:
    """Return the partitions that can be appended to, each with the source files of its new events.

    In the other partitions, events were removed, the rules changed, or other programs changed files.
    """
    candidates = _partitions_with_new_events(source, targets, partitions, fingerprints)
    return _without_altered(candidates, targets, reports)


def _partitions_with_new_events(
    source: Source,
    targets: Mapping[str, Snapshot],
    partitions: Iterable[Partition],
    fingerprints: Mapping[str, int],
) -> dict[Partition, list[DataFile]]:
    @cache
    def new_files(day: date, version: int) -> list[DataFile] | None:
        new_paths = added_since_source_version(source.snapshot, day, version)
        return None if new_paths is None else [file for file in source.files[day] if file.path in new_paths]

    candidates: dict[Partition, list[DataFile]] = {}
    for key, day in partitions:
        target, version = targets[key], targets[key].source_version(day)
        is_older = version is not None and 0 <= version < source.versions[day]
        if version is not None and is_older and target.build_fingerprint(day) == fingerprints[key]:
            files = new_files(day, version)
            candidates |= {} if files is None else {(key, day): files}
    return candidates


def _without_altered(
    partitions: Mapping[Partition, list[DataFile]],
    targets: Mapping[str, Snapshot],
    reports: Mapping[str, TypingReport],
) -> dict[Partition, list[DataFile]]:
    """Remove the partitions that are not as the platform left them."""
    days: dict[str, list[date]] = {}
    for key, day in partitions:
        days.setdefault(key, []).append(day)

    sizes = listed_if_cheaper([targets[key] for key in days], len(partitions))

    def find_altered(key: str) -> Collection[date]:
        with reports[key].catch_errors():
            return altered_dates(targets[key], days[key], sizes)
        return days[key]

    altered_days = dict(zip(days, map_threads(find_altered, days), strict=True))
    return {(key, day): files for (key, day), files in partitions.items() if day not in altered_days[key]}
