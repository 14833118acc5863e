"""The created_dates that a load changes downstream: those of its records, and those whose verdicts may change."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta

import polars as pl

from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.location import TableLocation
from event_platform.lake.snapshot import Snapshot


def changed_dates(
    snapshot: Snapshot,
    new_files: Sequence[DataFile],
    stale_files: Sequence[DataFile],
    changed_objects: Sequence[str],
    damaged_files: Collection[DataFile],
    window_days: int,
) -> set[tuple[date, date]]:
    """Return the (created_date, arrival_date) whose verdicts a load may change, beyond those of its own records.

    `new_files` contain the added records, `stale_files` the former records of `changed_objects`; `damaged_files` cannot
    be read. An added or removed record affects records with its uuid that arrived after it: on a later day within the
    window, or on the same day in an object whose name sorts after its own. Their created_dates are due as well.
    """
    table, names = snapshot.table, list(changed_objects)
    removed_records = _sound_records(table, stale_files).filter(pl.col("source_object").is_in(names))
    dates = set(removed_records.select("created_date", "arrival_date").unique().collect().iter_rows())
    for arrival_date in {file.partition for file in (*new_files, *stale_files)}:
        arrived_files = [file for file in new_files if file.partition == arrival_date]
        first = min([str(file.minimum["source_object"]) for file in arrived_files] + names)
        later_files = list(_arrived_after(snapshot, arrival_date, first, damaged_files, window_days))
        decisive_records = pl.concat(
            [_sound_records(table, arrived_files), removed_records.filter(pl.col("arrival_date") == arrival_date)]
        )
        followers = (
            _sound_records(table, later_files)
            .filter(~pl.col("source_object").is_in(names))
            .join(decisive_records, on="event_uuid", how="semi")
            .select(pl.col("created_date").unique())
        )
        days: Iterable[date] = followers.collect(engine="streaming").to_series() if later_files else []
        dates.update((day, arrival_date) for day in days)
    return dates


def _arrived_after(
    snapshot: Snapshot, arrival_date: date, first_object: str, damaged_files: Collection[DataFile], window_days: int
) -> Iterator[DataFile]:
    """Yield the files of later days in the window, and those of the same day that may hold objects from a name on.

    New objects usually sort after old ones, so there are usually no files of the same day.
    """
    window = {arrival_date + timedelta(days=days) for days in range(window_days + 1)}
    for file in snapshot.files(window):
        if file not in damaged_files and (
            file.partition > arrival_date or file.maximum["source_object"] >= first_object
        ):
            yield file


def lost_dates(damaged_files: Iterable[DataFile]) -> set[tuple[date, date]]:
    """Return the (created_date, arrival_date) of the records in files that are no longer readable."""
    return {
        (first_date + timedelta(days=number), file.partition)
        for file in damaged_files
        if (first_date := file.minimum.get("created_date")) is not None
        for number in range((file.maximum["created_date"] - first_date).days + 1)
    }


def _sound_records(table: TableLocation, files: Sequence[DataFile]) -> pl.LazyFrame:
    return scan_files(table, files).filter(pl.col("corruption_reason").is_null())
