"""Dagster's storages of runs and of schedules in SQLite, kept open. `dagster.yaml` names them.

Only one process at a time opens a storage for the first time, which creates its tables. If two do so at once, one may
take the other's unfinished tables for an old database and stamp a second version; from then on nobody can open it.

Dagster's own storages connect again for each query and recompile its SQL; a code server opens them for each tick of a
sensor and loads all migrations. That was half the cost of a tick.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as db
from sqlalchemy.engine import Connection, Engine

from event_platform.defs.instance import dagster_internals
from event_platform.defs.instance.dagster_internals import SQLITE_BUSY_TIMEOUT_SECONDS, ConfigurableClassData
from event_platform.defs.instance.opening import is_broken, lock_records

#: A process has the two files of one DAGSTER_HOME; tests have many.
_MOST_FILES = 8


@lru_cache(maxsize=_MOST_FILES)
def _engine(address: str, _inode: int) -> Engine:
    """Return the engine of a file whose tables exist; a replaced file gets a new engine."""
    return db.create_engine(address, max_overflow=-1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


#: Files whose tables this process has made or seen, each with the number of the file.
_MADE = set[tuple[Path, int]]()


def _is_made(path: Path) -> bool:
    return path.is_file() and (path, path.stat().st_ino) in _MADE and not is_broken(path)


def _address_of(file: Path, make: Callable[[str], object]) -> str:
    """Return the address of a file in a folder of DAGSTER_HOME; `make` creates it there if it is missing."""
    if not _is_made(file):
        with lock_records(file.parent.parent):
            make(str(file.parent))
        _MADE.add((file, file.stat().st_ino))
    return f"sqlite:///{file}"


class _KeptOpen:
    """A storage whose connections stay open, shared by all storages of its file in this process."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._known_indexes = set[str]()
        self._kept = _engine(conn_string, Path(conn_string.removeprefix("sqlite:///")).stat().st_ino)
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]  # of the storage beside it

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection in a transaction."""
        with self._kept.begin() as connection:
            yield connection

    def has_built_index(self, migration_name: str) -> bool:
        """Return whether an index is built. Dagster asks for each query; none is unbuilt."""
        if migration_name not in self._known_indexes and super().has_built_index(migration_name):  # type: ignore[misc]
            self._known_indexes.add(migration_name)
        return migration_name in self._known_indexes


class SqliteRunStorage(_KeptOpen, dagster_internals.SqliteRunStorage):
    """Runs in `history/runs.db` below `base_dir`, Dagster's default location."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SqliteRunStorage":
        """Open the storage of dagster.yaml, and create it if it does not exist."""
        file = Path(config_value["base_dir"]) / "history" / "runs.db"
        return cls(_address_of(file, dagster_internals.SqliteRunStorage.from_local), inst_data)


class SqliteScheduleStorage(_KeptOpen, dagster_internals.SqliteScheduleStorage):
    """Ticks, cursors and switches in `schedules/schedules.db` below `base_dir`, Dagster's default location."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SqliteScheduleStorage":
        """Open the storage of dagster.yaml, and create it if it does not exist."""
        file = Path(config_value["base_dir"]) / "schedules" / "schedules.db"
        return cls(_address_of(file, dagster_internals.SqliteScheduleStorage.from_local), inst_data)

    def has_instigators_table(self) -> bool:
        """Return whether there is the table of instigators: it is made with the file."""
        return True
