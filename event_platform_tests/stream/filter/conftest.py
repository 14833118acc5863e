"""A filter, with a table and a queue on a server of moto."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from event_platform.events.envelope import Envelope
from event_platform.stream.filter import handler as module
from event_platform.stream.filter.handler import open_filter, write_envelope
from event_platform_tests.stream.filter.firehose import FilteredStream, make_table
from event_platform_tests.support.s3 import REGION, use_s3


@pytest.fixture
def stream(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FilteredStream]:
    """A table and a queue on a server of moto, and a handler that knows them."""
    use_s3(monkeypatch, s3_endpoint)
    session = boto3.Session()
    dynamodb, sqs = session.client("dynamodb", REGION), session.client("sqs", REGION)
    queue = sqs.create_queue(QueueName=f"dead-letters-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    filtered_stream = FilteredStream(dynamodb, sqs, make_table(dynamodb), queue)
    monkeypatch.setenv("EVENT_PLATFORM_SEEN_TABLE", filtered_stream.table)
    monkeypatch.setenv("EVENT_PLATFORM_DEAD_LETTER_QUEUE", queue)
    (tmp_path / "envelope.json").write_bytes(write_envelope(Envelope()))
    monkeypatch.setattr(module, "ENVELOPE_FILE", tmp_path / "envelope.json")
    opened = open_filter.__wrapped__()
    seen = replace(opened.seen, clock=lambda: filtered_stream.now)
    monkeypatch.setattr(module, "open_filter", lambda: replace(opened, seen=seen))
    yield filtered_stream
    opened.pool.shutdown()
