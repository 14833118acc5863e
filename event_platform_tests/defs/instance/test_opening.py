"""Dagster's records are opened by one process at a time, and where they cannot be, a sentence says what to do."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import product
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from event_platform.cli.main import main
from event_platform.defs.instance.home import RecordsError
from event_platform.defs.instance.opening import alone_in, is_broken, open_instance
from event_platform.defs.instance.sqlite_event_log import SqliteEventLog
from event_platform.doctor.examine import examine
from event_platform.doctor.finding import Finding, Verdict
from event_platform_tests.support.world import MONDAY, World, event

PROFILE = Path(__file__).parents[3] / ".dagster" / "dagster.yaml"
LAKE = "/lake"
RUNS, SCHEDULES, EVENTS = "history/runs.db", "schedules/schedules.db", "event_log.db"

#: Opens each home that it is told of, in the way that it is told: that of `event-platform run`, or of `dagster dev`.
OPENER = """
import os, sys
import dagster as dg
from event_platform.defs.instance.opening import open_instance
print("ready", flush=True)
for way, home in map(str.split, sys.stdin):
    os.environ["DAGSTER_HOME"] = home
    try:
        with open_instance(home, "lake") if way == "run" else dg.DagsterInstance.get() as instance:
            instance.get_runs(limit=1), instance.get_asset_keys(limit=1), instance.all_instigator_state()
        print("opened", flush=True)
    except Exception as error:
        print(" ".join(f"{type(error).__name__}: {error}".split()), flush=True)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME with the project's profile, in which nothing is recorded yet."""
    folder = made(tmp_path / "dagster")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


@pytest.fixture
def opened(home: Path) -> Path:
    """One that was opened before."""
    open_instance(str(home), LAKE).dispose()
    return home


def made(folder: Path) -> Path:
    """Make a home with the project's profile."""
    folder.mkdir()
    shutil.copy(PROFILE, folder / "dagster.yaml")
    return folder


