"""An S3 of our own: a server on this machine that speaks the protocol, and made-up credentials to find again."""

import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import pytest

from bench.local_servers import free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY = "AKIASHOWNNOWHERE0001"
SECRET_KEY = "sEcReT/shown+nowhere/0000000000000000001"
SESSION_TOKEN = "ToKeNshownNowhere0000000000000000000000001"
REGION: Final = "eu-central-1"

_SERVER = Path(__file__).with_name("one_put_at_a_time.py")

#: Of a listing; S3 itself has a thousand.
KEYS_ON_A_PAGE = 20


@contextmanager
def s3_server(log: Path, keys_on_a_page: int = KEYS_ON_A_PAGE) -> Iterator[str]:
    """Run a server on a free port and return its address.

    In a process of its own: some calls of delta-rs keep all other Python threads from running until they are answered.
    """
    port = free_port()
    settings = {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(keys_on_a_page)}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-P", str(_SERVER), "-H", "127.0.0.1", "-p", str(port)],
            env=settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait_for(endpoint, server, log)
        yield endpoint
    finally:
        server.kill()  # what it holds is in memory
        server.wait()


def _wait_for(endpoint: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text(errors="replace")
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()  # noqa: S310 - always our own http address
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"no answer from {endpoint}:\n{log.read_text(errors='replace')}")


def s3_variables(endpoint: str) -> dict[str, str]:
    """Return the standard AWS variables with which everything talks to `endpoint`."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
    }


def use_s3(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Set the standard AWS variables so that everything talks to `endpoint`."""
    for name, value in s3_variables(endpoint).items():
        monkeypatch.setenv(name, value)


def new_bucket() -> str:
    """Make an empty bucket and return its name."""
    name = f"events-{uuid.uuid4().hex[:12]}"
    client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def put(bucket: str, key: str, data: bytes) -> None:
    """Put an object."""
    client().put_object(Bucket=bucket, Key=key, Body=data)


def client() -> "S3Client":
    """Return a client, as the variables set it up."""
    return _client(tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))))


@lru_cache(maxsize=8)
def _client(variables: tuple[tuple[str, str], ...]) -> "S3Client":  # others, another client
    # Not the session that boto3 has by default: it keeps the keys that were set when it was first asked.
    return boto3.Session().client("s3", region_name=REGION)
