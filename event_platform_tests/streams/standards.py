"""Formats that many systems write."""

from event_platform_tests.streams.stream import Stream, by_firehose, by_hash, by_id, compact, lines, records
from event_platform_tests.support.world import gzipped, ndjson


def _joined(*parts: str) -> str:
    """Return the id of several fields: a colon that belongs to one is escaped."""
    return ":".join(part.replace(":", "\\:") for part in parts)


def _opentelemetry_logs() -> Stream:
    """What the collector exports: records of several scopes and resources in each line."""
    found = [
        {"resource": of_resource["resource"], "scope": of_scope["scope"], **record}
        for wrapper in records("opentelemetry_logs")
        for of_resource in wrapper["resourceLogs"]
        for of_scope in of_resource["scopeLogs"]
        for record in of_scope["logRecords"]
    ]
    name = "year=2025/month=06/day=02/hour=12/minute=17/logs_587201.json.gz"
    landed = {name: gzipped(ndjson(*lines("opentelemetry_logs")))}
    return Stream("OpenTelemetry logs", landed, by_hash(map(compact, found)))


STREAMS = (
    Stream(
        "CloudEvents",
        {by_firehose("cloudevents"): ndjson(*lines("cloudevents"))},
        by_id(records("cloudevents"), lambda record: _joined(record["source"], record["id"])),
    ),
    Stream(
        "Debezium",
        {by_firehose("shop"): ndjson(*lines("debezium"))},
        by_id(records("debezium"), lambda record: record["source"]["lsn"]),
    ),
    _opentelemetry_logs(),
)
