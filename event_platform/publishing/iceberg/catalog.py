"""The Iceberg catalog as the rest of the platform uses it. It imports pyiceberg when needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from event_platform.events.errors import EventPlatformError, SettingError
from event_platform.lake.tables import Table
from event_platform.publishing.iceberg.publication import IcebergError, Lag, Outcome, Publication
from event_platform.publishing.iceberg.setting import CatalogKind, IcebergSetting, read_setting
from event_platform.publishing.names import glue_name
from event_platform.storage.storage import Storage
from event_platform.storage.threads import imap_threads

if TYPE_CHECKING:
    from event_platform.publishing.iceberg.target import OpenedCatalog, Target

#: Number of tables to publish in parallel in a bucket, where publishing is mostly waiting.
_AT_ONCE = 8

#: Folder of the lake that SQLite's file is in.
_FOLDER = "_iceberg"

R = TypeVar("R")


@dataclass(frozen=True)
class IcebergCatalog:
    """An Iceberg catalog for the tables of a lake."""

    setting: IcebergSetting
    lake: Storage
    #: Database of Glue with the Delta tables, if any: Iceberg tables in the same database have a prefix.
    glue_database: str | None = None

    @property
    def name(self) -> str:
        """The kind, address and namespace of the catalog, without secrets."""
        uri = self._without_secrets(self.setting.uri or "").partition("?")[0]
        return " ".join(filter(None, [self.setting.kind, uri, self.setting.namespace]))

    def publish(self, tables: Sequence[Table], *, verify: bool = False) -> list[Publication]:
        """Give each Iceberg table the files of the latest version of its Delta table. Return the outcomes, in order.

        With `verify`, all manifests are read, and a table with damaged manifests is rebuilt. Errors of a single table,
        and of the catalog, are in the publications, never raised.
        """
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - pyiceberg raises errors of whatever is behind a catalog
            reason = self._reason(error)
            return [Publication(each.name, self._full_name(each), Outcome.FAILED, None, reason) for each in tables]
        table_names = {glue_name(table): table.name for table in reversed(tables)}
        return self._map_tables(
            lambda table: self._publish_one(table, table_names[glue_name(table)], verify=verify), tables
        )

    def lags(self, tables: Sequence[Table]) -> list[Lag]:
        """Return how far each table is behind, in their order. Raises IcebergError if the catalog cannot be read."""
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - as above
            raise IcebergError(f"EVENT_PLATFORM_ICEBERG: {self.name}: {self._reason(error)}") from None
        return self._map_tables(self._lag_of, tables)

    def expire(self, table: Table, keep: timedelta, *, dry_run: bool) -> list[str]:
        """Expire the snapshots of a table older than `keep`, and delete the files that only they need. Return these.

        Call it before Delta's vacuum, which deletes data files of such snapshots. With `dry_run` nothing is changed.
        Raises TableError if the table is behind, because a vacuum would delete files that its readers need.
        """
        from event_platform.publishing.iceberg.expiry import expire  # noqa: PLC0415 - imports pyiceberg

        try:
            self._prepare()
            return expire(self._target(table), keep, dry_run=dry_run)
        except EventPlatformError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise IcebergError(f"{table.uri}: its Iceberg snapshots cannot be expired: {self._reason(error)}") from None

    def _publish_one(self, table: Table, first_table: str, *, verify: bool) -> Publication:
        from event_platform.publishing.iceberg.publish import publish  # noqa: PLC0415 - imports pyiceberg

        name = self._full_name(table)
        if first_table != table.name:
            reason = f"{first_table} has the same name there, {name}: give one of them another key"
            return Publication(table.name, name, Outcome.FAILED, None, reason)
        try:
            outcome, version = publish(self._target(table), verify=verify)
        except Exception as error:  # noqa: BLE001 - as above
            return Publication(table.name, name, Outcome.FAILED, None, self._reason(error))
        return Publication(table.name, name, outcome, version)

    def _lag_of(self, table: Table) -> Lag:
        from event_platform.publishing.iceberg.publish import published_version  # noqa: PLC0415 - imports pyiceberg

        try:
            version = table.snapshot().version
            return Lag(table.name, published_version(self._target(table)) if version >= 0 else None, version)
        except Exception as error:  # noqa: BLE001 - as above
            return Lag(table.name, None, -1, self._reason(error))

    def _map_tables(self, function: Callable[[Table], R], tables: Sequence[Table]) -> list[R]:
        # In a folder, publishing is work of the processor, and threads would only slow each other down.
        return [*map(function, tables)] if self.lake.is_local else list(imap_threads(function, tables, _AT_ONCE))

    def _prepare(self) -> None:
        """Open the catalog, and create its namespace if it is missing."""
        _ = self._opened

    @cached_property
    def _opened(self) -> "OpenedCatalog":
        try:
            from event_platform.publishing.iceberg.target import open_catalog  # noqa: PLC0415 - imports pyiceberg
        except ModuleNotFoundError as error:
            raise SettingError(
                f"EVENT_PLATFORM_ICEBERG: {error.name} is not installed; "
                "expected `pip install 'event-platform[iceberg]'`, or unset the variable"
            ) from error
        return open_catalog(self.setting, self.lake)

    def _target(self, table: Table) -> "Target":
        return self._opened.of(table, self._name_of(table))

    def _name_of(self, table: Table) -> str:
        return f"{self.setting.table_prefix(self.glue_database)}{glue_name(table)}"

    def _full_name(self, table: Table) -> str:
        return f"{self.setting.namespace}.{self._name_of(table)}"

    def _reason(self, error: Exception) -> str:
        kind = "" if isinstance(error, EventPlatformError) else f"{type(error).__name__}: "
        return self._without_secrets(f"{kind}{' '.join(str(error).split())}").rstrip(": ")

    def _without_secrets(self, text: str) -> str:
        for secret in self.setting.secrets:
            text = text.replace(secret, "***")
        return text


def open_iceberg(setting: IcebergSetting | str, lake: Storage, glue_database: str | None = None) -> IcebergCatalog:
    """Return the catalog of a setting, for the tables of a lake. Sends no request, and does not import pyiceberg.

    `glue_database` is the database in which Delta tables are registered, if any. Raises SettingError.
    """
    setting = read_setting(setting, glue_database) if isinstance(setting, str) else setting
    if setting.kind is CatalogKind.SQL and setting.uri is None:
        setting = IcebergSetting(setting.kind, setting.namespace, {**setting.properties, "uri": _sqlite_uri(lake)})
    return IcebergCatalog(setting, lake, glue_database)


def _sqlite_uri(lake: Storage) -> str:
    if not lake.is_local:
        raise SettingError(
            f"EVENT_PLATFORM_ICEBERG: sql: {lake.root} is a bucket, and SQLite needs a folder of one machine; expected "
            "`sql uri=postgresql+psycopg2://…` with a database that all machines reach, `glue` or `rest uri=https://…`"
        )
    return f"sqlite:///{Path(lake.root).absolute()}/{_FOLDER}/catalog.db"
