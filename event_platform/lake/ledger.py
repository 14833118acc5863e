"""What the lake holds, as counts: which objects are in it, and what became of their records.

raw_events is its own ledger. There is no second store that could disagree with it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from event_platform.lake.landing import LandedObject, Landing
from event_platform.lake.tables import Snapshot


@dataclass(frozen=True)
class Delivery:
    """Landed objects beside the ledger."""

    due: list[LandedObject]  # to be read: new or changed
    changed: list[LandedObject]  # those of the due ones that are in the ledger in another form
    known: list[LandedObject]  # in the ledger as they are


def deliveries(raw: Snapshot, landing: Landing, dates: Collection[date] | None) -> Delivery:
    """Compare landing with the ledger for the arrival dates given (all without them)."""
    # By name: where objects come and go while pages are listed, one that is on two of them is one.
    listed = list({landed.name: landed for landed in landing.list_objects(dates)}.values())
    ledger = _ledger(raw, dates, [landed.name for landed in listed if not landed.dated])
    delivery = Delivery([], [], [])
    for landed in listed:
        entry = ledger.get(landed.name)
        if entry is not None:
            # An object without a date in its path keeps the day on which it was first seen.
            landed = replace(landed, arrival_date=entry[0])  # noqa: PLW2901
        if dates is not None and landed.arrival_date not in dates:
            continue
        if _is_known(raw, landed, entry):
            delivery.known.append(landed)
        else:
            delivery.due.append(landed)
            delivery.changed.extend([landed] if entry is not None else [])
    return delivery


def _is_known(raw: Snapshot, landed: LandedObject, entry: tuple[date, int, str] | None) -> bool:
    if entry is not None:
        return entry[1:] == (landed.size, landed.etag)
    return raw.transaction(empty_object_id(landed)) is not None


def empty_object_id(landed: LandedObject) -> str:
    """Return the app transaction that stands for an object without records, which leaves no row to know it by."""
    return f"empty:{landed.name}:{landed.size}:{landed.etag}"


def _ledger(raw: Snapshot, dates: Collection[date] | None, undated: list[str]) -> dict[str, tuple[date, int, str]]:
    columns = ["source_object", "arrival_date", "source_size", "source_etag"]
    entries = raw.scan(dates).select(columns).unique().collect(engine="streaming")
    if dates is not None and undated:
        others = raw.scan().filter(pl.col("source_object").is_in(undated))
        entries = pl.concat([entries, others.select(columns).unique().collect(engine="streaming")])
    return {name: (day, size, etag) for name, day, size, etag in entries.iter_rows()}
