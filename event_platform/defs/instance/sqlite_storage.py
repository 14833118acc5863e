"""Dagster's storages of runs and of schedules in SQLite, opened by one process at a time. `dagster.yaml` names them.

To open one makes its tables. Of two processes that do so at once, one may take what the other has made by then for an
old database, and notes its version beside the other's: from then on nobody can open it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from event_platform.defs.instance import dagster_internals
from event_platform.defs.instance.dagster_internals import ConfigurableClassData
from event_platform.defs.instance.opening import alone_in


class SqliteRunStorage(dagster_internals.SqliteRunStorage):
    """Runs in `history/runs.db` below `base_dir`, where Dagster keeps them by default."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SqliteRunStorage":
        """Open the storage that dagster.yaml describes, and make it if there is none."""
        home = Path(config_value["base_dir"])
        with alone_in(home):
            return cls.from_local(str(home / "history"), inst_data)


class SqliteScheduleStorage(dagster_internals.SqliteScheduleStorage):
    """Ticks, cursors and switches in `schedules/schedules.db` below `base_dir`, where Dagster keeps them by default."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SqliteScheduleStorage":
        """Open the storage that dagster.yaml describes, and make it if there is none."""
        home = Path(config_value["base_dir"])
        with alone_in(home):
            return cls.from_local(str(home / "schedules"), inst_data)  # type: ignore[return-value]  # by `cls`
