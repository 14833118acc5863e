"""What every test has: no settings of the machine it runs on, and a world of its own."""

import gc
import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from dagster._core.storage import event_log, runs
from hypothesis import HealthCheck, settings

from event_platform.pipeline.reporting import overview
from event_platform_tests.support.ceph import Ceph, ceph, missing
from event_platform_tests.support.faulty_s3 import FaultyS3, faulty_s3
from event_platform_tests.support.s3 import new_bucket, s3_server, use_s3
from event_platform_tests.support.world import World

# What is imported stays: to search it for garbage takes a third of the time of a collection, in each worker.
gc.disable()

# An example takes as long as the machine lets it: no test is about time. The examples are the same in each run, so that
# a failure is one of what has changed; `pytest --hypothesis-profile=search` looks for others.
settings.register_profile("search", max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("any_machine", settings.get_profile("search"), max_examples=35, derandomize=True)
settings.load_profile("any_machine")

#: Seconds that a test of one day takes at most, with its fixtures, on a busy machine.
_LONGEST = 120

_SETTINGS = ("AWS_", "EVENT_PLATFORM_", "DAGSTER_")


#: Folders whose tests build days, and look at tables alone.
_WITHOUT_PAGES = {
    *("automation", "requests", "alerts", "checks", "defs"),
    *("compute", "compaction", "deduplication", "lake", "loading", "pipeline", "typing"),
    *("exporting", "iceberg", "sample", "stream", "streams"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests that kill be as long as one likes."""
    parser.addoption("--kills", type=int, help="SIGKILLs in test_exactly_once (default 3) and test_live_kills (2)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups, and with those that wait the longest for others: what only computes fills the gaps."""

    def turn(item: pytest.Item) -> int:
        if item.get_closest_marker("xdist_group") is None:
            return 2
        return 0 if item.path.parent.name in {"end_to_end", "deploy"} else 1

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """Look for garbage again, among what comes from now on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove this machine's settings, so that no test or shared fixture reaches a real account or lake."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
            patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("XDG_CACHE_HOME", raising=False)
        # A process of a test leaves what it compiled for those that follow it.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_stamps_in_memory() -> Iterator[None]:
    """Skip the revision that Dagster writes to each in-memory database: nobody reads it, and it takes 0.06 s."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (event_log.in_memory, runs.in_memory):
            patch.setattr(module, "stamp_alembic_rev", lambda _config, _connection: None)
        yield


@pytest.fixture(autouse=True)
def _own_home(_no_settings: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home that no other test has written to."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def today() -> date:
    """The current day (UTC), which does not end before the test: shortly before midnight the fixture waits."""
    if (left := 86_400 - time.time() % 86_400) < _LONGEST:
        time.sleep(left + 1)
    return datetime.now(UTC).date()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A landing folder, a lake and a small catalog."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server; one for each process that runs tests."""
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def ceph_store() -> Iterator[Ceph]:
    """An S3 that checks signatures; one for each process that runs tests of the group `chain`."""
    if programs := missing():
        pytest.skip(f"no {', '.join(programs)}: install Debian's ceph-mon, ceph-osd, ceph-common and radosgw")
    with ceph() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(s3_endpoint: str) -> Iterator[FaultyS3]:
    """A proxy in front of the S3 server that counts requests, and fails as told. A test begins with `set`.

    One for each module: no request of another module's tests is counted.
    """
    with faulty_s3(s3_endpoint) as running:
        yield running


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, with the AWS variables set to reach it."""
    use_s3(monkeypatch, s3_endpoint)
    return new_bucket()


@pytest.fixture(scope="module", autouse=True)
def _without_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave out the pages of the lake and of event types, a third of each report, where no test looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name in _WITHOUT_PAGES:
            for name in ("write_index", "write_types"):
                patch.setattr(overview, name, lambda *_: None)
        yield
