"""Dagster's event log in PostgreSQL, with connections that are kept.

Dagster's own storage connects anew two or three times for each event, and each time the server starts a process.
`deploy/postgres/dagster.yaml` names this class; the tables are Dagster's own.
"""

from collections.abc import Mapping
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, pg_url_from_config

from event_platform.event_log import SettledEventLog


class PostgresEventLog(SettledEventLog, PostgresEventLogStorage):
    """An event log that keeps up to five connections in each process, and takes more while it needs them."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the log, and make its tables if there are none."""
        self._known_tables: set[str] = set()
        super().__init__(postgres_url, inst_data=inst_data)
        # A connection that the server has closed meanwhile is found out before it is used.
        self._engine = create_pg_engine(
            postgres_url, None, isolation_level="AUTOCOMMIT", max_overflow=-1, pool_pre_ping=True
        )

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PostgresEventLog":
        """Open the log that dagster.yaml describes, in the words of `PostgresEventLogStorage`."""
        return cls(pg_url_from_config(config_value), inst_data)

    def has_table(self, table_name: str) -> bool:
        """Say whether there is a table. Dagster asks for each event; tables come, and do not go."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables
