"""What product analytics deliver or export."""

from event_platform_tests.streams.stream import Stream, by_hash, by_id, lines, records
from event_platform_tests.support.world import gzipped, ndjson


def _gzipped(name: str) -> bytes:
    return gzipped(ndjson(*lines(name)))


STREAMS = (
    Stream(
        "Segment",
        {"segment-logs/8JsP1x0example/1748822400000/20250602120500.1f0e2d3c.gz": _gzipped("segment")},
        by_id(records("segment"), lambda record: record["messageId"]),
    ),
    Stream(
        "PostHog",
        {"events/2025-06-02T12:00:00+00:00-2025-06-02T13:00:00+00:00.jsonl.gz": _gzipped("posthog")},
        by_id(records("posthog"), lambda record: record["uuid"]),
    ),
    Stream(
        "Amplitude",
        {"100001/100001_2025-06-02_12#352.json.gz": _gzipped("amplitude")},
        by_id(records("amplitude"), lambda record: record["uuid"]),
    ),
    Stream(
        "Mixpanel",
        {"3000001/mp_master_event/2025/06/02/full_day/part-0.json.gz": _gzipped("mixpanel")},
        by_id(records("mixpanel"), lambda record: record["properties"]["$insert_id"]),
    ),
    Stream(
        "Google Analytics 4 by BigQuery",
        {"analytics_250000001/events_20250602/000000000000.json.gz": _gzipped("ga4")},
        by_hash(lines("ga4")),
    ),
    Stream(
        "Snowplow",
        {"enriched/run=2025-06-02-12-10-00/output-part-0.json.gz": _gzipped("snowplow")},
        by_id(records("snowplow"), lambda record: record["event_id"]),
    ),
)
