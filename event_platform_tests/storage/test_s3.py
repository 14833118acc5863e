"""The whole pipeline on S3: the same tables as on a folder, with several writers at once, and no credential shown."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from dagster_aws.s3 import S3Resource

from event_platform.defs.resources.build import build_resources
from event_platform.defs.resources.s3 import S3LandingResource
from event_platform.environment import Environment, EnvironmentName
from event_platform.events.errors import EventPlatformError
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform_tests.support.command import call_with, finish, start, variables
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, SESSION_TOKEN, put
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

SECRETS = (ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
#: A landed object's etag is its hash on S3 and its time of change in a folder.
WITHOUT = ("source_etag",)
_READERS = (("status",), ("query", "select nothing from raw_events"))


@pytest.fixture
def landed(world: World, bucket: str) -> World:
    """The same objects in a folder and in a bucket."""
    world.deliver(MONDAY, "a.gz", *(event(f"u{number}", plan="free") for number in range(50)), "{broken")
    world.deliver(MONDAY, "b", event("l1", name="lesson:started", user="usr_1", skills=["a"]), event("u1", plan="pro"))
    world.deliver(TUESDAY, "a", event("u2", plan="free"), event("u60", TUESDAY), event("x1", name="beta:clicked"))
    landing = world.root / "landing"
    for path in landing.rglob("*"):
        if path.is_file():
            put(bucket, f"landing/{path.relative_to(landing).as_posix()}", path.read_bytes())
    return world


def on_s3(world: World, bucket: str, lake: str = "lake") -> Environment:
    """Return the environment dev, in a bucket."""
    landing = f"s3://{bucket}/landing"
    return replace(world.environment, name=EnvironmentName.DEV, landing=landing, lake=f"s3://{bucket}/{lake}")


def settings(environment: Environment, world: World) -> dict[str, str]:
    """Return the variables of an environment for a command."""
    return {
        **variables(world),
        "EVENT_PLATFORM_ENV": environment.name,
        "EVENT_PLATFORM_LANDING": environment.landing,
        "EVENT_PLATFORM_LAKE": environment.lake,
    }


def test_the_tables_on_s3_are_those_on_a_folder(landed: World, bucket: str) -> None:
    """Every table, every row, every figure."""
    environment = on_s3(landed, bucket)
    lake = open_lake(environment.lake)
    call_with(settings(environment, landed), "run")
    landed.build(MONDAY, TUESDAY)
    assert contents(lake, landed.catalog, without=WITHOUT) == contents(landed.lake, landed.catalog, without=WITHOUT)
    assert lake_totals(lake, landed.catalog) == lake_totals(landed.lake, landed.catalog)


def test_runs_at_once_on_s3_end_with_one_correct_result(landed: World, bucket: str) -> None:
    """Conditional puts let one commit through; the other starts over from it. A run afterwards finds nothing to do."""
    environment = on_s3(landed, bucket)
    for process in [start(settings(environment, landed), "run") for _ in range(2)]:
        finish(process)
    lake = open_lake(environment.lake)
    version = lake.raw_events.snapshot().version
    call_with(settings(environment, landed), "run")
    assert lake.raw_events.snapshot().version == version
    landed.build(MONDAY, TUESDAY)
    assert contents(lake, landed.catalog, without=WITHOUT) == contents(landed.lake, landed.catalog, without=WITHOUT)


def test_landing_is_opened_as_the_s3_resource_of_dagster_says(
    bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its endpoint, region and keys; the variables say nothing of them."""
    put(bucket, "landing/2025/06/02/12/a", b"content")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    s3 = S3Resource(
        endpoint_url=s3_endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    landing = S3LandingResource(uri=f"s3://{bucket}/landing", timezone="UTC", s3=s3).open()
    (landed,) = landing.list_objects([MONDAY])
    assert landing.read(landed.name) == b"content"


def test_no_credential_is_shown_in_output_logs_or_records(landed: World, bucket: str, tmp_path: Path) -> None:
    """Neither by a successful run nor by a failed one; nor in Dagster's records."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(PROJECT / ".dagster" / "dagster.yaml", home)
    good = {**settings(on_s3(landed, bucket), landed), "DAGSTER_HOME": str(home)}
    bad = {**good, "EVENT_PLATFORM_LAKE": "s3://no-such-bucket-anywhere/lake"}
    shown = finish(start(good, "run")) + call_with(good, "status", "--json")
    failed_run, _ = start(bad, "run").communicate(timeout=300)
    for output in (failed_run, *(call_with(bad, *command, code=2) for command in _READERS)):
        assert "s3://no-such-bucket-anywhere/lake" in output
        shown += output
    stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"ASSET_MATERIALIZATION" in stored
    for secret in SECRETS:
        assert secret not in shown
        assert secret.encode() not in stored


def test_no_credential_is_in_the_repr_of_anything(landed: World, bucket: str) -> None:
    """Not of the resources, nor of what they open, nor of an error."""
    resources = build_resources(on_s3(landed, bucket))
    landing, lake = resources["landing"].open(), resources["lake"].open()
    things = [
        resources,
        *resources.values(),
        landing,
        lake,
        lake.storage,
        lake.raw_events,
        lake.raw_events.snapshot_to_write(),
    ]
    missing = open_landing("s3://no-such-bucket-anywhere/x")
    with pytest.raises(EventPlatformError) as failure:
        list(missing.list_objects([MONDAY]))
    shown = "".join(repr(item) + str(item) for item in [*things, failure.value])
    for secret in SECRETS:
        assert secret not in shown
