"""Dagster's event log in PostgreSQL, with connections that are kept.

Dagster's own storage connects again two or three times for each event, and each time the server starts a process.
`deploy/postgres/dagster.yaml` names this class; the tables are Dagster's own.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster_postgres import PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config

from event_platform.defs.instance.dagster_internals import ConfigurableClassData, take_connections_from
from event_platform.defs.instance.sqlite_event_log import SettledEventLog

if TYPE_CHECKING:
    from dagster_postgres.auth import PgTokenProvider


class PostgresEventLog(SettledEventLog, PostgresEventLogStorage):
    """An event log that keeps up to five connections per process, and opens more on demand."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,  # noqa: FBT001, FBT002 - as in the parent
        inst_data: ConfigurableClassData | None = None,
        token_provider: "PgTokenProvider | None" = None,
    ) -> None:
        """Open the log, and create its tables if they are missing and `should_autocreate_tables`."""
        self._known_tables: set[str] = set()
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        # Connections that the server has closed are detected before use.
        engine = create_pg_engine(
            postgres_url, token_provider, isolation_level="AUTOCOMMIT", max_overflow=-1, pool_pre_ping=True
        )
        take_connections_from(engine, self)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PostgresEventLog":
        """Open the log that dagster.yaml describes, in the words of `PostgresEventLogStorage`."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )

    def has_table(self, table_name: str) -> bool:
        """Return whether there is a table. Dagster asks for each event; tables come, and do not go."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables
