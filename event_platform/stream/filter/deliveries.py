"""Firehose's requests to a Lambda → stream records; verdicts on them → the response."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record as Firehose sends it."""

    record_id: str  # of this delivery
    encoded: str  # data in base64
    #: Shard and sequence number, which are the same whenever the record is sent. None for a record put into Firehose
    #: directly, whose `record_id` may change in a retry.
    name: str | None
    arrived_at: float | None  # in the stream, Unix time

    @property
    def data(self) -> bytes | None:
        """The data; None if it is not base64."""
        try:
            return base64.b64decode(self.encoded, validate=True)
        except (binascii.Error, ValueError):
            return None


def read_record(record: Mapping[str, Any]) -> StreamRecord:
    """Read a record of an invocation."""
    timestamp = record.get("approximateArrivalTimestamp")
    milliseconds = timestamp if isinstance(timestamp, int | float) else None
    return StreamRecord(
        record["recordId"],
        record["data"],
        _name(record.get("kinesisRecordMetadata")),
        None if milliseconds is None else milliseconds / 1000,
    )


def _name(metadata: Any) -> str | None:
    """Return a record's name in the stream. Each record in an aggregated one has its own number."""
    if not isinstance(metadata, Mapping):
        return None
    shard, number = metadata.get("shardId"), metadata.get("sequenceNumber")
    subnumber = metadata.get("subsequenceNumber")
    return ":".join(map(str, [shard, number, *([subnumber] if subnumber else [])])) if shard and number else None


def deliver_response(record: StreamRecord, data: bytes | None = None) -> dict[str, str]:
    """Return the response that delivers a record, unchanged or with other data."""
    encoded = record.encoded if data is None else base64.b64encode(data).decode()
    return {"recordId": record.record_id, "result": "Ok", "data": encoded}


def drop_response(record: StreamRecord) -> dict[str, str]:
    """Return the response that drops a record."""
    return {"recordId": record.record_id, "result": "Dropped"}
