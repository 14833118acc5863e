"""A Kinesis of our own: a server on this machine that speaks the protocol, re-sharding included."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from bench.local_servers import free_port
from event_platform_tests.support.npm import INSTALL
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_HERE = Path(__file__).parent

#: `.ci/run` puts it there: npm install --no-save --prefix . kinesis-local@0.6.2 s3rver@3.7.1
_SERVER = _HERE.parents[1] / "node_modules" / "kinesis-local" / "main.js"

#: How long the server takes to create a stream or to divide a shard; AWS takes seconds, and says so in the same way.
_CHANGES = ("CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS", "UPDATE_SHARD_COUNT")


def why_absent() -> str | None:
    """Return what is missing to run the server here, and how to get it; None where nothing is."""
    if shutil.which("node") is None:
        return "no node: install Debian's nodejs, or any Node.js from 20 on"
    if not _SERVER.exists():
        return f"no node_modules/kinesis-local: {INSTALL}"
    return None


needs_kinesis = pytest.mark.skipif(why_absent() is not None, reason=why_absent() or "")


@contextmanager
def kinesis_server(folder: Path) -> Iterator[str]:
    """Run a server on a free port and return its address; what it prints goes to a file in `folder`.

    Streams are per region and per access key. Skips the test where the server is not installed.
    """
    if absent := why_absent():
        pytest.skip(absent)
    port, log = free_port(), folder / "kinesis.log"
    settings = {
        "PATH": os.environ["PATH"],
        "KINESIS_MOCK_PLAIN_PORT": str(port),
        "KINESIS_MOCK_TLS_PORT": str(free_port()),  # it opens both
        "LOG_LEVEL": "ERROR",
        "AWS_REGION": REGION,
        **{f"{change}_DURATION": "50ms" for change in _CHANGES},
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["node", "--require", _HERE / "only_here.cjs", "--max-old-space-size=512", _SERVER],
            env=settings,
            cwd=_SERVER.parent,  # its certificate is beside it
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait_for(endpoint, server, log)
        yield endpoint
    finally:
        server.kill()  # asked to end, it waits ten seconds for its clients
        server.wait()


def _wait_for(endpoint: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    client = kinesis_client(endpoint)
    for _ in range(6_000):
        assert server.poll() is None, log.read_text(errors="replace")
        try:
            client.list_streams()
        except EndpointConnectionError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"no answer from {endpoint}:\n{log.read_text(errors='replace')}")


def kinesis_client(endpoint: str) -> "KinesisClient":
    """Return a client of the server, with made-up credentials."""
    return boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def new_stream(client: "KinesisClient", shards: int) -> str:
    """Make an empty stream and return its name, once it takes records."""
    name = f"events-{uuid.uuid4().hex[:12]}"
    client.create_stream(StreamName=name, ShardCount=shards)
    settled(client, name)
    return name


def settled(client: "KinesisClient", stream: str) -> None:
    """Wait until a stream is ACTIVE: after it was created, or a shard was split or merged."""
    for _ in range(6_000):
        if client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE":
            return
        time.sleep(0.05)
    pytest.fail(f"{stream} does not become ACTIVE")
