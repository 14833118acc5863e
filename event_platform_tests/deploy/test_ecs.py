"""The platform as the image runs it on ECS: its commands, the settings of deploy/aws, S3, PostgreSQL, and tasks."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml

from bench.local_servers import Postgres, postgres_server, programs
from event_platform_tests.deploy.containers import Containers, containers
from event_platform_tests.deploy.ecs import CONTAINER, RUN_DEFINITION, Ecs, aws_server, ecs
from event_platform_tests.support.live import PROJECT, until
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, SESSION_TOKEN, new_bucket, put, use_s3
from event_platform_tests.support.world import MONDAY, SCHEMAS, event, ndjson, write_catalog

pytestmark = pytest.mark.xdist_group("ecs")

ALERTS = "json://127.0.0.1:9/alerts-token-shown-nowhere"
#: What ECS takes of overrides, at most.
CHARACTERS = 8192

_LAUNCH = """mutation ($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_RUN = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value }
    eventConnection { events { ... on MessageEvent { message } ... on LogsCapturedEvent { fileKey } } } } } }"""
_LOGS = """query ($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an AWS of our own, with the AWS variables set to reach it."""
    with pytest.MonkeyPatch.context() as patch, aws_server() as address:
        use_s3(patch, address)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        yield address


@pytest.fixture(autouse=True)
def _variables(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set these variables again, as each test begins without."""
    use_s3(monkeypatch, endpoint)


@pytest.fixture(scope="module")
def bucket(endpoint: str) -> str:
    """A bucket."""
    return new_bucket()


@pytest.fixture(scope="module")
def cluster(bucket: str) -> Iterator[Ecs]:
    """An ECS cluster with a service's task in it."""
    with ecs() as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    if programs() is None:
        pytest.skip("no PostgreSQL server here: Debian's package is postgresql")
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="module")
def running(
    endpoint: str, bucket: str, cluster: Ecs, server: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Containers]:
    """The containers of the platform. Monitoring looks sooner than it does in earnest."""
    root = tmp_path_factory.mktemp("ecs")
    settings = yaml.safe_load((PROJECT / "deploy" / "aws" / "dagster.yaml").read_text(encoding="utf-8"))
    settings["run_monitoring"].update(poll_interval_seconds=2)
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        **cluster.variables,
        **server.variables,
        "HOME": str(root),
        "DAGSTER_COMPUTE_LOGS_BUCKET": bucket,
        "EVENT_PLATFORM_ENV": "dev",
        "EVENT_PLATFORM_LANDING": f"s3://{bucket}/landing",
        "EVENT_PLATFORM_LAKE": f"s3://{bucket}/lake",
        "EVENT_PLATFORM_CATALOG": str(write_catalog(root / "catalog", SCHEMAS)),
        "EVENT_PLATFORM_START_DATE": MONDAY.isoformat(),
        "EVENT_PLATFORM_ALERT_URLS": ALERTS,
    }
    put(bucket, f"landing/{MONDAY:%Y/%m/%d}/12/a", ndjson(event("u1"), event("u2"), "not JSON"))
    with containers(root, variables, yaml.safe_dump(settings)) as instance:
        yield instance


