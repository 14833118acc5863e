"""An ECS of our own: moto's, with a cluster, a service's task, and the definition of the task of a run."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from event_platform_tests.support.s3 import REGION

CLUSTER, RUN_DEFINITION, CONTAINER = "event-platform", "event-platform-run", "run"
SIGKILLED = 137


@contextmanager
def aws_server() -> Iterator[str]:
    """Run S3, EC2 and ECS in this process, which can then say what became of a task, and return their address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@dataclass(frozen=True)
class Ecs:
    """The cluster, as a task of a service sees it."""

    metadata: str
    subnet: str
    group: str

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which a task of a service launches others."""
        return {
            "ECS_CONTAINER_METADATA_URI_V4": self.metadata,
            "DAGSTER_ECS_TASK_DEFINITION": RUN_DEFINITION,
            "DAGSTER_ECS_CONTAINER_NAME": CONTAINER,
        }

    def tasks(self, **tags: str) -> list[dict[str, Any]]:
        """Return the tasks that have been started with these tags."""
        client = boto3.client("ecs", region_name=REGION)
        arns = client.list_tasks(cluster=CLUSTER)["taskArns"]
        described = client.describe_tasks(cluster=CLUSTER, tasks=arns, include=["TAGS"])["tasks"]
        return [task for task in described if tags.items() <= _tags(task).items()]

    def kill(self, task: dict[str, Any]) -> None:
        """Make ECS report a task as if its process had been killed."""
        from moto.ecs.models import ecs_backends  # noqa: PLC0415 - takes a second, and whoever collects tests is here

        account = task["taskArn"].split(":")[4]
        found = ecs_backends[account][REGION].tasks[CLUSTER][task["taskArn"]]
        found.last_status, found.stopped_reason = "STOPPED", "OutOfMemoryError: Container killed due to memory usage"
        found.containers[0].exitCode = SIGKILLED


@contextmanager
def ecs() -> Iterator[Ecs]:
    """Make the cluster, start the task of a service in it, and answer what such a task asks about itself."""
    ec2, client = boto3.client("ec2", region_name=REGION), boto3.client("ecs", region_name=REGION)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.create_security_group(GroupName="runs", Description="of a service and of runs")["GroupId"]
    client.create_cluster(clusterName=CLUSTER)
    for family, container in (("event-platform-daemon", "daemon"), (RUN_DEFINITION, CONTAINER)):
        client.register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="1024",
            memory="4096",
            containerDefinitions=[{"name": container, "image": "event_platform", "memory": 4096}],
        )
    network = {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": "DISABLED"}
    (task,) = client.run_task(
        cluster=CLUSTER,
        taskDefinition="event-platform-daemon",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )["tasks"]
    with _metadata({"": {"Name": "daemon"}, "/task": {"Cluster": CLUSTER, "TaskARN": task["taskArn"]}}) as address:
        yield Ecs(address, subnet, group)


@contextmanager
def _metadata(answers: dict[str, dict[str, str]]) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[self.path.removeprefix("/v4")]).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v4"
    finally:
        server.shutdown()
        server.server_close()


def _tags(task: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in task.get("tags", [])}
