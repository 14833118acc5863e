"""Settings, the catalog, where Dagster is at home, and versions."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from event_platform.defs.instance.dagster_yaml import EXAMPLE
from event_platform.doctor import settings as module
from event_platform.doctor.finding import Finding, Verdict, bad
from event_platform.doctor.machine import check_disk, check_memory, memory_of_this_machine
from event_platform.doctor.settings import (
    check_alert_addresses,
    check_catalog,
    check_dagster_home,
    check_settings,
    check_versions,
    read_settings,
)
from event_platform.environment import load_environment
from event_platform_tests.support.world import World, write_catalog

SOUND = {
    "EVENT_PLATFORM_ENV": "prod",
    "EVENT_PLATFORM_LANDING": "s3://b/landing",
    "EVENT_PLATFORM_LAKE": "s3://b/lake",
    "EVENT_PLATFORM_CATALOG": "/catalog",
    "EVENT_PLATFORM_START_DATE": "2025-06-01",
}


def settings_found(**changed: str) -> list[Finding]:
    """Return what is found of sound settings but for some."""
    variables = {**SOUND, **{f"EVENT_PLATFORM_{name}": value for name, value in changed.items()}}
    return check_settings(read_settings(variables), variables)


def test_sound_settings_are_one_line() -> None:
    """With what matters of them."""
    (finding,) = settings_found()
    assert finding.verdict is Verdict.GOOD
    assert finding.found == "prod: landing s3://b/landing, lake s3://b/lake, from 2025-06-01, compute local"


def test_every_wrong_setting_is_told_in_one_go() -> None:
    """Not only the first, and each with what was expected; what only looks like a setting, too."""
    findings = settings_found(
        ENV="production", LAKE="", START_DATE="soon", COMPUTE="dask", DAYS_PER_RUN="0", LANDNG="/x", UI_URL="me"
    )
    message = "\n".join(finding.found for finding in findings)
    assert {finding.verdict for finding in findings} == {Verdict.BAD}
    for expected in (
        "EVENT_PLATFORM_ENV: 'production' is not one of local, dev, staging, prod",
        "EVENT_PLATFORM_START_DATE: 'soon' is not a date (YYYY-MM-DD)",
        "EVENT_PLATFORM_COMPUTE: 'dask': expected local",
        "EVENT_PLATFORM_DAYS_PER_RUN: '0' is not a number of days",
        "EVENT_PLATFORM_LANDNG: not a setting of the platform",
        "EVENT_PLATFORM_UI_URL: not the address of a page",
    ):
        assert expected in message
    assert [finding.remedy for finding in findings if "LANDNG" in finding.found] == [
        "did you mean EVENT_PLATFORM_LANDING?"
    ]


def test_what_is_not_set_elsewhere_is_told() -> None:
    """Only the local environment has defaults."""
    message = {each.found.partition(":")[0] for each in settings_found(LANDING="", LAKE="", CATALOG="", START_DATE="")}
    assert message == {f"EVENT_PLATFORM_{name}" for name in ("LANDING", "LAKE", "CATALOG", "START_DATE")}


def test_a_catalog_is_loaded(world: World) -> None:
    """Its first fault is shown, with how to see all; names that clash are faults."""
    settings = read_settings({"EVENT_PLATFORM_CATALOG": str(world.root / "catalog")})
    assert check_catalog(settings).found.startswith("3 event types in ")
    clashing = {"a": {"title": "a:b", "properties": {}}, "b": {"title": "a_b", "properties": {}}}
    write_catalog(world.root / "catalog", {**clashing, "c": {"title": "a\n"}})
    finding = check_catalog(settings)
    assert finding.verdict is Verdict.BAD
    assert "title: 'a_b' has the same table as 'a:b'" in finding.found
    assert finding.found.endswith("and 1 more")
    assert check_catalog(read_settings({"EVENT_PLATFORM_CATALOG": str(world.root / "no")})).verdict is Verdict.BAD


def test_dagster_has_a_home_that_it_can_write_to(tmp_path: Path) -> None:
    """With its settings; an unset home is no fault."""
    assert check_dagster_home(None).verdict is Verdict.LEFT_OUT
    assert "not a folder" in check_dagster_home(str(tmp_path / "nowhere")).found
    assert "no dagster.yaml" in check_dagster_home(str(tmp_path)).found
    shutil.copy(EXAMPLE, tmp_path / "dagster.yaml")
    assert check_dagster_home(str(tmp_path)).verdict is Verdict.GOOD
    (tmp_path / "dagster.yaml").write_text("telemetry: {\n", encoding="utf-8")
    assert check_dagster_home(str(tmp_path)).verdict is Verdict.BAD


def test_alert_addresses_are_looked_at_and_not_shown() -> None:
    """A wrong one is reported by its number."""
    good = load_environment({"EVENT_PLATFORM_ALERT_URLS": "error=json://user:pAsSwOrD@127.0.0.1/x"})
    assert check_alert_addresses(good).verdict is Verdict.GOOD
    wrong = check_alert_addresses(replace(good, alert_urls=(*good.alert_urls, "nothing://pAsSwOrD")))
    assert (wrong.verdict, "entry 2 (nothing://…) cannot be used" in wrong.found) == (Verdict.BAD, True)
    only = check_alert_addresses(replace(good, alert_urls=("nothing://pAsSwOrD",)))
    assert (only.verdict, "entry 1" in only.found) == (Verdict.BAD, True)
    assert "pAsSwOrD" not in f"{wrong}{only}"
    assert check_alert_addresses(load_environment({})).verdict is Verdict.LEFT_OUT


def test_versions_are_those_that_were_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library, or none, is told with what was expected."""
    assert check_versions().verdict is Verdict.GOOD
    monkeypatch.setattr(module, "requires", lambda _: ["polars<2,>=1", "no-such-library>=1", "dask>9999; extra == 'x'"])
    finding = check_versions()
    assert finding == bad("versions", finding.found, "install the versions of requirements.lock")
    assert "polars 2" in finding.found
    assert "no-such-library: not installed" in finding.found
    assert "dask" not in finding.found


def test_a_pool_fits_into_memory_and_there_is_room_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the measured figures; on a cluster the memory here does not matter."""
    here = replace(load_environment({}), lake=str(tmp_path / "lake"))
    assert check_memory(here, 2.3, 2).verdict is Verdict.GOOD
    assert check_memory(here, 2.1, 2).found == "2.1 GB for 2 workers, which need up to 2.2 GB"
    assert check_memory(here, 2.1, 2).verdict is Verdict.BAD
    assert check_memory(replace(here, compute="tcp://scheduler:8786"), 0.1, 9).verdict is Verdict.LEFT_OUT
    assert (memory_of_this_machine() or 1) > 0.1
    assert check_disk(here).verdict is Verdict.GOOD
    monkeypatch.setattr("event_platform.doctor.machine._FREE", 1e9)
    assert "GB free at" in check_disk(here).found
    assert check_disk(here).verdict is Verdict.BAD
