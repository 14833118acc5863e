"""Derived tables: their source tables, and which of their partitions are due.

A partition stores a fingerprint of its source files. Files never change: if rows of a source are added, removed or
rebuilt, the source has other files, and its derived partitions are due.
"""

import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from event_platform.lake.foreign import foreign_dates
from event_platform.lake.snapshot import Snapshot

#: An impossible fingerprint: a partition with it is due.
UNKNOWN = -1

_MADE_OF, _SOURCE = "made_of:", "source:"

_CHANGED = "its sources have changed since"
_NEVER = "it was never built"
_BROKEN = "it cannot be opened"

Days = Mapping[date | None, str]


@dataclass(frozen=True, order=True)
class Source:
    """A source of a derived table, and the range of source days behind a day, relative to that day."""

    table: str
    first: int = 0
    last: int = 0

    def days(self, day: date) -> list[date]:
        """Return the days of the source that `day` depends on."""
        return [day + timedelta(days=offset) for offset in range(self.first, self.last + 1)]

    def made_of(self, day: date) -> list[date]:
        """Return the days that depend on `day` of the source."""
        return [day - timedelta(days=offset) for offset in range(self.first, self.last + 1)]


@dataclass(frozen=True)
class OwnAsset:
    """The table of a user's own asset, from the asset graph."""

    table: str
    sources: frozenset[Source]
    first_date: date | None  # the first partition; None if it is unpartitioned, and derived from whole sources
    beside: bool = True  # it has the platform's partitions, so that one run can build both


@dataclass(frozen=True)
class MadeOf:
    """Fingerprints of the sources of each partition (None: unpartitioned), stored in the log with the rows."""

    sources: frozenset[Source] = frozenset()
    fingerprints: Mapping[date | None, int] = field(default_factory=dict)

    def transactions(self, target: Snapshot) -> dict[str, int]:
        """Return the app transactions to store with the commit to `target`.

        The sources are written only if they changed: otherwise writers of other partitions would conflict.
        """
        transactions = {made_of_id(day): number for day, number in self.fingerprints.items()}
        if sources_in(target) == self.sources:
            return transactions
        return {**transactions, **{_source_id(source): target.version + 1 for source in self.sources}}


def made_of_id(day: date | None) -> str:
    """Return the app transaction with the source fingerprint of a partition (None: of an unpartitioned table)."""
    return f"{_MADE_OF}{'' if day is None else day.isoformat()}"


def fingerprint(parts: Mapping[str, int]) -> int:
    """Return a fingerprint of the parts; parts that are 0 count as absent."""
    return zlib.crc32(json.dumps(sorted(part for part in parts.items() if part[1])).encode())


def contents(snapshot: Snapshot, dates: Collection[date] | None = None) -> dict[date, int]:
    """Return a fingerprint of the files of each partition (by default, of all); empty if unpartitioned."""
    if snapshot.table.partition_column is None:
        return {}
    return {day: digest(paths) for day, paths in snapshot.paths_by_date(dates).items()}


def fingerprint_of_files(snapshot: Snapshot) -> int:
    """Return a fingerprint of all files of a table; 0 if there are none."""
    return 0 if snapshot.delta is None else digest(snapshot.paths())


def digest(names: Iterable[str]) -> int:
    """Return a fingerprint of names in any order; 0 for none."""
    return zlib.crc32("\n".join(sorted(names)).encode())


def fingerprint_of_day(sources: Iterable[Source], versions: Mapping[str, Mapping[date, int]], day: date) -> int:
    """Return the fingerprint of a day from the `contents` of each source."""
    return fingerprint(
        {
            f"{source.table} {day_of}": versions[source.table].get(day_of, 0)
            for source in sources
            for day_of in source.days(day)
        }
    )


def fingerprint_of_all(sources: Iterable[Source], versions: Mapping[str, int]) -> int:
    """Return the fingerprint of an unpartitioned table from `whole` of each source."""
    return fingerprint({source.table: versions[source.table] for source in sources})


