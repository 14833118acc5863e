"""Records of runs and ticks are opened once in a process, and their connections are kept."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as db

from event_platform.defs.instance import dagster_internals
from event_platform.defs.instance.sqlite_storage import SqliteRunStorage, SqliteScheduleStorage

STORAGES = pytest.mark.parametrize(
    ("storage", "file", "ask"),
    [
        (SqliteRunStorage, "history/runs.db", lambda storage: storage.get_runs()),
        (SqliteScheduleStorage, "schedules/schedules.db", lambda storage: storage.all_instigator_state()),
    ],
)


@STORAGES
def test_a_tick_finds_the_records_open(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    storage: type[SqliteRunStorage] | type[SqliteScheduleStorage],
    file: str,
    ask: Callable[[object], object],
) -> None:
    """Their migrations are not loaded again, and all queries go over one connection."""
    opened = [storage.from_config_value(None, {"base_dir": str(tmp_path)})]
    monkeypatch.setattr(getattr(dagster_internals, storage.__name__), "from_local", None)
    opened.append(storage.from_config_value(None, {"base_dir": str(tmp_path)}))
    connected = list[object]()
    db.event.listen(opened[0]._kept, "connect", lambda *_: connected.append(1))
    for each in opened * 3:
        assert list(ask(each)) == []  # type: ignore[call-overload]
    assert len(connected) == 1


@STORAGES
def test_another_file_in_its_place_is_opened_anew(
    tmp_path: Path,
    storage: type[SqliteRunStorage] | type[SqliteScheduleStorage],
    file: str,
    ask: Callable[[object], object],
) -> None:
    """As after somebody has deleted the records."""
    ask(storage.from_config_value(None, {"base_dir": str(tmp_path)}))
    for path in (tmp_path / file).parent.iterdir():
        path.unlink()
    again = storage.from_config_value(None, {"base_dir": str(tmp_path)})
    assert list(ask(again)) == []  # type: ignore[call-overload]
    assert (tmp_path / file).stat().st_size > 0


def test_what_a_run_has_written_is_seen_by_others(tmp_path: Path) -> None:
    """Dagster's own storage reads it, and the other way round."""
    ours = SqliteRunStorage.from_config_value(None, {"base_dir": str(tmp_path)})
    theirs = dagster_internals.SqliteRunStorage.from_local(str(tmp_path / "history"))
    for storage in (ours, theirs):
        storage.add_run(dg.DagsterRun(job_name="any"))
    assert len(ours.get_runs()) == len(theirs.get_runs()) == 2
