"""What every test of alerts has: a world with an owner, Dagster, and a web hook to be told by."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from event_platform_tests.support.mail import Hook, web_hook
from event_platform_tests.support.world import SCHEMAS, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A team owns one of the event types."""
    return owned_world(tmp_path)


def owned_world(root: Path) -> World:
    """Return a world in which a team owns one of the event types."""
    return World(root, {**SCHEMAS, "lesson_started": {**SCHEMAS["lesson_started"], "x-owner": "team:learning"}})


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web hook that takes everything."""
    with web_hook() as hook:
        yield hook


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Dagster, with nothing recorded."""
    return dg.DagsterInstance.ephemeral()
