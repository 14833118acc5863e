"""An S3 of our own: a server on this machine that speaks the protocol, and made-up credentials to find again."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import boto3
import pytest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY = "AKIASHOWNNOWHERE0001"
SECRET_KEY = "sEcReT/shown+nowhere/0000000000000000001"
SESSION_TOKEN = "ToKeNshownNowhere0000000000000000000000001"
REGION: Final = "eu-central-1"


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server on a free port and return its address."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes a second, which only these tests should pay

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def use_s3(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Set the standard AWS variables so that everything talks to `endpoint`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION_TOKEN)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)


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
    return boto3.client("s3", region_name=REGION)
