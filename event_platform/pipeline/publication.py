"""Publish the tables of a lake in its Iceberg catalog, and list those that are behind.

For commands, runs and metrics.
"""

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

#: Tables behind that a sentence names.
_NAMED = 3


def open_iceberg_catalog(environment: Environment, lake: Lake) -> IcebergCatalog:
    """Open the Iceberg catalog in which an environment publishes its lake. Raises SettingError if none is set."""
    if environment.iceberg is None:
        raise SettingError("EVENT_PLATFORM_ICEBERG: not set; expected an Iceberg catalog to publish tables in")
    return open_iceberg(environment.iceberg, lake.storage, environment.glue_database)


@dataclass(frozen=True)
class Behind:
    """A table whose Iceberg metadata are of an older version than its Delta log, or of an unknown one."""

    table: str
    published: int | None  # None if it was never published
    version: int  # -1 if it is not known
    since: datetime | None  # time of the first unpublished commit; None if unknown
    reason: str = ""  # why it could not be published, or is not known

    @property
    def versions(self) -> int:
        """How many versions are not published."""
        return self.version - (-1 if self.published is None else self.published)

    @property
    def words(self) -> str:
        """How far it is behind."""
        if self.version < 0:
            return f"{self.table} ({self.reason})"
        if self.published is None:
            return f"{self.table}, not published yet"
        return f"{self.table} by {counted(self.versions, 'version')}"


@dataclass(frozen=True)
class IcebergStatus:
    """The tables that are not published in their present version."""

    tables: Sequence[str]  # existing tables
    behind: Sequence[Behind] = ()  # the furthest first
    fault: str = ""  # why it is not known

    @property
    def is_current(self) -> bool:
        """Whether every table is known to be published as it is."""
        return not (self.behind or self.fault)

    @property
    def sentence(self) -> str:
        """Return all of it in a line."""
        if self.fault:
            return f"Iceberg: the catalog cannot be read: {self.fault}"
        if not self.behind:
            return f"Iceberg: {len(self.tables)} tables, none behind"
        named = first_few((each.words for each in self.behind), _NAMED)
        since = min((each.since for each in self.behind if each.since), default=None)
        when = f", since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        counts = f"{len(self.tables)} tables, {len(self.behind)} behind"
        return f"Iceberg: {counts}: {named}{when}; run `event-platform publish`"

    def as_json(self) -> dict[str, Any]:
        """Return all of it for `status --json`."""
        return {
            "tables": len(self.tables),
            "behind": [
                {
                    "table": each.table,
                    "published_version": each.published,
                    "version": each.version,
                    "since": each.since and each.since.isoformat(),
                    "reason": each.reason or None,
                }
                for each in self.behind
            ],
            "fault": self.fault or None,
        }


def iceberg_status(catalog: IcebergCatalog, tables: Sequence[Table]) -> IcebergStatus:
    """Return the tables that are behind, or why that is unknown."""
    try:
        return read_status(catalog, tables)
    except IcebergError as error:
        return IcebergStatus((), fault=str(error))


def bring_up(catalog: IcebergCatalog, tables: Sequence[Table]) -> IcebergStatus:
    """Publish the tables that are behind. Return those that still are, with the reason, or why that is unknown."""
    before = iceberg_status(catalog, tables)
    names = {each.table for each in before.behind}
    behind = [table for table in tables if table.name in names]
    if not behind:
        return before
    reasons = {each.table: each.reason for each in catalog.publish(behind)}
    after = iceberg_status(catalog, behind)
    return replace(after, tables=before.tables, behind=[_with_reason(each, reasons) for each in after.behind])


def read_status(catalog: IcebergCatalog, tables: Sequence[Table]) -> IcebergStatus:
    """Return which tables are behind. Raises IcebergError if the catalog cannot be read."""
    lags = list(zip(catalog.lags(tables), tables, strict=True))
    existing = [(lag, table) for lag, table in lags if lag.version >= 0 or lag.reason]
    behind = [_behind(lag, table) for lag, table in existing if _is_behind(lag)]
    behind.sort(key=lambda each: (-each.versions, each.table))
    return IcebergStatus([lag.table for lag, _ in existing], behind)


def _is_behind(lag: Lag) -> bool:
    """Return whether a version is not published. Another run may have published a later one than a pinned lake has."""
    return bool(lag.reason) or lag.published is None or lag.published < lag.version


def _behind(lag: Lag, table: Table) -> Behind:
    since = None if lag.reason else _since(table.snapshot(), lag.published)
    return Behind(lag.table, lag.published, lag.version, since, lag.reason)


def _with_reason(behind: Behind, reasons: Mapping[str, str]) -> Behind:
    return replace(behind, reason=reasons[behind.table] or behind.reason)


def _since(snapshot: Snapshot, published: int | None) -> datetime | None:
    """Return the time of the first commit after the published version; None if the log does not have it."""
    if published is None:
        return None
    with suppress(MissingError):
        for line in snapshot.read_commit(published + 1).splitlines():
            moment = json.loads(line).get("commitInfo", {}).get("timestamp")
            if moment is not None:
                return datetime.fromtimestamp(moment / 1000, UTC)
    return None
