"""A queue of SQS, the Glue Data Catalog, PostgreSQL, and a Dask cluster."""

import pydoc
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from bench.local_servers import Postgres, free_port, postgres_server, programs
from event_platform.compute.dask import versions
from event_platform.doctor.finding import Verdict
from event_platform.doctor.iceberg import check_iceberg
from event_platform.doctor.services import check_dask, check_glue, check_postgres, check_queue, check_redeliveries
from event_platform.doctor.settings import read_settings
from event_platform.pipeline.opening import open_lake
from event_platform.stream.filter.dead_letters import DeadLetter
from event_platform_tests.support.dask_cluster import dask_cluster
from event_platform_tests.support.s3 import REGION

SETTINGS = yaml.safe_load((Path(__file__).parents[2] / "deploy/postgres/dagster.yaml").read_text(encoding="utf-8"))
SHORT = {"storage": {"postgres": {"postgres_db": {**SETTINGS["run_storage"]["config"]["postgres_db"]}}}}


def test_the_landing_queue_is_there(bucket: str) -> None:
    """With its number of messages, none of which is received; a missing queue is reported, and an unset one skipped."""
    assert check_queue(None).verdict is Verdict.LEFT_OUT
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    for _ in range(2):
        assert check_queue(url).found == f"{url}, with 1 messages"
    missing = check_queue(f"{url}-elsewhere")
    assert missing.verdict is Verdict.BAD
    assert "NonExistentQueue" in missing.found
    assert "sqs:GetQueueAttributes" in missing.remedy


def test_the_queue_of_redeliveries_is_there_and_taken_in_time(bucket: str) -> None:
    """Messages are received, and can be received again at once; that one is about to end is an error."""
    assert check_redeliveries(None).verdict is Verdict.LEFT_OUT
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName=bucket, Attributes={"MessageRetentionPeriod": "1209600"})["QueueUrl"]
    assert check_redeliveries(url).found == f"{url}, with 0 messages"
    moment = datetime(2025, 6, 2, tzinfo=UTC)
    letter = DeadLetter(
        event_uuid="a", record="s:2", number=0, arrived_at=moment, survivor="s:1", survivor_seen_at=moment, body="{}"
    )
    sqs.send_message(QueueUrl=url, MessageBody=letter.message)
    for _ in range(2):
        finding = check_redeliveries(url)
        assert (finding.verdict, finding.found) == (Verdict.GOOD, f"{url}, with 1 messages")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "172800"})
    ending = check_redeliveries(url)
    assert (ending.verdict, ending.found) == (
        Verdict.BAD,
        f"{url}, with 1 messages, the first of which the queue deletes in 48 hours",
    )
    assert "event-platform run takes them" in ending.remedy
    missing = check_redeliveries(f"{url}-elsewhere")
    assert missing.verdict is Verdict.BAD
    assert "EVENT_PLATFORM_REDELIVERIES_QUEUE" in missing.found
    assert "sqs:DeleteMessage" in missing.remedy


def test_the_glue_database_is_there(bucket: str) -> None:
    """With its number of tables; a missing database is reported, and an unset one skipped."""
    assert check_glue(None).verdict is Verdict.LEFT_OUT
    missing = check_glue("nowhere")
    assert (missing.verdict, missing.remedy) == (Verdict.BAD, "create the database")
    glue = boto3.client("glue", region_name=REGION)
    name = f"doctor_{bucket.partition('-')[2]}"
    glue.create_database(DatabaseInput={"Name": name})
    glue.create_table(DatabaseName=name, TableInput={"Name": "raw_events"})
    assert check_glue(name).found == f"{name}, with 1 tables"


