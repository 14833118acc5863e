"""`event-platform run` in a project of somebody's own builds its assets; elsewhere, the platform's alone."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform.cli.project import load_project
from event_platform_tests.support.command import use
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.world import MONDAY, World, event

WITH_ASSETS = """
import dagster as dg
import polars as pl
from event_platform.definitions import build_definitions

@dg.asset(ins={"events": dg.AssetIn("deduplicated_events")})
def total(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.select(n=pl.len().cast(pl.Int64))

@dg.asset
def doubled(total: pl.LazyFrame) -> pl.LazyFrame:
    return total.select(pl.col("n") * 2)

defs = dg.Definitions.merge(build_definitions(), dg.Definitions(assets=[total, doubled]))
"""
WITH_RULES = """
import dagster as dg
from event_platform.definitions import build_definitions
from event_platform.defs.resources.platform import RulesResource

platform = build_definitions()
rules = RulesResource(corruption_error_above=0.75)
defs = dg.Definitions(
    assets=platform.assets, asset_checks=platform.asset_checks, resources={**platform.resources, "rules": rules}
)
"""
WITHOUT_PLATFORM = "import dagster as dg\ndefs = dg.Definitions()\n"


@pytest.fixture
def make_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """A function that writes a project, by the name of its package, and makes its folder the working folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def make(package: str, definitions: str) -> Path:
        folder = tmp_path / "project"
        (folder / package).mkdir(parents=True)
        (folder / package / "definitions.py").write_text(definitions, encoding="utf-8")
        settings = f'[tool.dg.project]\nroot_module = "{package}"\n'
        (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
        monkeypatch.chdir(folder)
        return folder

    return make


def test_run_builds_the_assets_of_the_project_that_it_is_started_in(
    world: World, make_project: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Including unpartitioned ones, in topological order; afterwards nothing is due."""
    use(monkeypatch, world)
    make_project("project_with_totals", WITH_ASSETS)
    world.deliver(MONDAY, "a", event("1"), event("2"))
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 0, result.output
    assert "balanced: nothing is lost" in result.output
    for name, expected in (("total", 2), ("doubled", 4)):
        assert world.lake.scan(name).collect().rows() == [(expected,)]


def test_status_judges_by_the_rules_of_the_project_that_it_is_started_in(
    world: World, make_project: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the checks of its runs do."""
    use(monkeypatch, world)
    world.deliver(MONDAY, "a", event("1"), "{broken")
    world.build(MONDAY)
    assert "ERROR raw_events, corruption_rate" in CliRunner().invoke(main, ["status"]).stdout
    make_project("project_with_rules", WITH_RULES)
    assert "WARN raw_events, corruption_rate" in CliRunner().invoke(main, ["status"]).stdout


def test_a_folder_without_definitions_of_the_platform_is_no_project(
    tmp_path: Path, make_project: Callable[[str, str], Path]
) -> None:
    """No pyproject.toml, another project of Dagster, or this package itself."""
    assert load_project(tmp_path) is None
    assert load_project(make_project("project_of_others", WITHOUT_PLATFORM)) is None
    assert load_project(PROJECT) is None


def test_settings_are_read_from_a_file_in_the_working_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set already comes first."""
    lines = [f"EVENT_PLATFORM_LANDING={world.root}/nowhere", "EVENT_PLATFORM_START_DATE=soon"]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENT_PLATFORM_LANDING", str(world.root / "landing"))
    monkeypatch.setenv("EVENT_PLATFORM_START_DATE", "")  # so that what is read is undone after this test
    monkeypatch.delenv("EVENT_PLATFORM_START_DATE")
    result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 2
    assert "EVENT_PLATFORM_START_DATE: 'soon'" in result.output
