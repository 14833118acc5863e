"""How this project opens Dagster's records: one process at a time, and with a sentence where they cannot be opened."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path

import dagster as dg

from event_platform.defs.instance.claim import require_own_instance
from event_platform.defs.instance.dagster_internals import open_without_records
from event_platform.defs.instance.dagster_yaml import EXAMPLE
from event_platform.defs.instance.home import KEPT, WRITABLE, RecordsError, check_home

_LOCK = ".opening.lock"
_HELD: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())

_LENGTH = 400

_SETTINGS = f"look at dagster.yaml in it, of which {EXAMPLE} is an example, and at what it names"


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
        return open_without_records()
    folder = check_home(home)
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


def _in_short(error: Exception) -> str:
    # SQLAlchemy adds the statement; what the database said is in `orig`.
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    return text[:_LENGTH] or type(error).__name__


def _remedy(error: Exception, folder: Path) -> str:
    broken = next((name for name in KEPT if (folder / name).is_file() and is_broken(folder / name)), None)
    if broken is not None:
        return (
            f"end whatever uses it, and delete {folder / broken} with the files beside it that begin with its name: "
            f"what is lost is {KEPT[broken]}, none of the tables"
        )
    return WRITABLE if isinstance(error, OSError) else _SETTINGS


def is_broken(path: Path) -> bool:
    """Return whether a database is unreadable, or has two versions because two processes created it at once."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master")}
            if "alembic_version" not in tables:
                return not tables
            ((versions,),) = connection.execute("select count(*) from alembic_version")
            return bool(versions > 1)
    except sqlite3.DatabaseError as error:
        return getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY  # another process has locked it
