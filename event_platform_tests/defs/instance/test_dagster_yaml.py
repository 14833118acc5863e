"""Settings that dagster.yaml lacks, and modules that it names by their old names, are said with what to do."""

import logging
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform.definitions import build_definitions
from event_platform.defs.instance.dagster_yaml import (
    EXAMPLE,
    MOVED_MODULES,
    REQUIRED_SETTINGS,
    missing_settings,
    replacements,
    warn_of_missing_settings,
)
from event_platform.defs.instance.home import supply_dagster_yaml
from event_platform.doctor.finding import Verdict
from event_platform.doctor.settings import check_dagster_home
from event_platform_tests.support.command import use
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.world import MONDAY, World, event

KEYS = [setting.key for setting in REQUIRED_SETTINGS]


def profile() -> Any:
    """Return what the example says."""
    return yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DAGSTER_HOME without a dagster.yaml, and a process that has warned of nothing yet."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    warn_of_missing_settings.cache_clear()
    return tmp_path


@pytest.mark.parametrize("path", [".dagster", "deploy/postgres", "deploy/aws"])
def test_every_profile_of_the_project_has_all_settings(path: str) -> None:
    """In SQLite, in PostgreSQL, and on ECS, whose launcher asks for itself whether a run lives."""
    assert missing_settings(yaml.safe_load((PROJECT / path / "dagster.yaml").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_that_is_missing_is_named_alone(key: str) -> None:
    """Whichever it is; an empty file lacks all of them."""
    settings = profile()
    *sections, last = key.split(".")
    section = settings
    for name in sections:
        section = section[name]
    del section[last]
    assert [each.key for each in missing_settings(settings)] == [key]
    assert [each.key for each in missing_settings({})] == KEYS


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"concurrency": {"pools": {"granularity": "op", "default_limit": 2}}}, KEYS[3:5]),
        ({"run_launcher": {"module": "dagster", "class": "DefaultRunLauncher"}}, ["run_launcher"]),
        ({"run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher"}}, []),
        ({"run_storage": {"module": "dagster._core.storage.runs", "class": "SqliteRunStorage"}}, ["run_storage"]),
        ({"event_log_storage": {"module": "dagster_postgres.event_log", "class": "X"}}, ["event_log_storage"]),
        ({"concurrency": None, "run_monitoring": [], "run_retries": "no"}, [*KEYS[3:5], *KEYS[6:]]),
    ],
)
def test_another_value_is_as_good_as_none(changed: dict[str, Any], missing: list[str]) -> None:
    """But a launcher of somebody else may well find out which runs are dead."""
    assert [each.key for each in missing_settings({**profile(), **changed})] == missing


def test_one_section_for_all_storages_is_read() -> None:
    """PostgreSQL in Dagster's own classes is opened by many at once; only the event log is slower."""
    settings = {key: value for key, value in profile().items() if not key.endswith("_storage")}
    assert [each.key for each in missing_settings({**settings, "storage": {"postgres": {}}})] == ["event_log_storage"]
    assert [each.key for each in missing_settings({**settings, "storage": {"sqlite": {}}})] == KEYS[:3]


def test_the_code_location_warns_once_and_doctor_says_the_same(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every setting that is missing, and where a file is that has them."""
    (home / "dagster.yaml").write_text("run_monitoring: {enabled: true}\n", encoding="utf-8")
    missing = missing_settings({"run_monitoring": {"enabled": True}})
    for _ in range(2):
        build_definitions()
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "event_platform"]
    found = check_dagster_home(str(home))
    assert found.verdict is Verdict.BAD
    assert len(missing) == len(KEYS) - 1
    for each in missing:
        assert str(each) in warning
        assert str(each) in found.found
    assert str(EXAMPLE) in warning
    assert str(EXAMPLE) in found.remedy
    assert "run_monitoring.enabled" not in warning


def test_the_code_location_warns_without_a_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And says nothing where the example is in it, nor for an environment that is given."""
    monkeypatch.delenv("DAGSTER_HOME")
    build_definitions()
    assert "DAGSTER_HOME is not set" in caplog.text
    caplog.clear()
    (home / "dagster.yaml").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    build_definitions()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("old", MOVED_MODULES)
def test_a_module_that_has_moved_is_told_in_one_sentence(home: Path, old: str) -> None:
    """By the commands that open the records, and by doctor, also beside another that has moved."""
    text = EXAMPLE.read_text(encoding="utf-8").replace(MOVED_MODULES[old], old)
    if old not in text:  # the profile for PostgreSQL names it
        text = (PROJECT / "deploy/postgres/dagster.yaml").read_text(encoding="utf-8").replace(MOVED_MODULES[old], old)
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    expected = f"replace {old} by {MOVED_MODULES[old]}"
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 2
    assert f"dagster.yaml names modules that have moved; {expected}" in " ".join(result.output.split())
    assert check_dagster_home(str(home)).remedy == expected


def test_all_modules_that_have_moved_are_named_together() -> None:
    """Nobody corrects a file four times."""
    settings = deepcopy(profile())
    settings["run_launcher"]["module"] = "event_platform.operations.launcher"
    settings["event_log_storage"]["module"] = "event_platform.event_log"
    assert replacements(settings) == (
        "replace event_platform.event_log by event_platform.defs.instance.sqlite_event_log, "
        "and event_platform.operations.launcher by event_platform.defs.instance.launcher"
    )
    assert replacements(profile()) is None


def test_a_run_writes_the_file_to_an_empty_home_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's own storages take nine times the CPU. What is in a home already, somebody has chosen."""
    use(monkeypatch, world)
    (home := tmp_path / "home").mkdir()
    (other := tmp_path / "other").mkdir()
    (other / "notes.txt").touch()
    for folder, written in ((home, True), (home, False), (other, False)):
        world.deliver(MONDAY, f"{folder.name}{written}", event(f"{folder}{written}"))
        monkeypatch.setenv("DAGSTER_HOME", f"{folder}")
        result = CliRunner().invoke(main, ["run"])
        assert result.exit_code == 0, result.output
        assert ("wrote the platform's dagster.yaml" in result.stderr) is written
    assert (home / "dagster.yaml").read_bytes() == EXAMPLE.read_bytes()
    assert (home / "event_log.db").is_file()
    assert not (other / "dagster.yaml").exists()


def test_of_processes_that_find_a_home_empty_one_writes(tmp_path: Path) -> None:
    """None sees a part of the file."""
    with ThreadPoolExecutor(4) as threads:
        written = [*threads.map(supply_dagster_yaml, [f"{tmp_path}"] * 4)]
    assert sum(written) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["dagster.yaml"]


def test_a_home_that_cannot_be_written_is_left_to_be_reported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`open_instance` says so, where its storages have to be written."""
    monkeypatch.setattr("os.access", lambda *_arguments: False)
    assert not supply_dagster_yaml(f"{home}")
