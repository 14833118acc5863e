"""What every test of requests has: a stream that began three weeks ago, and Dagster."""

from datetime import date, timedelta

import dagster as dg
import pytest

from event_platform_tests.support.world import World


@pytest.fixture
def world(world: World, today: date) -> World:
    """A stream that began three weeks ago."""
    world.start_date = today - timedelta(days=21)
    return world


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Dagster, with nothing recorded."""
    return dg.DagsterInstance.ephemeral()
