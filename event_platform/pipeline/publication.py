"""Publish the tables of a lake in its Iceberg catalog, and list the outdated ones: for commands, runs and metrics."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from event_platform.environment import Environment
from event_platform.events.errors import MissingError, SettingError
from event_platform.events.wording import counted, first_few
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform.publishing.iceberg import IcebergCatalog, IcebergError, Lag, open_iceberg

#: Number of outdated tables that a sentence names.
_MAX_NAMED = 3


def open_iceberg_catalog(environment: Environment, lake: Lake) -> IcebergCatalog:
    """Open the Iceberg catalog in which an environment publishes its lake. Raises SettingError if none is set."""
    if environment.iceberg is None:
        raise SettingError("EVENT_PLATFORM_ICEBERG: not set; expected an Iceberg catalog to publish tables in")
    return open_iceberg(environment.iceberg, lake.storage, environment.glue_database)


@dataclass(frozen=True)
class OutdatedTable:
    """A table whose Iceberg metadata are of an older version than its Delta log, or of an unknown one."""

    table: str
    published_version: int | None  # None if it was never published
    version: int  # -1 if it is not known
    unpublished_since: datetime | None  # time of the first unpublished commit; None if unknown
    reason: str = ""  # why it could not be published, or is not known

    @property
    def versions(self) -> int:
        """Number of versions that are not published."""
        return self.version - (-1 if self.published_version is None else self.published_version)

    @property
    def description(self) -> str:
        """The table, and the number of versions that are not published, in words."""
        if self.version < 0:
            return f"{self.table} ({self.reason})"
        if self.published_version is None:
            return f"{self.table}, not published yet"
        return f"{self.table} by {counted(self.versions, 'version')}"


@dataclass(frozen=True)
class IcebergStatus:
    """The existing tables, and those whose present version is not published."""

    tables: Sequence[str]
    outdated: Sequence[OutdatedTable] = ()  # most unpublished versions first
    fault: str = ""  # why it is not known

    @property
    def is_current(self) -> bool:
        """Whether every table is known to be published as it is."""
        return not (self.outdated or self.fault)

    @property
    def sentence(self) -> str:
        """Describe the status in one line."""
        if self.fault:
            return f"Iceberg: the catalog cannot be read: {self.fault}"
        if not self.outdated:
            return f"Iceberg: {len(self.tables)} tables, none behind"
        examples = first_few((each.description for each in self.outdated), _MAX_NAMED)
        since = min((each.unpublished_since for each in self.outdated if each.unpublished_since), default=None)
        when = f", since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        counts = f"{len(self.tables)} tables, {len(self.outdated)} behind"
        return f"Iceberg: {counts}: {examples}{when}; run `event-platform publish`"

    def as_json(self) -> dict[str, Any]:
        """Return all of it for `status --json`."""
        return {
            "tables": len(self.tables),
            "behind": [
                {
                    "table": each.table,
                    "published_version": each.published_version,
                    "version": each.version,
                    "since": each.unpublished_since and each.unpublished_since.isoformat(),
                    "reason": each.reason or None,
                }
                for each in self.outdated
            ],
            "fault": self.fault or None,
        }


def iceberg_status(catalog: IcebergCatalog, tables: Sequence[Table]) -> IcebergStatus:
    """Return the outdated tables, or why they are unknown."""
    try:
        return read_status(catalog, tables)
    except IcebergError as error:
        return IcebergStatus((), fault=str(error))


def publish_outdated(catalog: IcebergCatalog, tables: Sequence[Table]) -> IcebergStatus:
    """Publish the outdated tables. Return those that are still outdated, with the reason, or why they are unknown."""
    old_status = iceberg_status(catalog, tables)
    names = {each.table for each in old_status.outdated}
    outdated = [table for table in tables if table.name in names]
    if not outdated:
        return old_status
    reasons = {each.table: each.reason for each in catalog.publish(outdated)}
    new_status = iceberg_status(catalog, outdated)
    return replace(
        new_status, tables=old_status.tables, outdated=[_with_reason(each, reasons) for each in new_status.outdated]
    )


def read_status(catalog: IcebergCatalog, tables: Sequence[Table]) -> IcebergStatus:
    """Return the outdated tables. Raises IcebergError if the catalog cannot be read."""
    lags = list(zip(catalog.lags(tables), tables, strict=True))
    existing_tables = [(lag, table) for lag, table in lags if lag.version >= 0 or lag.reason]
    outdated = [_outdated_table(lag, table) for lag, table in existing_tables if _is_behind(lag)]
    outdated.sort(key=lambda each: (-each.versions, each.table))
    return IcebergStatus([lag.table for lag, _ in existing_tables], outdated)


def _is_behind(lag: Lag) -> bool:
    """Return whether a version is not published. The published one may be newer than that of a pinned lake."""
    return bool(lag.reason) or lag.published is None or lag.published < lag.version


def _outdated_table(lag: Lag, table: Table) -> OutdatedTable:
    since = None if lag.reason else _unpublished_since(table.snapshot(), lag.published)
    return OutdatedTable(lag.table, lag.published, lag.version, since, lag.reason)


def _with_reason(table: OutdatedTable, reasons: Mapping[str, str]) -> OutdatedTable:
    return replace(table, reason=reasons[table.table] or table.reason)


def _unpublished_since(snapshot: Snapshot, published_version: int | None) -> datetime | None:
    """Return the time of the first commit after the published version; None if the log does not have it."""
    if published_version is None:
        return None
    with suppress(MissingError):
        for line in snapshot.read_commit(published_version + 1).splitlines():
            moment = json.loads(line).get("commitInfo", {}).get("timestamp")
            if moment is not None:
                return datetime.fromtimestamp(moment / 1000, UTC)
    return None
