"""The Lambda's handler. It never fails: undecided records are delivered.

EVENT_PLATFORM_SEEN_TABLE          DynamoDB table of the events that have passed
EVENT_PLATFORM_DEAD_LETTER_QUEUE   URL of the SQS queue of the events that are dropped
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import boto3
import msgspec
from botocore.config import Config

from event_platform.events.envelope import Envelope
from event_platform.storage.aws import region_of
from event_platform.stream.filter.dead_letters import DeadLetterQueue
from event_platform.stream.filter.deliveries import deliver_response, read_record
from event_platform.stream.filter.filtering import Filter, Totals
from event_platform.stream.filter.parts import PartReader
from event_platform.stream.filter.seen import SeenEvents

LOG = logging.getLogger(__name__)

#: Maximum number of parallel requests. Each takes a millisecond of a processor, so more of them would wait for each
#: other.
_THREADS = 16

#: The envelope of the catalog, beside this module in the package.
ENVELOPE_FILE = Path(__file__).with_name("envelope.json")


class Context(Protocol):
    """Lambda's description of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until the invocation is stopped."""


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Answer an invocation of Firehose: a result for each record."""
    records = [read_record(record) for record in event["records"]]
    try:
        answer = open_filter().filter(records, lambda: context.get_remaining_time_in_millis() / 1000)
    except Exception:
        LOG.exception("an invocation of %d records is delivered unfiltered", len(records))
        _report(Totals(events=len(records), undecided=len(records)))
        return {"records": [deliver_response(record) for record in records]}
    _report(answer.totals)
    return {"records": answer.results}


@cache
def open_filter() -> Filter:
    """Return the filter of this process, from its environment variables."""
    session = boto3.Session()
    config = Config(
        connect_timeout=1,
        read_timeout=2,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=_THREADS,
        parameter_validation=False,
    )
    region = region_of(session)
    return Filter(
        PartReader(read_envelope(ENVELOPE_FILE)),
        SeenEvents(session.client("dynamodb", region, config=config), os.environ["EVENT_PLATFORM_SEEN_TABLE"]),
        DeadLetterQueue(session.client("sqs", region, config=config), os.environ["EVENT_PLATFORM_DEAD_LETTER_QUEUE"]),
        ThreadPoolExecutor(_THREADS, "requests"),
    )


def read_envelope(path: Path) -> Envelope:
    """Read the envelope that `write_envelope` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Envelope)


def write_envelope(envelope: Envelope) -> bytes:
    """Return an envelope as the package has it."""
    return msgspec.json.encode(envelope)


def _report(totals: Totals) -> None:
    """Print the totals as metrics of CloudWatch (embedded metric format)."""
    figures = {"Events": totals.events, "Dropped": totals.dropped, "Undecided": totals.undecided}
    metrics = {
        "Namespace": "EventPlatform",
        "Dimensions": [["FunctionName"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in figures],
    }
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metrics]}
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    print(json.dumps({"_aws": about, "FunctionName": name, **figures}))  # noqa: T201 - how a Lambda sends metrics
