"""A store that ignores conditional puts is refused before anything is written, whichever way it is reached."""

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from bench.local_servers import free_port
from event_platform.definitions import build_definitions
from event_platform.defs.resources.build import build_resources
from event_platform.environment import Environment, EnvironmentName
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import SettingError
from event_platform_tests.support.command import call_with, variables
from event_platform_tests.support.npm import INSTALL
from event_platform_tests.support.s3 import client, put, use_s3
from event_platform_tests.support.world import MONDAY, World, event, ndjson

_HERE = Path(__file__).parent
_SERVER = _HERE.parents[1] / "node_modules" / "s3rver" / "bin" / "s3rver.js"
REFUSED = r"the store ignores If-None-Match"

pytestmark = [
    pytest.mark.xdist_group("careless"),
    pytest.mark.skipif(
        shutil.which("node") is None or not _SERVER.exists(),
        reason=f"no node, or no node_modules/s3rver: {INSTALL}",
    ),
]


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of s3rver, with a bucket `events`."""
    folder, port = tmp_path_factory.mktemp("s3rver"), free_port()
    options = ["-d", str(folder), "-a", "127.0.0.1", "-p", str(port), "--silent", "--configure-bucket", "events"]
    command = ["node", str(_SERVER), *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(6_000):
            assert server.poll() is None
            try:
                urllib.request.urlopen(endpoint, timeout=5).close()
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
            else:
                break
        yield endpoint
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def environment(careless: str, world: World, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The environment dev in that bucket, where an object has landed."""
    use_s3(monkeypatch, careless)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "S3RVER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S3RVER")
    put("events", f"landing/{MONDAY:%Y/%m/%d}/12/a", ndjson(event("u1")))
    variables = world.environment
    return Environment(
        EnvironmentName.DEV, "s3://events/landing", "s3://events/lake", variables.catalog, variables.start_date
    )


def written_names() -> list[str]:
    """Return what is in the lake and beside it, but for what the look at the store has left."""
    objects = client().list_objects_v2(Bucket="events").get("Contents", [])
    keys = [each["Key"] for each in objects if not each["Key"].startswith("landing/")]
    return [key for key in keys if not key.endswith("/_conditional_put")]


def settings(environment: Environment, world: World) -> dict[str, str]:
    """Return the variables of a command."""
    places = {"EVENT_PLATFORM_LANDING": environment.landing, "EVENT_PLATFORM_LAKE": environment.lake}
    return {**variables(world), "EVENT_PLATFORM_ENV": environment.name, **places}


@pytest.mark.parametrize("command", [("run",), ("replay", "--from", "2025-06-02", "--to", "2025-06-02")])
def test_a_command_refuses_it(environment: Environment, world: World, command: tuple[str, ...]) -> None:
    """With exit code 2, as for any setting that cannot be used."""
    output = call_with(settings(environment, world), *command, code=2)
    assert "s3://events/lake: the store ignores If-None-Match" in output
    assert written_names() == []


def test_a_consumer_refuses_it(environment: Environment, world: World) -> None:
    """For its checkpoints: two consumers would take each other's place unseen."""
    output = call_with(settings(environment, world), "consume", "no-matter-which", code=2)
    assert "s3://events/landing-checkpoints/_conditional_put: the store ignores If-None-Match" in output
    assert written_names() == []


def test_a_run_of_dagster_refuses_it(environment: Environment) -> None:
    """At the first table that it would write."""
    definitions = build_definitions(environment, load_catalog(environment.catalog))
    with pytest.raises(SettingError, match=REFUSED):
        dg.materialize(
            [*(definitions.assets or [])],  # type: ignore[list-item]
            selection=dg.AssetSelection.assets("raw_events", "corrupt_events"),
            resources=dict(definitions.resources or {}),
            instance=dg.DagsterInstance.ephemeral(),
            tags={f"dagster/asset_partition_range_{end}": "2025-06-02" for end in ("start", "end")},
        )
    assert written_names() == []


@pytest.mark.parametrize("name", ["landing_sensor", "changed_dates_sensor"])
def test_the_sensors_refuse_it(environment: Environment, name: str) -> None:
    """Their ticks fail and say so, before a run is asked for."""
    definitions = build_definitions(environment, load_catalog(environment.catalog))
    sensor, resources = definitions.resolve_sensor_def(name), build_resources(environment)
    used_resources = {key: resources[key] for key in ("landing", "lake")}
    with (
        pytest.raises(SettingError, match=REFUSED),
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, resources=used_resources, definitions=definitions) as context,
    ):
        sensor.evaluate_tick(context)
    assert written_names() == []
