"""Dagster's event log in SQLite, kept open: the same tables, at an eighth of the CPU time per event.

For each event, Dagster's own SQLite storage opens a database, writes and closes it two or three times; each close means
a checkpoint and several fsyncs. A run of 30 days over 100 event types has 16,000 events, and would spend nine tenths of
its time there. Only `.dagster/dagster.yaml` names this class. Its database can be read by Dagster's
`ConsolidatedSqliteEventLogStorage`, and the other way round.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import DagsterEventType, EventLogEntry
from sqlalchemy.engine import Connection, Engine

from event_platform.defs.instance.dagster_internals import (
    EVENT_LOG_TABLES,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    ConfigurableClassData,
    EventHandlerFn,
    SqlEventLogStorage,
    SqliteEventLogBase,
    SqlPollingEventWatcher,
)
from event_platform.defs.instance.opening import lock_records

#: Seconds until an event is settled: longer than storing everything else about the same occurrence takes.
_SECONDS_TO_SETTLE = 5


class SettledEventLog(SqlEventLogStorage):
    """An event log that hides an event from cursor reads until it is settled.

    Dagster's daemon follows the log with a cursor to restart failed runs, and never goes back. A failure is in the log
    before the run's status says so. If the daemon reads in between, it takes the run for a live one: the run is never
    restarted, and its backfill waits for ever. In PostgreSQL, an event may also become visible after one with a higher
    number.
    """

    def get_logs_for_all_runs_by_log_id(
        self,
        after_cursor: int = -1,
        dagster_event_type: DagsterEventType | set[DagsterEventType] | None = None,
        limit: int | None = None,
    ) -> Mapping[int, EventLogEntry]:
        """Return events after a cursor by their number, up to the first that is younger than five seconds."""
        events, now = super().get_logs_for_all_runs_by_log_id(after_cursor, dagster_event_type, limit), time.time()
        return dict(takewhile(lambda event: not 0 <= now - event[1].timestamp < _SECONDS_TO_SETTLE, events.items()))


class SqliteEventLog(SettledEventLog, SqliteEventLogBase):
    """An event log in one file, `event_log.db` in the folder `base_dir`.

    An event is stored whole or not at all. A killed process loses no event. A power failure may lose the last ones, but
    never the file; the tables of the lake are the record of the work.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the log, and create it if it does not exist."""
        self._own = threading.local()
        self._known_tables: set[str] = set()
        self._address = f"sqlite:///{Path(base_dir).absolute() / 'event_log.db'}"
        with lock_records(Path(base_dir)):
            super().__init__(base_dir, inst_data)
            # Dagster creates the tables if there is no file; a process killed meanwhile leaves a file without tables.
            if not all(map(self.has_table, EVENT_LOG_TABLES)):
                self.make_tables()

    @cached_property
    def _engine(self) -> Engine:
        engine = db.create_engine(self._address, max_overflow=-1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
        db.event.listen(engine, "connect", _set_up)
        return engine

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield this thread's open transaction, or a new one."""
        under_way: Connection | None = getattr(self._own, "connection", None)
        if under_way is not None:
            yield under_way
            return
        with self._engine.begin() as connection:
            self._own.connection = connection
            try:
                yield connection
            finally:
                self._own.connection = None

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event and its entries in the index tables, in one transaction."""
        with self.connection():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction."""
        with self.connection():
            super().store_event_batch(events)

    def has_table(self, table_name: str) -> bool:
        """Return whether there is a table. Dagster asks for each check; tables come, and do not go."""
        if table_name not in self._known_tables:
            with self.connection() as connection:
                if db.inspect(connection).has_table(table_name):
                    self._known_tables.add(table_name)
        return table_name in self._known_tables

    @cached_property
    def _watcher(self) -> SqlPollingEventWatcher:
        # Watching the file is not enough: while it is open, changes go to another file beside it.
        return SqlPollingEventWatcher(self)

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call `callback` for each new event of a run, for live updates in the UI."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """Call back no more."""
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        """Close the file."""
        self._watcher.close()
        self._engine.dispose()


def _set_up(connection: Any, _record: Any) -> None:
    # Waits for the disk at checkpoints, not for each event. In a write-ahead log that is still consistent.
    connection.execute("PRAGMA synchronous = NORMAL")