def sources_in(snapshot: Snapshot) -> frozenset[Source]:
    """Return the sources of a table that its log lists."""
    noted = {app_id: number for app_id, number in (snapshot.transactions or {}).items() if app_id.startswith(_SOURCE)}
    latest = max(noted.values(), default=0)
    return frozenset(_source(app_id) for app_id, number in noted.items() if number == latest)


def _source_id(source: Source) -> str:
    return f"{_SOURCE}{source.first}:{source.last}:{source.table}"


def _source(app_id: str) -> Source:
    first, last, table = app_id.removeprefix(_SOURCE).split(":", 2)
    return Source(table, int(first), int(last))


def due_tables(
    assets: Iterable[OwnAsset],
    pinned: Callable[[str], Snapshot | None],
    due_already: Mapping[str, Collection[date]],
    last: date,
) -> dict[str, Days]:
    """Return the due partitions (None: the whole table) of each table in `assets`, with the reason.

    Args:
        assets: Own assets in topological order.
        pinned: Returns the snapshot of a table by name; None if it cannot be opened.
        due_already: Due partitions of tables that are not among `assets`; what derives from them is due as well.
        last: The last day that is a partition.
    """
    due: dict[str, set[date | None]] = {table: {*days} for table, days in due_already.items()}
    by_table: dict[str, Days] = {}
    for asset in assets:
        days = {**dict(_due_downstream(asset, due)), **dict(_due(asset, pinned))}
        if asset.first_date is not None:
            days = {day: why for day, why in days.items() if day is not None and asset.first_date <= day <= last}
        due[asset.table] = {*days}
        by_table |= {asset.table: days} if days else {}
    return by_table


def _due_downstream(asset: OwnAsset, due: Mapping[str, Collection[date | None]]) -> Iterator[tuple[date | None, str]]:
    for source in sorted(asset.sources):
        why = f"{source.table} is due"
        for day in due.get(source.table, ()):
            if asset.first_date is None:
                yield None, why
            elif day is not None:
                yield from ((made, why) for made in source.made_of(day))


def _due(asset: OwnAsset, pinned: Callable[[str], Snapshot | None]) -> Iterator[tuple[date | None, str]]:
    opened = {source.table: pinned(source.table) for source in asset.sources}
    snapshots = {table: snapshot for table, snapshot in opened.items() if snapshot is not None}
    target = pinned(asset.table)
    if len(snapshots) < len(opened):  # the run of that table says why
        return
    if asset.first_date is None:
        yield from _due_whole(
            asset, target, {table: fingerprint_of_files(snapshot) for table, snapshot in snapshots.items()}
        )
    else:
        yield from _due_days(asset, target, {table: contents(snapshot) for table, snapshot in snapshots.items()})


def _due_whole(
    asset: OwnAsset, target: Snapshot | None, versions: Mapping[str, int]
) -> Iterator[tuple[date | None, str]]:
    if target is None:
        yield None, _BROKEN
        return
    fingerprint = target.transaction(made_of_id(None))
    if fingerprint is None and target.delta is None and any(versions.values()):
        yield None, _NEVER
    if fingerprint is not None and fingerprint != fingerprint_of_all(asset.sources, versions):
        yield None, _CHANGED


def _due_days(
    asset: OwnAsset, target: Snapshot | None, versions: Mapping[str, Mapping[date, int]]
) -> Iterator[tuple[date | None, str]]:
    fed = {made for source in asset.sources for day in versions[source.table] for made in source.made_of(day)}
    if target is None:
        yield from ((day, _BROKEN) for day in fed)
        return
    transaction, rows = target.transaction, contents(target)
    for day in sorted(fed | rows.keys()):
        fingerprint = transaction(made_of_id(day))
        if fingerprint is not None and fingerprint != fingerprint_of_day(asset.sources, versions, day):
            yield day, _CHANGED
        # The log of a table that its owner writes without the I/O manager does not have its sources.
        elif fingerprint is None and day in fed and day not in rows and transaction(target.app_id(day)) is None:
            yield day, _NEVER
    if target.table.partition_column is not None:
        for day, why in foreign_dates(target).items():
            if transaction(target.app_id(day)) is not None:
                yield day, why
