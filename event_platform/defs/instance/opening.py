"""How this project opens Dagster's records: one process at a time, and with a sentence where they cannot be opened."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path

import dagster as dg
import yaml

from event_platform.defs.instance.claim import require_own_instance
from event_platform.defs.instance.dagster_yaml import EXAMPLE, read_dagster_yaml, replacements
from event_platform.events.errors import SettingError

_LOCK = ".opening.lock"
_HELD: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())

#: What is kept in SQLite, by the file below DAGSTER_HOME: by Dagster's own classes, and by those of this project.
_KEPT = {
    "history/runs.db": "the list of past runs",
    "schedules/schedules.db": "past ticks, cursors, and which sensors and schedules were switched on or off",
    "history/runs/index.db": "the events of past runs",
    "event_log.db": "the events of past runs",
}
_LENGTH = 400

_WRITABLE = "let the user of this process read and write the folder and all that is in it"
_SETTINGS = f"look at dagster.yaml in it, of which {EXAMPLE} is an example, and at what it names"


class RecordsError(SettingError):
    """Dagster's records cannot be opened."""

    def __init__(self, problem: str, remedy: str) -> None:
        """Say what is wrong, and what to do."""
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy = problem, remedy


@contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Have no other process open the records in a folder meanwhile. Raises OSError where the folder cannot be written.

    Dagster's storages in SQLite make their tables when they are opened, and take two processes that do so at once for
    a migration that was left half-way. Whoever holds the lock may ask for it again.
    """
    folder = home.resolve()
    if folder in _HELD.get():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed, also by the end of a process that is killed
        token = _HELD.set(_HELD.get() | {folder})
        try:
            yield
        finally:
            _HELD.reset(token)


def open_instance(home: str | None, lake: str) -> dg.DagsterInstance:
    """Open the records in DAGSTER_HOME; without one, records that end with the process.

    Raises RecordsError where they cannot be opened, read or written, and SettingError where they are another lake's.
    """
    if not home:
        return dg.DagsterInstance.ephemeral()
    folder = Path(home).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        remedy = "set it to the absolute path of a folder that exists, or unset it: runs then leave no record"
        raise RecordsError(f"DAGSTER_HOME: {home}: no folder", remedy)
    if locked := _not_writable(folder):
        raise RecordsError(f"DAGSTER_HOME: {locked}: cannot be written", _WRITABLE)
    try:
        replaced = replacements(read_dagster_yaml(home))
    except (OSError, yaml.YAMLError):
        replaced = None  # what is wrong with the file is said below
    if replaced:
        raise RecordsError(f"DAGSTER_HOME: {folder / 'dagster.yaml'} names modules that have moved", replaced)
    try:
        with _alone_if_writable(folder):
            instance = dg.DagsterInstance.from_config(str(folder))
            _look_into(instance)
    except Exception as error:  # the storages that dagster.yaml names may be anybody's, and raise what they like
        raise RecordsError(f"DAGSTER_HOME: {folder}: {_in_short(error)}", _remedy(error, folder)) from error
    require_own_instance(instance, lake)
    return instance


@contextmanager
def _alone_if_writable(folder: Path) -> Iterator[None]:
    """Lock a folder. One that cannot be written is left as it is: records in PostgreSQL can be opened all the same."""
    if os.access(folder, os.W_OK):
        with alone_in(folder):
            yield
    else:
        yield


def _look_into(instance: dg.DagsterInstance) -> None:
    """Read a little of each storage: to be opened, some look into nothing."""
    instance.get_runs(limit=1)
    instance.get_asset_keys(limit=1)
    instance.all_instigator_state()


def _not_writable(folder: Path) -> Path | None:
    """Return a database of SQLite that is there and cannot be written; it may well be opened."""
    there = [path for name in _KEPT if (path := folder / name).is_file()]
    return next((path for path in there if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))), None)


def _in_short(error: Exception) -> str:
    # SQLAlchemy adds the statement; what the database said is in `orig`.
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    return text[:_LENGTH] or type(error).__name__


def _remedy(error: Exception, folder: Path) -> str:
    broken = next((name for name in _KEPT if (folder / name).is_file() and _is_broken(folder / name)), None)
    if broken is not None:
        return (
            f"end whatever uses it, and delete {folder / broken} with the files beside it that begin with its name: "
            f"what is lost is {_KEPT[broken]}, none of the tables"
        )
    return _WRITABLE if isinstance(error, OSError) else _SETTINGS


def _is_broken(path: Path) -> bool:
    """Return whether a database is unreadable, or has two versions because two processes created it at once."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master")}
            if "alembic_version" not in tables:
                return not tables
            ((versions,),) = connection.execute("select count(*) from alembic_version")
            return bool(versions > 1)
    except sqlite3.DatabaseError:
        return True
