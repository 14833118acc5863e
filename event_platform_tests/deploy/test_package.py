"""The wheel by itself: installed into an empty environment, without this repository beside it, everything works."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from event_platform_tests.support.command import beside_python
from event_platform_tests.support.live import PROJECT

pytestmark = pytest.mark.xdist_group("package")
FIRST, LAST = "2025-06-01", "2025-06-02"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: what an earlier build has left here is no part of it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(PROJECT / "event_platform", source / "event_platform", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment of Python 3.13 that has the package, with the versions of the lock file."""
    folder = tmp_path_factory.mktemp("environment")
    call(python_313() or sys.executable, "-m", "venv", folder, cwd=folder)
    what: list[str | Path] = ["-q", "-c", PROJECT / "requirements.lock", wheel]
    uv, python = beside_python("uv"), folder / "bin" / "python"
    try:  # as the Makefile does: uv takes seconds, and pip is there where uv cannot reach the index
        call(uv, "pip", "install", "--python", python, *what, cwd=folder)
    except (AssertionError, OSError):
        call(python, "-m", "pip", "install", *what, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def project(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with two days of sample events in its landing."""
    folder = tmp_path_factory.mktemp("package")
    call(installed / "event-platform", "new", "my_events", cwd=folder)
    options = ["--events", "300", "--days", "2", "--from", FIRST]
    call(installed / "event-platform", "generate", *options, cwd=folder / "my_events")
    return folder / "my_events"


def call(*command: str | Path, cwd: Path) -> str:
    """Run a program with the cache of this user's uv, and return what it printed. Raises AssertionError if it fails."""
    cache = os.environ.get("UV_CACHE_DIR") or str(Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "uv")
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "UV_CACHE_DIR": cache, "DAGSTER_HOME": str(cwd / ".dagster")},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def python_313() -> str | None:
    """Return a Python 3.13 of this machine, on the PATH or among those of pyenv; None where there is none."""
    return next((candidate for candidate in _candidates() if _is_313(candidate)), None)


def _candidates() -> Iterator[str]:
    found = shutil.which("python3.13")
    if found:
        yield found
        yield from map(str, sorted(Path(found).parents[1].glob("versions/3.13.*/bin/python")))  # where it is a shim


def _is_313(python: str) -> bool:
    asked = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
    )
    return asked.stdout.split() == ["3", "13"]


def test_the_metadata_of_the_wheel_are_sound(wheel: Path) -> None:
    """An index would take it, and could show its README."""
    assert "PASSED" in call(beside_python("twine"), "check", "--strict", wheel, cwd=wheel.parent)


def test_there_is_a_python_3_13_to_install_it_into() -> None:
    """Where there is none, the other tests are of the version that they run in."""
    if python_313() is None:
        pytest.skip(f"no Python 3.13 on this machine: the wheel is installed into {sys.version.split()[0]}")


def test_it_is_installed_with_all_that_it_needs(installed: Path) -> None:
    """In versions that its dependencies allow, and with the sample's catalog; nothing is taken from this repository."""
    call(installed / "python", "-m", "pip", "check", cwd=installed)
    where = call(installed / "python", "-c", "import event_platform; print(event_platform.__file__)", cwd=installed)
    assert Path(where.strip()).is_relative_to(installed.parent)
    call(installed / "event-platform", "catalog", "check", cwd=installed)


def test_a_project_around_it_runs_and_its_books_balance(installed: Path, project: Path) -> None:
    """And the example asset of the project counts every event."""
    call(installed / "event-platform", "run", cwd=project)
    status = json.loads(call(installed / "event-platform", "status", "--json", cwd=project))
    assert (status["balanced"], status["completeness"]["complete"]) == (True, True)
    sql = "select sum(events) n from events_by_name"
    assert json.loads(call(installed / "event-platform", "query", "--json", sql, cwd=project)) == [{"n": 300}]


def test_a_backfill_of_a_range_builds_the_tables_again(installed: Path, project: Path) -> None:
    """By Dagster's own command line, from nothing, and with the catalog that `.env` names: it has no event type."""
    shutil.rmtree(project / "data" / "lake", ignore_errors=True)
    which = ["-m", "my_events.definitions", "--select", "*", "--partition-range", f"{FIRST}...{LAST}"]
    call(installed / "dagster", "asset", "materialize", *which, cwd=project)
    status = json.loads(call(installed / "event-platform", "status", "--json", cwd=project))
    assert status["balanced"]
    assert not (project / "data" / "lake" / "events").exists()
    sql = "select sum(events) > 250 enough from events_by_name"  # late ones are of days before
    assert json.loads(call(installed / "event-platform", "query", "--json", sql, cwd=project)) == [{"enough": True}]
