"""Worlds for the tests of the command line."""

import shutil

import pytest

from event_platform_tests.cli.calling import deliver_two_days
from event_platform_tests.support.command import build_by_run
from event_platform_tests.support.world import World


@pytest.fixture
def home(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that the environment variables name."""
    settings = world.environment
    monkeypatch.setenv("EVENT_PLATFORM_LANDING", settings.landing)
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", settings.lake)
    monkeypatch.setenv("EVENT_PLATFORM_CATALOG", str(settings.catalog))
    return world


@pytest.fixture
def landed(home: World) -> World:
    """Two days of everything."""
    return deliver_two_days(home)


@pytest.fixture(scope="package")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same, built by `run`; tests take copies of it."""
    return build_by_run(deliver_two_days(World(tmp_path_factory.mktemp("built"))))


@pytest.fixture
def built(home: World, built_once: World) -> World:
    """The same, built by `run`."""
    shutil.copytree(built_once.root, home.root, dirs_exist_ok=True)
    return home
