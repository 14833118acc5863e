"""Plan runs: from what is due downstream of raw_events to the assets and days of each run.

Sensors, the reconciliation and the command line all use this plan.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import dagster as dg

from event_platform.defs.automation.requests import RunRequests, ask, ask_whole, join
from event_platform.events.catalog import Catalog
from event_platform.lake.derived import OwnAsset
from event_platform.lake.lake import Lake
from event_platform.lake.names import is_of_platform
from event_platform.lake.registry import QUALITY_REPORT
from event_platform.pipeline.backfill.find import ROWS_EXAMINED
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.due_dates import PLATFORM, DueDates


@dataclass(frozen=True)
class DueAssets:
    """Assets that one run materializes, and their due days, each with its reason."""

    assets: list[dg.AssetKey]
    days: dict[date, str]
    is_backfill: bool = False  # of event tables, or reports alone, that a change of the catalog makes due


@dataclass(frozen=True)
class DueDownstream:
    """The due dates, and the runs that they need."""

    dates: DueDates
    by_day: list[DueAssets]
    whole: list[dg.AssetKey]  # assets without partitions

    def ask(self, instance: dg.DagsterInstance, state: str, now: datetime) -> RunRequests:
        """Return the runs to request now. Runs with the same `state` (of the tables) are tries of the same work."""
        by_day = (ask(instance, "created", _states(due, state), due.assets, now) for due in self.by_day)
        return join([*by_day, *(ask_whole(instance, "created", state, key, now) for key in self.whole)])


def built_beside(own: Sequence[OwnAsset]) -> list[dg.AssetKey]:
    """Return the user's own assets that are downstream of the platform's and have the same partitions.

    `own` is in topological order. Runs that build the platform's assets build these as well; the sensor of automation
    conditions then finds them up to date.
    """
    tables = list[str]()
    for asset in own:
        if asset.beside and any(is_of_platform(source.table) or source.table in tables for source in asset.sources):
            tables.append(asset.table)
    return list(map(_key, tables))


def due_downstream(
    lake: Lake,
    catalog: Catalog,
    own: Sequence[OwnAsset],
    platform: Sequence[dg.AssetKey],
    first: date,
    last: date,
    *,
    since: int = 0,
    look_for_files: bool = False,
    rows_examined: int | None = ROWS_EXAMINED,
) -> DueDownstream:
    """Return what is due from `first` to `last` (see `due_created_dates`), grouped by assets due on the same days.

    `platform` are the platform's assets. `own` are the user's own assets that can be materialized here, in topological
    order. If the platform's assets are due, the others are built with them or afterwards.

    A table with a widened column is built on its first day, which rebuilds all days that have rows; the reports of
    these days follow. Its run is the first one after the platform's runs, which rebuild it as well.
    """
    dates = due_created_dates(lake, catalog, since, own, look_for_files=look_for_files, rows_examined=rows_examined)
    groups: dict[tuple[str, ...], dict[date, str]] = {}
    for tables, day, why in _by_run(dates, own, _backfills(dates, first, last)):
        if first <= day <= last:
            groups.setdefault(tables, {})[day] = why
    in_order = sorted(
        groups, key=lambda tables: (PLATFORM not in tables, dates.backfills.widened.keys().isdisjoint(tables))
    )
    keys, built = {PLATFORM: list(platform)}, {QUALITY_REPORT.name, *dates.backfills.due}
    by_day = [
        DueAssets(
            [key for table in tables for key in keys.get(table, [_key(table)])],
            groups[tables],
            is_backfill=not built.isdisjoint(tables),
        )
        for tables in in_order
    ]
    return DueDownstream(dates, by_day, _due_whole(dates, own))


def _states(due: DueAssets, state: str) -> Mapping[date, str]:
    """Return the state that made each day due, for these assets."""
    names = ",".join(key.to_user_string() for key in due.assets)
    return {day: f"{state}:{names}:{why}" for day, why in due.days.items()}


def _due_whole(due: DueDates, own: Iterable[OwnAsset]) -> list[dg.AssetKey]:
    """Return the unpartitioned assets that are due, unless their sources may be."""
    return [] if due.days else [_key(asset.table) for asset in own if None in due.own_tables.get(asset.table, {})]


def _backfills(due: DueDates, first: date, last: date) -> dict[str, Mapping[date, str]]:
    """Return the backfill days by table.

    For a widened table, omit the days that the rebuild of the first one covers.
    """
    backfills = dict(due.backfills.due)
    for table, rebuilt in due.backfills.widened.items():
        days = sorted(day for day in backfills[table] if first <= day <= last)
        backfills[table] = {day: backfills[table][day] for day in days if day == days[0] or day not in rebuilt}
    return backfills


def _by_run(
    due: DueDates, own: Sequence[OwnAsset], backfills: Mapping[str, Mapping[date, str]]
) -> Iterator[tuple[tuple[str, ...], date, str]]:
    """Yield the tables that one run builds, with a day and the reason."""
    changed = {
        day: why
        for table, days in due.backfills.due.items()
        for day, why in days.items()
        if due.backfills.changes_rows(table, day)
    }
    tables = {PLATFORM: due.of_platform, **backfills, QUALITY_REPORT.name: {**changed, **due.reports}}
    tables |= {asset.table: _dated(due, asset) for asset in own if asset.beside}
    for day in sorted({day for days in tables.values() for day in days}):
        names = [table for table, days in tables.items() if day in days]
        reasons = "; ".join(sorted({tables[name][day] for name in names}))
        if day in due.backfills.days or not due.days or PLATFORM in names:
            yield tuple(names), day, reasons
    if not due.days:  # other partitions than the platform's are runs of their own
        for asset in own:
            yield from (((asset.table,), day, why) for day, why in _dated(due, asset).items() if not asset.beside)


def _dated(due: DueDates, asset: OwnAsset) -> dict[date, str]:
    return {day: why for day, why in due.own_tables.get(asset.table, {}).items() if day is not None}


def _key(table: str) -> dg.AssetKey:
    return dg.AssetKey(table.split("/"))
