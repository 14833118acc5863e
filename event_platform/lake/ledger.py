"""The ledger: which landed objects are in raw_events, and which are to be loaded.

The table is its own ledger: there is no second store that could disagree with it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from event_platform.events.figures import OBJECTS
from event_platform.lake.file_figures import is_read, read_figure
from event_platform.lake.files import DataFile
from event_platform.lake.foreign import damaged_files
from event_platform.lake.snapshot import Snapshot
from event_platform.landing.landing import LandedObject, Landing
from event_platform.landing.omissions import Omissions


@dataclass(frozen=True)
class Delivery:
    """Landed objects compared with the ledger."""

    due: list[LandedObject]  # to be read: new or changed
    changed: list[LandedObject]  # those of the due ones that are in the ledger in another form
    loaded: list[LandedObject]  # in the ledger as they are
    omissions: Omissions = field(default_factory=Omissions)  # what the listing left out


def deliveries(raw: Snapshot, landing: Landing, dates: Collection[date] | None) -> Delivery:
    """Compare landing with the ledger for the arrival dates given (all without them)."""
    omissions = Omissions()
    found = compare(raw, landing.list_objects(dates, omissions), omissions)
    if dates is None:
        return found
    due, changed, loaded = (
        [landed for landed in objects if landed.arrival_date in dates]
        for objects in (found.due, found.changed, found.loaded)
    )
    return replace(found, due=due, changed=changed, loaded=loaded)


def compare(raw: Snapshot, objects: Iterable[LandedObject], omissions: Omissions) -> Delivery:
    """Compare objects that were listed with the ledger."""
    # By name, because an object may be on two pages of a listing that changes meanwhile.
    listed = list({landed.name: landed for landed in objects}.values())
    ledger = _ledger(raw, listed)
    delivery = Delivery([], [], [], omissions)
    for landed in listed:
        entry = ledger.get(landed.name)
        if entry is not None:
            # An object without a date in its path keeps the day on which it was first seen.
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
    """Return the day, size and etag of objects by name: of all days where one of those listed may be of any."""
    is_any = not all(landed.dated for landed in listed)
    files = raw.files(None if is_any else {landed.arrival_date for landed in listed})
    objects = _objects_in(raw, files).select("source_object", "arrival_date", "source_size", "source_etag")
    return {name: (day, size, etag) for name, day, size, etag in objects.iter_rows()}


def _objects_in(raw: Snapshot, files: Collection[DataFile]) -> pl.DataFrame:
    """Return the objects that have records in some files; those of damaged files are due again."""
    try:
        return read_figure(raw.table, files, OBJECTS, raw.schema)
    except (OSError, pl.exceptions.PolarsError):
        damaged = {each.file.path for each in damaged_files(raw, {file.partition for file in files})}
        if damaged.isdisjoint(file.path for file in files):
            raise
        sound = [file for file in files if file.path not in damaged]
        return read_figure(raw.table, sound, OBJECTS, raw.schema)


def unread(raw: Snapshot, day: date) -> tuple[int, int]:
    """Return how many files of a day, and rows in them, this process has to ask before it can compare that day."""
    files = [file for file in raw.files([day]) if not is_read(file, OBJECTS)]
    return len(files), sum(file.rows for file in files)
