"""The due created dates, read only from the logs of the tables: no other state could disagree with them.

Every commit to raw_events names the created_dates that it may change. Every partition downstream stores the version of
raw_events that it was built from, so a killed run leaves exactly the rest due. Rows deleted by others, and a type that
leaves or rejoins the catalog, show in the row counts. If the catalog changed after a partition of an event table was
built, its rows are compared: see `backfill`. The quality report and users' own tables store a fingerprint of their
sources.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from event_platform.events.catalog import Catalog
from event_platform.events.errors import TableError
from event_platform.lake.derived import Days, OwnAsset, due_tables, made_of_id, sources_in
from event_platform.lake.foreign import damaged_files, foreign_dates, listed_sizes
from event_platform.lake.lake import Lake
from event_platform.lake.listing import LakeListing
from event_platform.lake.registry import CORRUPT_EVENTS, QUALITY_REPORT, RAW_EVENTS
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform.pipeline.backfill.find import ROWS_EXAMINED, find_backfills
from event_platform.pipeline.due_dates import DueDates
from event_platform.pipeline.reporting.sources import ReportSources, schema_id, with_other_schema
from event_platform.storage.threads import map_threads


def due_created_dates(
    lake: Lake,
    catalog: Catalog,
    since: int = 0,
    own_assets: Sequence[OwnAsset] = (),
    *,
    look_for_files: bool = False,
    rows_examined: int | None = ROWS_EXAMINED,
) -> DueDates:
    """Return the created_dates that are older than raw_events, and those whose row counts do not balance.

    Also the partitions of event tables whose rows differ under the present catalog.

    Args:
        lake: The lake; pinned if several calls must see the same state.
        catalog: The present catalog.
        since: Version of raw_events. Only later commits are examined, so that the cost of a tick grows with new commits
            only. Row counts and downstream tables are compared for all days nevertheless.
        own: Users' own assets in the asset graph, in topological order. Sources of other own tables are in their logs.
        look_for_files: Also return days with a missing file. Takes one request for each thousand files in the lake; in
            a bucket, the same listing shows which tables are unchanged.
        rows_examined: Maximum number of rows to read for comparisons with the catalog; None is unlimited.
    """
    listing = lake.list_files(catalog.event_types) if look_for_files else None
    raw = lake.raw_events.snapshot()
    commits = raw.commits_since(since if since <= raw.version else 0)  # `since` may be of another table
    changed_versions = {day: info["version"] for info in commits for day in _created_dates(info)}
    tables = _open(lake, catalog)
    built, stale = _built_and_stale(changed_versions, tables)
    uneven = {} if listing is None else _damaged_days(tables.by_created_date, listing)
    uneven |= _foreign_days(tables.by_created_date)
    retired_snapshots = map_threads(_snapshot, lake.retired_tables(catalog.event_types))
    uneven |= _uneven_days(
        [tables.deduplicated, tables.unregistered, *tables.event_tables.values(), *retired_snapshots]
    )
    due = {*stale, *uneven}
    opened_types = {key: table for key, table in tables.event_tables.items() if table is not None}
    backfills = find_backfills(lake, catalog, tables.deduplicated, opened_types, due, rows_examined)
    reports = _reports(catalog, raw, tables, due, is_drawn_anyway=bool(due or backfills.due))
    snapshots = {**tables.by_name, raw.table.name: raw}
    return DueDates(
        frozenset(stale),
        {day: reason for day, reason in uneven.items() if day not in stale},
        raw.version,
        backfills,
        reports,
        _due_own_tables(lake, catalog, own_assets, snapshots, {**backfills.due, QUALITY_REPORT.name: reports}, due),
        frozenset(asset.table for asset in own_assets),
        _loaded_at(commits, built),
    )


@dataclass(frozen=True)
class _Downstream:
    """The tables downstream of raw_events; None for a table that cannot be opened."""

    deduplicated: Snapshot
    duplicates: Snapshot | None
    unregistered: Snapshot | None
    corrupt: Snapshot | None
    report: Snapshot | None
    event_tables: Mapping[str, Snapshot | None]  # by the key of the event type
    by_name: Mapping[str, Snapshot | None]

    @property
    def by_created_date(self) -> list[Snapshot | None]:
        """The tables that are partitioned by created_date."""
        return [self.deduplicated, self.duplicates, self.unregistered, self.report, *self.event_tables.values()]


def _open(lake: Lake, catalog: Catalog) -> _Downstream:
    """Open the tables downstream of raw_events."""
    deduplicated = lake.deduplicated_events.snapshot()
    tables = [lake.unregistered_events, lake.quality_report, lake.duplicate_events, lake.corrupt_events]
    tables += map(lake.event_table, catalog.event_types)
    snapshots = map_threads(_snapshot, tables, lake.storage.threads)
    unregistered, report, duplicates, corrupt, *event_snapshots = snapshots
    by_key = {event_type.key: table for event_type, table in zip(catalog.event_types, event_snapshots, strict=True)}
    by_name = {table.name: snapshot for table, snapshot in zip(tables, snapshots, strict=True)}
    by_name[deduplicated.table.name] = deduplicated
    return _Downstream(deduplicated, duplicates, unregistered, corrupt, report, by_key, by_name)


def _built_and_stale(changed_versions: Mapping[date, int], tables: _Downstream) -> tuple[dict[date, int], set[date]]:
    """Return the oldest raw_events version (-1: never) that tables have of each changed day, and the stale days."""
    versions = {day: tables.deduplicated.source_version(day) for day in changed_versions}
    built = {day: -1 if version is None else version for day, version in versions.items()}
    stale = {day for day, version in versions.items() if version is None or version < changed_versions[day]}
    pairs = [(table, day) for table in (tables.unregistered, tables.report) for day in changed_versions]
    # Days that an event table never had are omitted: its type is new in the catalog, which makes a back-fill due.
    pairs += [
        (table, day)
        for table in tables.event_tables.values()
        for day in changed_versions
        if table is None or table.was_built(day)
    ]
    for table, day in pairs:
        version = None if table is None else table.source_version(day)
        if table is None or version != versions[day]:
            stale.add(day)
            built[day] = min(built[day], -1 if version is None else version)
    return built, stale


def _reports(
    catalog: Catalog, raw: Snapshot, tables: _Downstream, due: set[date], *, is_drawn_anyway: bool
) -> dict[date, str]:
    """Return the days on which only the report is due; empty if a table cannot be opened.

    Without any due day, the last one draws outdated pages of event types. Unnecessary if these are drawn anyway.
    """
    report, duplicates, unregistered, corrupt = tables.report, tables.duplicates, tables.unregistered, tables.corrupt
    event_snapshots = [table for table in tables.event_tables.values() if table is not None]
    if not (report and duplicates and corrupt and unregistered and len(event_snapshots) == len(tables.event_tables)):
        return {}
    sources = ReportSources(catalog, raw, tables.deduplicated, duplicates, corrupt, unregistered, event_snapshots)
    reports = {day: reason for day, reason in _due_reports(report, sources) if day not in due}
    return reports if reports or is_drawn_anyway else dict(_due_pages(report, catalog))


def _loaded_at(commits: Iterable[Mapping[str, Any]], built: Mapping[date, int]) -> dict[date, datetime]:
    """Return the load time of the oldest records of each day that are not `built`; if all are, of its last ones."""
    load_times: dict[date, datetime] = {}
    unbuilt = set[date]()
    for info in commits:
        days = _created_dates(info) - unbuilt
        load_times |= dict.fromkeys(days, datetime.fromtimestamp(info["timestamp"] / 1000, UTC))
        unbuilt |= {day for day in days if info["version"] > built[day]}
    return load_times


def _created_dates(info: Mapping[str, Any]) -> set[date]:
    """Return the created_dates that a commit to raw_events may change."""
    return set(map(date.fromisoformat, info.get("created_dates", [])))


def _due_own_tables(
    lake: Lake,
    catalog: Catalog,
    own_assets: Sequence[OwnAsset],
    snapshots: Mapping[str, Snapshot | None],
    due: Mapping[str, Collection[date]],
    due_of_platform: set[date],
) -> dict[str, Days]:
    """Return due partitions of the tables of `own_assets`, and of other tables whose logs name their sources."""

    @cache
    def snapshot_of(name: str) -> Snapshot | None:
        return snapshots[name] if name in snapshots else _snapshot(lake.found_table(name))

    known_names = {*snapshots, *(asset.table for asset in own_assets)}
    other_names = [table.name for table in lake.every_table(catalog.event_types) if table.name not in known_names]
    map_threads(snapshot_of, [*(asset.table for asset in own_assets), *other_names])
    logged_assets = [
        OwnAsset(name, sources, None if snapshot.table.partition_column is None else date.min)
        for name in other_names
        if (snapshot := snapshot_of(name)) is not None and (sources := sources_in(snapshot))
    ]
    by_created_date = snapshots.keys() - {RAW_EVENTS.name, CORRUPT_EVENTS.name}
    due = {table: due_of_platform.union(due.get(table, ())) for table in by_created_date}
    return due_tables([*own_assets, *logged_assets], snapshot_of, due, datetime.now(UTC).date())


def _due_reports(report: Snapshot, sources: ReportSources) -> Iterator[tuple[date, str]]:
    """Yield the days whose report was built from other sources than the current ones, by fingerprint."""
    days = {*sources.deduplicated.rows_by_date(), *report.rows_by_date()}
    for day, made_of in sources.fingerprints(days).items():
        fingerprint = report.transaction(made_of_id(day))
        if fingerprint is not None and fingerprint != made_of:
            yield day, "its tables, or the fields of the catalog, changed since"
        elif fingerprint is None and report.transaction(report.app_id(day)) is None:
            yield day, "it was never built"


def _due_pages(report: Snapshot, catalog: Catalog) -> Iterator[tuple[date, str]]:
    """Yield the last reported day if the page of an event type was drawn from another schema."""
    reported_days = report.rows_by_date()
    for event_type in with_other_schema(report, catalog.event_types):
        if reported_days and report.transaction(schema_id(event_type)) is not None:
            yield max(reported_days), f"the schema of {event_type.key} changed since its page was drawn"


def _foreign_days(snapshots: Iterable[Snapshot | None]) -> dict[date, str]:
    """Return the days on which a table is not as the platform left it."""
    return {
        day: reason for snapshot in snapshots if snapshot is not None for day, reason in foreign_dates(snapshot).items()
    }


def _damaged_days(snapshots: Sequence[Snapshot | None], listing: LakeListing) -> dict[date, str]:
    """Return the days with a missing or damaged file of a table. Tables newer than `listing` are listed again."""
    tables = [snapshot for snapshot in snapshots if snapshot is not None]
    newer = [each for each in tables if each.version != listing.commits.get(each.table.name, (-1, ""))[0]]
    sizes = {**listing.sizes, **listed_sizes(newer)} if newer else listing.sizes
    return {each.file.partition: each.reason for snapshot in tables for each in damaged_files(snapshot, sizes=sizes)}


def _uneven_days(snapshots: Sequence[Snapshot | None]) -> dict[date, str]:
    """Describe the days on which the first table has other rows than the sum of the others; empty if one is None."""
    rows = [snapshot.rows_by_date() for snapshot in snapshots if snapshot is not None]
    if len(rows) < len(snapshots):
        return {}
    totals, sums = rows[0], Counter[date]()
    for counts in rows[1:]:
        sums.update(counts)
    return {
        day: f"{totals.get(day, 0):,} deduplicated, {sums[day]:,} in event tables and unregistered_events"
        for day in sorted({*totals, *sums})
        if totals.get(day, 0) != sums[day]
    }


def _snapshot(table: Table) -> Snapshot | None:
    """Return a snapshot, or None if the table cannot be opened. The run that is due then reports the error."""
    try:
        return table.snapshot()
    except TableError:
        return None
