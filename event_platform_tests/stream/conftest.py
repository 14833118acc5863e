"""A Kinesis server, and streams in it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from event_platform.stream.kinesis import Stream, describe_stream
from event_platform_tests.support.kinesis import kinesis_client, kinesis_server, new_stream
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


@pytest.fixture(scope="session")
def kinesis_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kinesis server."""
    with kinesis_server(tmp_path_factory.mktemp("kinesis")) as endpoint:
        yield endpoint


@pytest.fixture
def kinesis(kinesis_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> "KinesisClient":
    """A client of the server, and the AWS variables set to reach it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", kinesis_endpoint)
    return kinesis_client(kinesis_endpoint)


@pytest.fixture
def make_stream(kinesis: "KinesisClient") -> Iterator[Callable[[int], Stream]]:
    """What makes a stream of so many shards; all of them are deleted afterwards, and their records with them."""
    names = []

    def make(shards: int) -> Stream:
        names.append(new_stream(kinesis, shards))
        return describe_stream(kinesis, names[-1])

    yield make
    for name in names:
        kinesis.delete_stream(StreamName=name)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers of this process do not wait between calls: the server has no limits."""
    monkeypatch.setattr("event_platform.stream.reader._CALL_SECONDS", 0.01)
    monkeypatch.setattr("event_platform.stream.reader._TIP_SECONDS", 0.05)
    monkeypatch.setattr("event_platform.stream.consume._TICK_SECONDS", 0.01)
    monkeypatch.setattr("event_platform.stream.consume._LOOK_SECONDS", 0.1)