def test_a_run_is_a_task_of_the_size_that_its_tags_ask_for(running: Containers, cluster: Ecs, bucket: str) -> None:
    """Its command does the run, no secret is in it, and the webserver shows what it printed elsewhere."""
    run_id = _launch(running, {"ecs/cpu": "4096", "ecs/memory": "16384"})
    task = _task(running, cluster, run_id)
    overrides = task["overrides"]
    (container,) = overrides["containerOverrides"]
    assert (container["name"], container["cpu"], container["memory"]) == (CONTAINER, 4096, 16384)
    assert (overrides["cpu"], overrides["memory"]) == ("4096", "16384")
    assert container["command"][:3] == ["dagster", "api", "execute_run"]
    assert set(container) == {"name", "command", "cpu", "memory"}
    assert len(json.dumps(overrides)) < CHARACTERS
    assert f":task-definition/{RUN_DEFINITION}:" in task["taskDefinitionArn"]
    assert {"key": "event_platform/environment", "value": "dev"} in task["tags"]
    assert task["launchType"] == "FARGATE"
    assert {"name": "subnetId", "value": cluster.subnet} in task["attachments"][0]["details"]
    for secret in (running.variables["DAGSTER_POSTGRES_PASSWORD"], ALERTS, SECRET_KEY, SESSION_TOKEN):
        assert secret not in json.dumps(task, default=str)

    done = subprocess.run(container["command"], env=running.variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run = running.ask(_RUN, id=run_id)
    assert run["status"] == "SUCCESS"
    (key,) = {each["fileKey"] for each in run["eventConnection"]["events"] if "fileKey" in each}
    shown = running.ask(_LOGS, key=[run_id, "compute_logs", key])
    assert "raw_events" in shown["stderr"]
    assert _stored(bucket, f"dagster/logs/storage/{run_id}/compute_logs/{key}.err")


def test_a_run_whose_task_is_killed_is_started_again(running: Containers, cluster: Ecs) -> None:
    """ECS is asked, and told 137; the run fails with what it said, and another of the same size takes its place."""
    run_id = _launch(running, {"ecs/memory": "8192"})
    task = _task(running, cluster, run_id)
    (container,) = task["overrides"]["containerOverrides"]
    with (running.home / "task.log").open("ab") as log:
        process = subprocess.Popen(container["command"], env=running.variables, stdout=log, stderr=log)
    until(lambda: running.ask(_RUN, id=run_id)["status"] == "STARTED", "the run has started", running, pause=0.5)
    process.kill()
    process.wait(timeout=30)
    assert running.ask(_RUN, id=run_id)["status"] == "STARTED"
    cluster.kill(task)
    until(lambda: running.ask(_RUN, id=run_id)["status"] == "FAILURE", "the run is ended", running)
    said = [each.get("message") or "" for each in running.ask(_RUN, id=run_id)["eventConnection"]["events"]]
    assert any("exit code 137" in each and "OutOfMemoryError" in each for each in said)

    again = _again(running, run_id)
    second = _task(running, cluster, again)
    assert second["taskArn"] != task["taskArn"]
    assert second["overrides"]["memory"] == "8192"


def test_the_health_checks_of_the_image_tell_who_is_well(running: Containers) -> None:
    """Each of the three; and where nothing listens, nobody is."""
    assert running.is_healthy("code-location")
    assert running.is_healthy("webserver")
    until(lambda: running.is_healthy("daemon"), "the daemon is well", running)
    assert not Containers(running.home, running.variables, port=1).is_healthy("webserver")


def test_nothing_is_written_beside_the_folder_of_logs(running: Containers) -> None:
    """The image may be mounted read-only: $DAGSTER_HOME has what the image has in it, and the tests' own files."""
    written = {path.name for path in running.home.iterdir() if path.suffix != ".log"}
    assert written <= {"dagster.yaml", "workspace.yaml", "storage"}


def _launch(running: Containers, tags: dict[str, str]) -> str:
    """Ask for a run on Monday's raw events."""
    tags = {"dagster/partition": MONDAY.isoformat(), **tags}
    parameters = {
        "selector": {
            "repositoryLocationName": "event_platform",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": ["raw_events"]}, {"path": ["corrupt_events"]}],
        },
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    launched = running.ask(_LAUNCH, parameters=parameters)
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def _task(running: Containers, cluster: Ecs, run_id: str) -> dict[str, Any]:
    """Wait for the task of a run."""
    until(lambda: cluster.tasks(**{"dagster/run_id": run_id}), "the daemon has launched the run", running)
    (task,) = cluster.tasks(**{"dagster/run_id": run_id})
    return task


def _again(running: Containers, run_id: str) -> str:
    """Wait for a run to be started again, and return the new one."""

    def retries() -> list[str]:
        query = """query ($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results { runId } } } }"""
        found = running.ask(query, filter={"tags": [{"key": "dagster/parent_run_id", "value": run_id}]})
        return [result["runId"] for result in found["results"]]

    until(retries, "the run is started again", running)
    return retries()[0]


def _stored(bucket: str, key: str) -> int:
    return boto3.client("s3", region_name=REGION).head_object(Bucket=bucket, Key=key)["ContentLength"]
