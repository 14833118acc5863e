"""What is due downstream of raw_events → which assets are materialized together, on which days."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from event_platform.lake.derived import OwnAsset
from event_platform.pipeline.due import PLATFORM, DueDates

_REPORT = "quality_report"


@dataclass(frozen=True)
class Together:
    """Assets that one run materializes, and the days on which they are due, each with what made it due."""

    assets: list[dg.AssetKey]
    days: dict[date, str]


def together(
    due: DueDates, own: Sequence[OwnAsset], platform: Sequence[dg.AssetKey], first: date, last: date
) -> list[Together]:
    """Return what is due from `first` to `last`, by the assets that are due on the same days.

    `platform` are the platform's assets; `own` those of people's own that can be materialized here, each after those
    that it is made of. Where the platform's are due, the others are built with them, or when that is done.
    """
    groups: dict[tuple[str, ...], dict[date, str]] = {}
    for tables, day, why in _by_run(due, own):
        if first <= day <= last:
            groups.setdefault(tables, {})[day] = why
    keys = {PLATFORM: list(platform)}
    return [
        Together([key for table in tables for key in keys.get(table, [_key(table)])], days)
        for tables, days in groups.items()
    ]


def states(each: Together, state: str) -> dict[date, str]:
    """Return what made each day due, for these assets: what `ask` takes. `state` is that of the tables."""
    names = ",".join(key.to_user_string() for key in each.assets)
    return {day: f"{state}:{names}:{why}" for day, why in each.days.items()}


def due_whole(due: DueDates, own: Iterable[OwnAsset]) -> list[dg.AssetKey]:
    """Return the assets without partitions that are due, where nothing is that they may be made of."""
    return [] if due.days else [_key(asset.table) for asset in own if None in due.own.get(asset.table, {})]


def _by_run(due: DueDates, own: Sequence[OwnAsset]) -> Iterator[tuple[tuple[str, ...], date, str]]:
    """Yield tables that one run builds, a day, and why."""
    tables = {PLATFORM: due.of_platform, _REPORT: due.reports}
    tables |= {asset.table: _dated(due, asset) for asset in own if asset.beside}
    for day in sorted({day for days in tables.values() for day in days}):
        names = tuple(table for table, days in tables.items() if day in days)
        if not due.days or PLATFORM in names:
            yield names, day, "; ".join(sorted({tables[name][day] for name in names}))
    if not due.days:  # other partitions than the platform's are runs of their own
        for asset in own:
            yield from (((asset.table,), day, why) for day, why in _dated(due, asset).items() if not asset.beside)


def _dated(due: DueDates, asset: OwnAsset) -> dict[date, str]:
    return {day: why for day, why in due.own.get(asset.table, {}).items() if day is not None}


def _key(table: str) -> dg.AssetKey:
    return dg.AssetKey(table.split("/"))
