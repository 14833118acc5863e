"""The ledger: which landed objects are in raw_events, and which are due to be loaded.

The table is its own ledger: there is no second store that could disagree with it.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from event_platform.events.figures import OBJECTS
from event_platform.lake.file_figures import is_read, read_figure
from event_platform.lake.files import DataFile
from event_platform.lake.foreign import damaged_files
from event_platform.lake.snapshot import Snapshot
from event_platform.landing.dates import arrival_date_in
from event_platform.landing.landing import LandedObject, Landing
from event_platform.landing.omissions import Omissions


@dataclass(frozen=True)
class Delivery:
    """Landed objects compared with the ledger."""

    due: list[LandedObject]  # to be read: new or changed
    changed: list[LandedObject]  # due objects that are in the ledger in another version
    loaded: list[LandedObject]  # in the ledger as they are
    omissions: Omissions = field(default_factory=Omissions)  # what the listing left out


def deliveries(raw: Snapshot, landing: Landing, dates: Collection[date] | None) -> Delivery:
    """Compare landing with the ledger for the arrival dates given (all without them)."""
    omissions = Omissions()
    listed = None if dates is None else {*dates, *_dates_in_paths(raw, landing, dates)}
    compared = compare(raw, landing.list_objects(listed, omissions), omissions)
    if dates is None:
        return compared
    due, changed, loaded = (
        [landed for landed in objects if landed.arrival_date in dates]
        for objects in (compared.due, compared.changed, compared.loaded)
    )
    return replace(compared, due=due, changed=changed, loaded=loaded)


def _dates_in_paths(raw: Snapshot, landing: Landing, dates: Collection[date]) -> set[date]:
    """Return the days under which landing lists the objects that the ledger has under the given dates.

    These days differ if another release, or another time zone, assigned another date.
    """
    names = _objects_in(raw, raw.files(set(dates)))["source_object"].unique()
    return {day for name in names if (day := arrival_date_in(name, landing.zone)) is not None}


def compare(raw: Snapshot, objects: Iterable[LandedObject], omissions: Omissions) -> Delivery:
    """Compare objects that were listed with the ledger."""
    # By name, because an object may be on two pages of a listing that changes meanwhile.
    listed = list({landed.name: landed for landed in objects}.values())
    ledger = _ledger(raw, listed)
    delivery = Delivery([], [], [], omissions)
    for landed in listed:
        entry = ledger.get(landed.name)
        if entry is not None:
            # An object keeps its first arrival date, whatever the present rules give.
            landed = replace(landed, arrival_date=entry[0])  # noqa: PLW2901
        if _is_loaded(raw, landed, entry):
            delivery.loaded.append(landed)
        else:
            delivery.due.append(landed)
            delivery.changed.extend([landed] if entry is not None else [])
    return delivery


def _is_loaded(raw: Snapshot, landed: LandedObject, entry: tuple[date, int, str] | None) -> bool:
    if entry is not None:
        return entry[1:] == (landed.size, landed.etag)
    return raw.transaction(empty_object_id(landed)) is not None


def empty_object_id(landed: LandedObject) -> str:
    """Return the app transaction of an object without records, which has no row in the ledger."""
    return f"empty:{landed.name}:{landed.size}:{landed.etag}"


def _ledger(raw: Snapshot, listed: Collection[LandedObject]) -> dict[str, tuple[date, int, str]]:
    """Return day, size and etag of objects by name, from every day that a listed object may have."""
    if not all(landed.has_date for landed in listed):
        return _entries(raw, raw.files())
    days = {landed.arrival_date for landed in listed}
    entries = _entries(raw, raw.files(days))
    is_settled = not has_other_zones(raw)
    names = [landed.name for landed in listed if not (landed.name in entries or (landed.is_settled and is_settled))]
    elsewhere = [file for file in raw.files() if file.partition not in days] if names else []
    return _entries(raw, _files_that_may_contain(elsewhere, sorted(names))) | entries


def has_other_zones(raw: Snapshot) -> bool:
    """Return whether objects were loaded with paths in another time zone than UTC."""
    return any("landing_timezone" in info for info in raw.commits_since(0))


def _files_that_may_contain(files: Iterable[DataFile], names: Sequence[str]) -> list[DataFile]:
    """Return the files that may contain one of the objects (sorted), by the statistics of their names."""
    candidates = []
    for file in files:
        first, last = file.minimum.get("source_object", ""), file.maximum.get("source_object")
        place = bisect_left(names, first)
        if place < len(names) and (last is None or names[place] <= last):
            candidates.append(file)
    return candidates


def _entries(raw: Snapshot, files: Collection[DataFile]) -> dict[str, tuple[date, int, str]]:
    objects = _objects_in(raw, files).select("source_object", "arrival_date", "source_size", "source_etag")
    return {name: (day, size, etag) for name, day, size, etag in objects.iter_rows()}


def _objects_in(raw: Snapshot, files: Collection[DataFile]) -> pl.DataFrame:
    """Return the objects that have records in some files; objects of damaged files are due again."""
    try:
        return read_figure(raw.table, files, OBJECTS, raw.schema)
    except (OSError, pl.exceptions.PolarsError):
        damaged = {damage.file.path for damage in damaged_files(raw, {file.partition for file in files})}
        if damaged.isdisjoint(file.path for file in files):
            raise
        sound = [file for file in files if file.path not in damaged]
        return read_figure(raw.table, sound, OBJECTS, raw.schema)


def count_unread(raw: Snapshot, day: date) -> tuple[int, int]:
    """Return the number of files of a day, and of their rows, that this process must read before comparing that day."""
    files = [file for file in raw.files([day]) if not is_read(file, OBJECTS)]
    return len(files), sum(file.rows for file in files)