@contextmanager
def opener() -> Iterator[subprocess.Popen[str]]:
    """Run a process that opens homes, once it is ready to."""
    environment = {**os.environ, "DAGSTER_DISABLE_TELEMETRY": "yes"}
    command = [sys.executable, "-c", OPENER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def with_two_heads(database: Path) -> None:
    """Leave a database as two processes do that made its tables at once."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("insert into alembic_version values ('5771160a95ad')")


def garbled(database: Path) -> None:
    """Leave no database in the file."""
    database.write_bytes(b"no database" * 1000)


def found_by_doctor(home: Path) -> Finding:
    """Return what doctor says of the home of Dagster."""
    (found,) = [each for each in examine({"DAGSTER_HOME": str(home)}) if each.name == "dagster home"]
    return found


def command(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """Call a command in a world."""
    for name in ("landing", "lake", "catalog"):
        monkeypatch.setenv(f"EVENT_PLATFORM_{name.upper()}", str(world.root / name))
    return CliRunner().invoke(main, arguments)


def test_processes_that_open_an_empty_home_at_once_all_can(tmp_path: Path) -> None:
    """Commands, and with the project's profile the processes of `dagster dev` beside them; afterwards it is sound."""
    ways = {"profile": ["run", "run", "dev"], "default": ["run", "run", "run"]}
    with ExitStack() as stack:
        processes = [stack.enter_context(opener()) for _ in range(3)]
        for kind, number in product(ways, range(6)):
            home = tmp_path / f"{kind}{number}"
            made(home) if kind == "profile" else home.mkdir()
            for way, process in zip(ways[kind], processes, strict=True):
                print(way, home, file=process.stdin, flush=True)
            answers = [process.stdout.readline().strip() for process in processes if process.stdout is not None]
            assert answers == ["opened"] * 3, kind
            with closing(sqlite3.connect(home / RUNS)) as connection:
                assert len(connection.execute("select * from alembic_version").fetchall()) == 1


def test_the_lock_is_given_back_and_may_be_asked_for_again(tmp_path: Path) -> None:
    """Whoever opens an instance holds it, and each of its storages asks for it; the next process gets it."""
    with alone_in(tmp_path), alone_in(tmp_path):
        pass
    code = (
        "import sys, pathlib, event_platform.defs.instance.opening as i\n"
        "with i.alone_in(pathlib.Path(sys.argv[1])): pass"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)


def test_an_event_log_whose_maker_was_killed_gets_its_tables(home: Path) -> None:
    """The file is there, and none, or not all, of its tables."""
    (home / EVENTS).touch()
    for lost in ("asset_keys", "secondary_indexes"):
        log = SqliteEventLog(str(home))
        assert not log.has_asset_key(dg.AssetKey("a"))
        log.dispose()
        with closing(sqlite3.connect(home / EVENTS)) as connection, connection:
            connection.execute(f"drop table {lost}")
    assert not SqliteEventLog(str(home)).has_asset_key(dg.AssetKey("a"))


@pytest.mark.parametrize("broken", [with_two_heads, garbled], ids=["two-heads", "garbled"])
@pytest.mark.parametrize("file", [RUNS, SCHEDULES])
def test_a_home_that_cannot_be_opened_is_reported_and_heals_as_told(
    world: World, opened: Path, monkeypatch: pytest.MonkeyPatch, broken: Callable[[Path], None], file: str
) -> None:
    """By `doctor`, `run` and `replay`: which file to delete, and what is lost; then all is well again."""
    broken(opened / file)
    found = found_by_doctor(opened)
    assert found.verdict is Verdict.BAD
    assert f"delete {opened / file}" in found.remedy
    assert "none of the tables" in found.remedy
    world.deliver(MONDAY, "a", event("u1"))
    for arguments in (["run"], ["replay", "--from", "2025-06-02", "--to", "2025-06-02"]):
        result = command(world, monkeypatch, *arguments)
        assert (result.exit_code, f"delete {opened / file}" in result.output) == (2, True), result.output
        assert "Traceback" not in result.output
    for path in (opened / file).parent.glob(f"{Path(file).name}*"):
        path.unlink()
    assert found_by_doctor(opened) == Finding("dagster home", Verdict.GOOD, str(opened))


def test_an_event_log_that_is_none_is_reported(opened: Path) -> None:
    """It is looked into when the records are opened, not when the first event comes."""
    garbled(opened / EVENTS)
    with pytest.raises(RecordsError, match=f"delete {opened / EVENTS}"):
        open_instance(str(opened), LAKE)


def test_a_database_that_is_locked_is_not_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process writes to it: nobody is told to delete it."""
    file = tmp_path / "runs.db"
    monkeypatch.setattr("sqlite3.connect", partial(sqlite3.connect, timeout=0))
    with closing(sqlite3.connect(file)) as other:
        other.executescript("create table alembic_version (v); begin exclusive")
        assert not is_broken(file)
    garbled(file)
    assert is_broken(file)


def as_a_file(home: Path) -> Path:
    """A file in the place of a folder that Dagster makes: it can make none there, whoever it is."""
    (home / "history").write_text("", encoding="utf-8")
    return home


def as_misspelt(home: Path) -> Path:
    """A profile with a key that there is not."""
    text = PROFILE.read_text(encoding="utf-8").replace("enabled: false", "enabledd: false")
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    return home


def as_unknown(home: Path) -> Path:
    """A profile with a class that there is not."""
    text = PROFILE.read_text(encoding="utf-8").replace("SqliteEventLog", "NoSuchLog")
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    return home


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda home: home / "nowhere", "folder"),
        (lambda home: home / "dagster.yaml", "folder"),
        (lambda _: Path("relative"), "folder"),
        (as_a_file, "read and write the folder"),
        (as_misspelt, "enabledd"),
        (as_unknown, "NoSuchLog"),
    ],
    ids=["missing", "a-file", "relative", "unwritable", "misspelt", "unknown-class"],
)
def test_a_home_that_is_none_is_a_sentence(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], Path], expected: str
) -> None:
    """With a remedy, and exit code 2, for `run` and `replay`; `doctor` names it as well."""
    monkeypatch.setenv("DAGSTER_HOME", str(spoil(home)))
    world.deliver(MONDAY, "a", event("u1"))
    for arguments in (["run"], ["replay", "--from", "2025-06-02", "--to", "2025-06-02"]):
        result = command(world, monkeypatch, *arguments)
        assert (result.exit_code, expected in result.output) == (2, True), result.output
        assert "DAGSTER_HOME: " in result.output
        assert "Traceback" not in result.output
    found = found_by_doctor(Path(os.environ["DAGSTER_HOME"]))
    assert found.verdict is Verdict.BAD
    assert expected in found.found + found.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", ["", "history", RUNS, EVENTS])
def test_a_home_of_somebody_else_is_a_sentence(opened: Path, name: str) -> None:
    """The folder, one in it, or a database that another user made there."""
    path = opened / name
    before = path.stat().st_mode
    path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with pytest.raises(RecordsError, match="read and write the folder"):
            open_instance(str(opened), LAKE)
    finally:
        path.chmod(before)


def test_without_a_home_runs_leave_no_record() -> None:
    """That is no fault."""
    with open_instance(None, LAKE) as instance:
        assert instance.is_ephemeral
    assert isinstance(instance, dg.DagsterInstance)


def test_a_run_without_records_looks_for_no_observation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster does for each asset that another one is made of, and there is none."""

    @dg.asset
    def source() -> None:
        """Make nothing."""

    @dg.asset(deps=[source])
    def derived() -> None:
        """Make nothing."""

    instance = open_instance(None, "lake")
    monkeypatch.setattr(instance, "fetch_observations", None)
    assert dg.materialize([source, derived], instance=instance, raise_on_error=False).success
