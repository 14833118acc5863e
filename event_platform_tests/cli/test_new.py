"""`event-platform new`: what it makes works at the first try, with the platform's assets and those of the project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.local_servers import free_port
from event_platform.cli.main import main
from event_platform.defs.instance.dagster_yaml import missing_settings, read_dagster_yaml
from event_platform_tests.support.command import beside_python
from event_platform_tests.support.live import Live, end, until
from event_platform_tests.support.world import MONDAY, TUESDAY, event, ndjson

pytestmark = pytest.mark.xdist_group("new")
PLATFORM = {
    *("raw_events", "corrupt_events", "deduplicated_events", "duplicate_events", "unregistered_events"),
    "quality_report",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as it is made, with two days in its landing."""
    folder = tmp_path_factory.mktemp("new") / "my-events"
    result = CliRunner().invoke(main, ["new", str(folder)])
    assert result.exit_code == 0, result.output
    assert f"cd {folder}" in result.output
    for day, uuids in ((MONDAY, ["1", "2"]), (TUESDAY, ["3"])):
        landed = folder / "data" / "landing" / f"{day:%Y/%m/%d}" / "12" / "a"
        landed.parent.mkdir(parents=True)
        landed.write_bytes(ndjson(*(event(uuid, day) for uuid in uuids)))
    return folder


def call(project: Path, *command: str | Path) -> str:
    """Run a program of this environment in the project, as it is set up there, and return what it printed."""
    program, *arguments = command
    process = subprocess.run(
        [beside_python(str(program)), *arguments],
        cwd=project,
        env={**os.environ, "DAGSTER_HOME": str(project / ".dagster")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_the_tests_of_a_new_project_pass(project: Path) -> None:
    """All of them, and nothing is skipped."""
    assert "2 passed" in call(project, "python", "-m", "pytest", "-p", "no:cacheprovider")


def test_dagster_loads_a_new_project(project: Path) -> None:
    """By either of its programs."""
    assert "All definitions loaded successfully" in call(project, "dg", "check", "defs")
    call(project, "dagster", "definitions", "validate", "-w", "workspace.yaml")


def test_a_new_project_has_the_settings_that_the_platform_needs(project: Path) -> None:
    """None is missing; catalog and lake are its own."""
    assert missing_settings(read_dagster_yaml(str(project / ".dagster"))) == []
    call(project, "event-platform", "catalog", "check")
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 12


def test_run_builds_the_example_asset(project: Path) -> None:
    """With the platform's, from what landed; nothing is due then."""
    assert "balanced: nothing is lost" in call(project, "event-platform", "run")
    rows = call(project, "event-platform", "query", "--csv", "select * from events_by_name order by created_date")
    assert rows.splitlines() == [
        "created_date,event_name,events",
        f"{MONDAY},account:created,2",
        f"{TUESDAY},account:created,1",
    ]
    assert "balanced: nothing is lost" in call(project, "event-platform", "status")


def test_make_dev_opens_the_ui_at_the_first_try(project: Path) -> None:
    """With the assets of both, and none of the sample's: `.env` names the catalog."""
    home, port = project / ".dagster", free_port()
    instance = Live(home, {}, port)
    with (home / "make.log").open("wb") as log:
        instance.started["make"] = subprocess.Popen(
            ["make", "dev", f"PYTHON={sys.executable}", f"PORT={port}"],
            cwd=project,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until(instance.is_serving, "make dev serves", instance, pause=1)
        nodes = instance.ask("{ assetNodes { assetKey { path } } }")
        assert {"/".join(node["assetKey"]["path"]) for node in nodes} == {*PLATFORM, "events_by_name"}
    finally:
        end(instance)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("full", "is not an empty folder"),
        ("file", "is not an empty folder"),
        ("event-platform", "there is a package event_platform already"),
        ("tests", "there is a package tests already"),
        ("polars", "there is a package polars already"),
        ("1st", "expected a name of letters, digits, - and _ that begins with a letter"),
        ("schön", "expected a name of letters"),
    ],
)
def test_a_folder_that_cannot_become_a_project_is_refused(tmp_path: Path, name: str, expected: str) -> None:
    """Nothing is written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(main, ["new", str(tmp_path / name)])
    assert result.exit_code == 2
    assert expected in " ".join(result.output.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_becomes_a_project(tmp_path: Path) -> None:
    """With every file of the project in it."""
    (tmp_path / "mine").mkdir()
    assert CliRunner().invoke(main, ["new", str(tmp_path / "mine")]).exit_code == 0
    files = {str(path.relative_to(tmp_path / "mine")) for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    assert files == {
        *(".env", ".gitignore", "Makefile", "README.md", "pyproject.toml", "workspace.yaml"),
        *(".dagster/dagster.yaml", "catalog/envelope.yaml"),
        *("mine/__init__.py", "mine/assets.py", "mine/definitions.py", "tests/test_assets.py"),
    }
