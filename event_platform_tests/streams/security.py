"""What systems that watch others write."""

from event_platform_tests.streams.stream import Stream, by_firehose, by_hash, by_id, lines, records
from event_platform_tests.support.world import gzipped, ndjson

STREAMS = (
    Stream(
        "Kubernetes audit",
        {by_firehose("audit", ".gz"): gzipped(ndjson(*lines("kubernetes_audit")))},
        by_id(records("kubernetes_audit"), lambda record: f"{record['auditID']}:{record['stage']}"),
    ),
    Stream(
        "Suricata",
        {by_firehose("eve"): ndjson(*lines("suricata"))},
        by_hash(lines("suricata")),
    ),
    Stream(
        "Zeek",
        {by_firehose("zeek", ".gz"): gzipped(ndjson(*lines("zeek")))},
        by_hash(lines("zeek")),
    ),
    Stream(
        "Falco",
        # One object an event, as Falcosidekick puts them.
        {f"falco/2025-06-02/2025-06-02T12:16:0{n}Z.json": line.encode() for n, line in enumerate(lines("falco"))},
        by_id(records("falco"), lambda record: record["uuid"]),
    ),
    Stream(
        "Windows events",
        # Kinesis Agent for Windows ends records with nothing.
        {by_firehose("windows"): "".join(lines("windows_events")).encode()},
        by_id(
            records("windows_events"), lambda record: f"{record['MachineName']}:{record['LogName']}:{record['Index']}"
        ),
    ),
)