def test_an_iceberg_catalog_that_cannot_be_read_is_told(bucket: str) -> None:
    """Such as a database of Glue that is not there, and is not created."""
    world = {"LAKE": f"s3://{bucket}/lake", "ICEBERG": "glue namespace=nowhere"}
    settings = read_settings({f"EVENT_PLATFORM_{name}": value for name, value in world.items()})
    open_lake(settings.environment.lake).raw_events.snapshot_to_write()
    finding = check_iceberg(settings)
    assert finding.verdict is Verdict.BAD, finding
    assert (finding.name, finding.remedy) == ("iceberg catalog", "create the database")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server with an empty database."""
    if programs() is None:
        pytest.skip("no PostgreSQL server on this machine: install Debian's package postgresql")
    with postgres_server() as server:
        yield server


def test_a_postgres_that_answers_is_well(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """As dagster.yaml names it, in either form; with another password it does not, and neither is shown."""
    for name, value in postgres.variables.items():
        monkeypatch.setenv(name, value)
    for settings in (SETTINGS, SHORT):
        finding = check_postgres(settings)
        assert finding.verdict is Verdict.GOOD, finding
        assert finding.found.endswith(" at 127.0.0.1, database dagster")
    monkeypatch.setenv("DAGSTER_POSTGRES_PASSWORD", "another-made-up")
    finding = check_postgres(SETTINGS)
    assert finding.verdict is Verdict.BAD
    assert "password authentication failed" in finding.found
    assert "made-up" not in f"{finding}"


def test_a_postgres_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its variables; if dagster.yaml names none, it is skipped."""
    nothing: list[Any] = [{}, {"telemetry": {"enabled": False}}, []]
    assert {check_postgres(each).verdict for each in nothing} == {Verdict.LEFT_OUT}
    assert "DAGSTER_POSTGRES_HOST, DAGSTER_POSTGRES_PASSWORD" in check_postgres(SETTINGS).found
    for name, value in Postgres(free_port(), Path("/")).variables.items():
        monkeypatch.setenv(name, value)
    assert "Connection refused" in check_postgres(SETTINGS).found
    monkeypatch.setenv("DAGSTER_POSTGRES_PORT", "none")
    assert check_postgres(SETTINGS).verdict is Verdict.BAD


@dataclass
class Elsewhere:
    """A function `versions` that says something else here, and is itself on a worker."""

    here: dict[str, str]

    def __call__(self) -> dict[str, str]:
        """Return what it says here."""
        return self.here

    def __reduce__(self) -> tuple[Any, ...]:
        """Be the function of the module, where this is unpickled."""
        return pydoc.locate, ("event_platform.compute.dask.versions",)


@pytest.mark.xdist_group("dask")
def test_a_cluster_has_a_scheduler_and_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a worker nothing would be done; what listens and says nothing is no scheduler, and is given up soon."""
    assert check_dask("local").verdict is Verdict.LEFT_OUT
    with dask_cluster(tmp_path) as cluster:
        cluster.start_scheduler()
        assert check_dask(cluster.address).found == f"{cluster.address}: no workers"
        lacking = tmp_path / "lacking"
        lacking.mkdir()
        (lacking / "sitecustomize.py").write_text("import sys; sys.modules['event_platform'] = None", encoding="utf-8")
        cluster.start_worker()
        assert check_dask(cluster.address).found.startswith(f"{cluster.address}, with 1 workers, all with the versions")
        cluster.start_worker(PYTHONPATH=str(lacking))
        finding = check_dask(cluster.address)
        assert finding.verdict is Verdict.BAD
        assert re.fullmatch(
            r"the worker tcp://127\.0\.0\.1:\d+ has no event-platform, or another release", finding.found
        )
        here = versions()
        monkeypatch.setattr("event_platform.compute.dask.versions", Elsewhere({**here, "polars": "9.9"}))
        finding = check_dask(cluster.address)
        assert f"has polars {here['polars']}, the driver 9.9" in finding.found
    monkeypatch.setattr("event_platform.doctor.services._PATIENCE", 0.5)
    assert "no scheduler answers" in check_dask(f"tcp://127.0.0.1:{free_port()}").found
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no scheduler answers" in check_dask(f"tcp://127.0.0.1:{silent.getsockname()[1]}").found
