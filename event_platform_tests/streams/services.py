"""What hosted services send to a webhook, or return."""

from event_platform_tests.streams.stream import Stream, by_firehose, by_id, lines, records
from event_platform_tests.support.world import ndjson

STREAMS = (
    Stream(
        "Stripe",
        {by_firehose("stripe"): ndjson(*lines("stripe"))},
        by_id(records("stripe"), lambda record: record["id"]),
    ),
    Stream(
        "GitHub webhooks",
        {by_firehose("github"): ndjson(*lines("github"))},
        by_id(records("github"), lambda record: record["headers"]["X-GitHub-Delivery"]),
    ),
    Stream(
        "Shopify webhooks",
        {by_firehose("shopify"): "".join(lines("shopify")).encode()},
        by_id(records("shopify"), lambda record: record["headers"]["x-shopify-webhook-id"]),
    ),
    Stream(
        "Okta system log",
        # What a request for the log returns: an array.
        {"okta/2025/06/02/logs-20250602T1200Z.json": f"[{','.join(lines('okta'))}]".encode()},
        by_id(records("okta"), lambda record: record["uuid"]),
    ),
    Stream(
        "Auth0 log stream",
        {by_firehose("auth0"): ndjson(*lines("auth0"))},
        by_id(records("auth0"), lambda record: record["log_id"]),
    ),
)
