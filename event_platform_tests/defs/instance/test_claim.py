"""One Dagster instance for each environment: two in one hide each other's assets, so the second is refused."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform.doctor.examine import examine
from event_platform.doctor.finding import Finding, Verdict
from event_platform.events.errors import SettingError
from event_platform_tests.support.command import use, variables
from event_platform_tests.support.world import MONDAY, World, event

PROFILE = Path(__file__).parents[3] / ".dagster" / "dagster.yaml"
TWICE = """load_from:
  - python_module: {module_name: event_platform.definitions, location_name: staging}
  - python_module: {module_name: event_platform.definitions, location_name: prod}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME with the project's profile."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text(PROFILE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance that two environments are put into."""
    with dg.DagsterInstance.get() as opened:
        yield opened


@pytest.fixture
def staging(tmp_path: Path) -> World:
    """An environment."""
    return World(tmp_path / "staging", start_date=date(2025, 6, 1))


@pytest.fixture
def prod(tmp_path: Path) -> World:
    """Another."""
    return World(tmp_path / "prod", start_date=date(2025, 6, 1))


def tick(world: World, instance: dg.DagsterInstance, sensor: str = "landing_sensor") -> None:
    """Evaluate a sensor of an environment, with its resources, as its code location does."""
    definitions = world.definitions()
    resources = {name: dict(definitions.resources or {})[name] for name in ("landing", "lake")}
    with dg.build_sensor_context(instance, definitions=definitions, resources=resources) as context:
        definitions.resolve_sensor_def(sensor).evaluate_tick(context)


def of_home(world: World, home: Path) -> Finding:
    """Return what doctor says of the home of Dagster, in an environment."""
    findings = examine({**variables(world), "DAGSTER_HOME": str(home)})
    return next(each for each in findings if each.name == "dagster home")


def test_the_second_environment_of_an_instance_is_refused(
    staging: World, prod: World, instance: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sensors, runs and commands fail with a sentence that names both; the first environment continues."""
    tick(staging, instance)
    for sensor in ("landing_sensor", "changed_dates_sensor"):
        tick(staging, instance, sensor)
        with pytest.raises(dg.DagsterResourceFunctionError) as refused:
            tick(prod, instance, sensor)
        assert isinstance(refused.value.__cause__, SettingError)
        for named in (staging.environment.lake, prod.environment.lake, "one instance"):
            assert named in str(refused.value.__cause__)
    prod.deliver(MONDAY, "a", event("u1"))
    with pytest.raises(dg.DagsterResourceFunctionError):
        prod.materialize(MONDAY, instance=instance)
    assert prod.lake.names() == []
    use(monkeypatch, prod)
    ran = CliRunner().invoke(main, ["run"])
    assert (ran.exit_code, "one instance" in ran.output) == (2, True), ran.output
    assert of_home(prod, home).verdict is Verdict.BAD
    assert staging.environment.lake in of_home(prod, home).found
    assert of_home(staging, home).verdict is Verdict.GOOD


def test_who_takes_the_place_of_another_has_to_wait_a_little(
    staging: World, prod: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a lake moved, or a home is reused, no clean-up is necessary; runs leave no claim."""
    staging.deliver(MONDAY, "a", event("u1"))
    assert staging.materialize(MONDAY, instance=instance).success
    tick(prod, instance)
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("event_platform.defs.instance.claim.time", SimpleNamespace(time=lambda: clock.now))
    for seconds, refused in ((0, False), (200, False), (450, True), (501, False)):
        clock.now = 2e9 + seconds
        if seconds <= 200:
            tick(prod, instance)
        elif refused:
            with pytest.raises(dg.DagsterResourceFunctionError):
                tick(staging, instance)
        else:
            tick(staging, instance)
    with pytest.raises(dg.DagsterResourceFunctionError):
        tick(prod, instance)


@pytest.mark.parametrize("below", ["home", "here"])
def test_a_workspace_with_two_environments_is_bad(
    staging: World, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """Before anything has ticked; beside the code of others, one is well."""
    monkeypatch.chdir(tmp_path)
    workspace = (home if below == "home" else tmp_path) / "workspace.yaml"
    workspace.write_text("load_from:\n  - python_module: event_platform.definitions\n  - python_file: a.py\n")
    assert of_home(staging, home).verdict is Verdict.GOOD
    workspace.write_text(TWICE, encoding="utf-8")
    found = of_home(staging, home)
    assert found.verdict is Verdict.BAD
    assert "2 code locations of event_platform (staging, prod)" in found.found
    assert "one Dagster instance" in found.remedy
