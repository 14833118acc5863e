"""A REST catalog that does not answer is given up."""

import socket

import pytest

from event_platform.publishing.iceberg import Outcome, open_iceberg, rest
from event_platform_tests.support.world import World


def test_a_catalog_that_does_not_answer_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and says nothing; with or without a credential, which is exchanged for a token first."""
    monkeypatch.setattr(rest, "PATIENCE", (5.0, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        for more in ("", " credential=made:up"):
            catalog = open_iceberg(f"rest uri={uri}{more}", world.lake.storage)
            (publication,) = catalog.publish([world.lake.raw_events])
            assert publication.outcome is Outcome.FAILED
            assert "Read timed out" in publication.reason
            assert "made:up" not in publication.reason
