"""What services of AWS deliver."""

import base64
import json
from io import BytesIO

import pyarrow as pa
from pyarrow import parquet

from event_platform_tests.streams.stream import Stream, by_firehose, by_hash, by_id, compact, lines, records
from event_platform_tests.support.world import gzipped, ndjson


def _cloudtrail() -> Stream:
    """Two files. The second has an event again, as it happens with events of global services."""
    landed = records("cloudtrail")
    files = {"T1205Z_A1b2C3d4E5f6G7h8": landed[:4], "T1210Z_H8g7F6e5D4c3B2a1": landed[3:]}
    folder = "AWSLogs/123456789012/CloudTrail/us-east-1/2025/06/02/123456789012_CloudTrail_us-east-1_20250602"
    return Stream(
        "CloudTrail from S3",
        {f"{folder}{name}.json.gz": gzipped(compact({"Records": some}).encode()) for name, some in files.items()},
        by_id(landed, lambda record: record["eventID"]),
        redelivered=1,
    )


def _cloudwatch_logs() -> Stream:
    """Messages of a subscription, each gzipped, which Firehose puts behind each other and gzips again.

    A control message and a line that is a text are among them.
    """
    found = {}
    for wrapper in records("cloudwatch_logs"):
        for event in wrapper["logEvents"]:
            if event["message"].startswith("{"):
                around = {"id": event["id"], "timestamp": event["timestamp"], "logGroup": wrapper["logGroup"]}
                found[event["id"]] = {**around, "logStream": wrapper["logStream"], **json.loads(event["message"])}
    messages = b"".join(gzipped(line.encode()) for line in lines("cloudwatch_logs"))
    landed = {by_firehose("cloudwatch-logs", ".gz"): gzipped(messages)}
    return Stream("CloudWatch Logs by Firehose", landed, found, corrupt={"not_json": 2})


def _eventbridge() -> Stream:
    return Stream(
        "EventBridge",
        {by_firehose("events"): ndjson(*lines("eventbridge"))},
        by_id(records("eventbridge"), lambda record: record["id"]),
    )


def _sns() -> Stream:
    """Notifications, one of which has a text that is no JSON."""
    notifications = [each for each in records("sns") if each["Message"].startswith("{")]
    found = [
        {
            "MessageId": notification["MessageId"],
            "Timestamp": notification["Timestamp"],
            **json.loads(notification["Message"]),
        }
        for notification in notifications
    ]
    landed = {by_firehose("orders"): ndjson(*lines("sns"))}
    return Stream("SNS", landed, by_id(found, lambda record: record["MessageId"]), corrupt={"not_json": 1})


def _firehose_errors() -> Stream:
    """Records that a Lambda function failed on, one of which is the reason."""
    failed = lines("firehose_errors")
    wrappers = [
        {
            "attemptsMade": 4,
            "arrivalTimestamp": 1748865660000,
            "errorCode": "Lambda.FunctionError",
            "errorMessage": "The Lambda function was successfully invoked but it returned an error result.",
            "attemptEndingTimestamp": 1748865725000,
            "rawData": base64.b64encode(f"{line}\n".encode()).decode(),
            "lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:transform:$LATEST",
        }
        for line in failed
    ]
    sound = [json.loads(line) for line in failed if line.endswith("}")]
    return Stream(
        "Firehose error output",
        {f"processing-failed/{by_firehose('events')}": ndjson(*wrappers)},
        by_id(sound, lambda record: record["event_uuid"]),
        corrupt={"not_json": 1},
    )


def _vpc_flow() -> Stream:
    """Parquet; a flow log has a row without values for an interval without traffic."""
    small = dict.fromkeys(("version", "srcport", "dstport", "protocol"), pa.int32())
    large = dict.fromkeys(("packets", "bytes", "start", "end"), pa.int64())
    flows = records("vpc_flow")
    schema = pa.schema([(name, {**small, **large}.get(name, pa.string())) for name in flows[0]])
    data = BytesIO()
    parquet.write_table(pa.Table.from_pylist(flows, schema), data, compression="gzip")
    folder = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2025/06/02/123456789012_vpcflowlogs_us-east-1_fl-0example"
    landed = {f"{folder}_20250602T1200Z_a1b2c3d4.log.parquet": data.getvalue()}
    return Stream("VPC flow logs in Parquet", landed, by_hash(lines("vpc_flow")))


STREAMS = (_cloudtrail(), _cloudwatch_logs(), _eventbridge(), _sns(), _firehose_errors(), _vpc_flow())
