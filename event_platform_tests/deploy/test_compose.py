"""The compose file: a whole platform on one machine."""

import json
import re
import subprocess
import sys
from typing import Any

import boto3
import pytest
import yaml

from event_platform.pipeline.opening import open_lake
from event_platform_tests.deploy.containers import COMMANDS
from event_platform_tests.support.command import beside_python
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.s3 import REGION, use_s3

_FILE = PROJECT / "docker-compose.yaml"
_EXAMPLE = PROJECT / "deploy" / "compose" / "env.example"
_PLATFORM = {"webserver", "daemon", "code-location", "buckets"}
_SECRETS = {"DAGSTER_POSTGRES_PASSWORD", "STORE_ACCESS_KEY", "STORE_SECRET_KEY"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services, as compose reads them: it has checked the file against its specification."""
    filled = dict.fromkeys(_SECRETS, "made-up")
    done = _compose("--env-file", str(_EXAMPLE), "config", "--format", "json", **filled)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)["services"]
    return document


def test_without_passwords_it_does_not_start_and_says_where_they_go() -> None:
    """One that is forgotten is not empty."""
    done = _compose("--env-file", str(_EXAMPLE), "config", "--quiet")
    assert done.returncode != 0
    for name in _SECRETS:
        assert (
            f"required variable {name} is missing a value: set it in .env, see deploy/compose/env.example"
            in done.stderr
        )


def test_the_example_has_every_setting_and_no_password() -> None:
    """What compose asks for is what the example lists, and what is secret is left empty there and is in no file."""
    text = _FILE.read_text(encoding="utf-8")
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", _EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(example) == set(re.findall(r"\$\{([A-Z_]+)", text))
    optional = {"EVENT_PLATFORM_ALERT_URLS", "EVENT_PLATFORM_REPORT_URL"}
    assert {name for name, value in example.items() if not value} == _SECRETS | optional
    for name, value in re.findall(r"^\s*(\S*(?:PASSWORD|KEY|KEY_ID|ALERT_URLS)): (.*)$", text, re.MULTILINE):
        assert value.startswith("${"), name


def test_what_is_published_can_be_reached_from_this_machine_alone(services: dict[str, Any]) -> None:
    """The UI, and the store, for events to be put there; not the database."""
    published = {
        (name, port["host_ip"], port["published"])
        for name, service in services.items()
        for port in service.get("ports", [])
    }
    assert published == {("webserver", "127.0.0.1", "3000"), ("store", "127.0.0.1", "8333")}
    networks = {name: set(service["networks"]) for name, service in services.items()}
    assert networks["store"] == {"store"}
    assert {name for name, joined in networks.items() if "store" in joined} == {"store", "buckets", "code-location"}
    assert networks["postgres"] == {"database"}
    assert yaml.safe_load(_FILE.read_text(encoding="utf-8"))["networks"]["database"]["internal"] is True


def test_each_service_waits_for_those_that_it_needs(services: dict[str, Any]) -> None:
    """Until they are well, or for the one that makes the buckets, until it is done."""
    needs = {
        name: {other: each["condition"].removeprefix("service_") for other, each in service["depends_on"].items()}
        for name, service in services.items()
        if "depends_on" in service
    }
    assert needs == {
        "webserver": {"postgres": "healthy", "code-location": "healthy"},
        "daemon": {"postgres": "healthy", "code-location": "healthy", "webserver": "healthy"},
        "code-location": {"postgres": "healthy", "buckets": "completed_successfully"},
        "buckets": {"store": "healthy"},
    }
    for name in services.keys() - {"buckets"}:
        assert services[name]["healthcheck"]["test"], name


def test_the_platform_runs_the_commands_of_the_image_and_may_write_nowhere_else(services: dict[str, Any]) -> None:
    """Each with its own health check, in a container without privileges that is mounted read-only."""
    for name in ("webserver", "daemon", "code-location"):
        assert services[name]["command"] == [name]
        assert (COMMANDS / name).is_file()
        assert services[name]["healthcheck"]["test"] == ["CMD", "healthy", name]
        assert services[name]["restart"] == "unless-stopped"
    for name in _PLATFORM:
        service = services[name]
        assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])  # noqa: S108
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service
        for volume in service["volumes"]:
            assert volume["type"] == "volume" or volume["read_only"] is True


def test_images_of_others_are_pinned_and_data_is_in_volumes_with_a_name(services: dict[str, Any]) -> None:
    """They outlive the containers."""
    for name in ("postgres", "store"):
        assert re.fullmatch(r"[\w/]+:\d+\.\d+(-\w+)?(@sha256:[0-9a-f]{64})?", services[name]["image"])
        assert [volume["type"] for volume in services[name]["volumes"]] == ["volume"]
    declared = set(yaml.safe_load(_FILE.read_text(encoding="utf-8"))["volumes"])
    used = {
        volume["source"] for service in services.values() for volume in service["volumes"] if volume["type"] == "volume"
    }
    assert declared == used


def test_every_variable_of_dagsters_settings_is_set(services: dict[str, Any]) -> None:
    """The file that is mounted asks for nothing that the containers do not have."""
    profile = (PROJECT / "deploy" / "postgres" / "dagster.yaml").read_text(encoding="utf-8")
    workspace = (PROJECT / "deploy" / "aws" / "workspace.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\{env: (\w+)\}", profile + workspace))
    for name in ("webserver", "daemon", "code-location"):
        assert asked <= services[name]["environment"].keys()
        mounted = {volume["target"]: volume["source"] for volume in services[name]["volumes"]}
        assert mounted["/opt/dagster/dagster.yaml"] == str(PROJECT / "deploy" / "postgres" / "dagster.yaml")


def test_the_init_container_makes_the_buckets_once(
    s3_endpoint: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own program, with its own arguments; a second time it leaves them as they are."""
    use_s3(monkeypatch, s3_endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")  # where a bucket needs no constraint
    _, script, *buckets = services["buckets"]["command"]
    (mount,) = [volume for volume in services["buckets"]["volumes"] if volume["target"] == script]
    command = [sys.executable, mount["source"], *buckets]
    try:
        for outcome in ("made", "there already"):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            assert done.stdout.splitlines() == [f"{bucket}: {outcome}" for bucket in buckets]
        environment = services["code-location"]["environment"]
        assert environment["EVENT_PLATFORM_LAKE"].split("/")[2] in buckets
        assert environment["EVENT_PLATFORM_LANDING"].split("/")[2] in buckets
        open_lake(environment["EVENT_PLATFORM_LAKE"]).storage.check()
    finally:
        resource = boto3.resource("s3", region_name=REGION)
        for bucket in buckets:
            resource.Bucket(bucket).objects.delete()
            resource.Bucket(bucket).delete()


def _compose(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [beside_python("docker-compose"), "--file", _FILE, *arguments],
        env={"HOME": "/nowhere", **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
