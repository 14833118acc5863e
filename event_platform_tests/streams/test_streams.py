"""Each stream as its system delivers it, to tables: nothing is lost, and each record has the id that it is to have."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from event_platform.cli.catalog.draft import draft_catalog
from event_platform.cli.main import main
from event_platform.events.envelope import Envelope, FieldPath
from event_platform.events.envelope_file import load_envelope
from event_platform.lake.totals import lake_totals
from event_platform_tests.streams import analytics, aws, security, services, standards
from event_platform_tests.streams.stream import Record, Stream, documented_envelopes
from event_platform_tests.support.command import use
from event_platform_tests.support.fidelity import lost
from event_platform_tests.support.world import MONDAY, World, noon, rows, write_catalog

STREAMS = (*aws.STREAMS, *analytics.STREAMS, *services.STREAMS, *standards.STREAMS, *security.STREAMS)


def test_the_page_shows_an_envelope_of_each_stream() -> None:
    """In the same order, and of no other."""
    assert list(documented_envelopes()) == [stream.title for stream in STREAMS]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.title)
def test_a_stream_becomes_tables(tmp_path: Path, stream: Stream) -> None:
    """With the envelope of the page and a catalog that was drafted: every field of every record is found again."""
    world = World(tmp_path, schemas={}, envelope=stream.envelope)
    land(world, stream)
    totals = built(world)
    assert totals["corrupt_by_reason"] == stream.corrupt
    assert totals["duplicates"] == {"redelivery": stream.redelivered, "conflict": 0}
    assert totals["typed"] == totals["deduplicated"] == len(stream.records)
    assert found_again(world, stream.records) == stream.records.keys()


#: What `init` finds where the page says what a sample cannot: which of several times is meant, a name for a stream of
#: one type, an id of three fields. It is as good: no record is lost, and none is there twice.
FOUND: dict[str, dict[str, Any]] = {
    "CloudWatch Logs by Firehose": {
        "context": ["messageType", "owner", "logGroup", "logStream", "subscriptionFilters", "timestamp", "id"]
    },
    "SNS": {"context": ["Type", "MessageId", "TopicArn", "Timestamp"]},
    "VPC flow logs in Parquet": {"event_name": {"constant": "event"}},
    "Snowplow": {"created_at": {"field": "dvce_created_tstamp", "unit": "iso8601"}},
    "CloudEvents": {"event_uuid": ["id", "source"]},
    "Debezium": {"event_uuid": {"hash": "body"}, "created_at": {"field": "ts_ms", "unit": "ms"}},
    "OpenTelemetry logs": {"event_name": {"constant": "event"}},
    "Kubernetes audit": {
        "event_name": ["objectRef.resource", "verb"],
        "created_at": {"field": "requestReceivedTimestamp", "unit": "iso8601"},
    },
    "Windows events": {"event_uuid": {"hash": "body"}},
}


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.title)
def test_init_finds_the_envelope(tmp_path: Path, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what has landed, without a question; where it is another one than the page has, tables are made with it."""
    world = World(tmp_path, schemas={}, envelope=None)
    land(world, stream)
    monkeypatch.chdir(tmp_path)
    use(monkeypatch, world)
    result = CliRunner().invoke(main, ["init", "--yes"])
    assert result.exit_code == 0, result.output
    expected = write_catalog(tmp_path / "expected", {}, stream.envelope | FOUND.get(stream.title, {}))
    assert world.catalog.envelope == load_envelope(expected / "envelope.yaml")
    if stream.title in FOUND:
        totals = built(world)
        assert totals["corrupt_by_reason"] == stream.corrupt
        assert totals["typed"] == len(stream.records)


def built(world: World) -> dict[str, Any]:
    """Draft the catalog and build the tables; return the totals, which balance."""
    assert draft_catalog(world.environment, world.root / "catalog", None, force=False) == 0
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY)
    totals = lake_totals(world.lake, world.catalog)
    assert totals["balanced"]
    return totals


def land(world: World, stream: Stream) -> None:
    """Land the objects under their names, at noon: some names have no date."""
    for name, data in stream.objects.items():
        path = world.root / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (noon(MONDAY), noon(MONDAY)))


def found_again(world: World, records: Mapping[str, Record]) -> set[str]:
    """Compare each typed row with the record of its id; return the ids."""
    catalog, lake = world.catalog, world.lake
    ids = set()
    for event_type in catalog.event_types:
        for row in rows(lake.event_table(event_type), "event_uuid").iter_rows(named=True):
            record = records[row["event_uuid"]]
            assert row["event_name"] == name_of(record, catalog.envelope)
            assert row["created_datetime"] == moment_of(record, catalog.envelope)
            payload = {field: value for field, value in record.items() if field not in catalog.envelope.consumed}
            assert lost(payload, row, event_type.columns) == [], row["event_uuid"]
            ids.add(row["event_uuid"])
    return ids


def name_of(record: Record, envelope: Envelope) -> str:
    """Return the parts of a record's name that are there, joined."""
    parts = [str(part) for path in envelope.event_name if (part := value_at(record, path)) is not None]
    return ":".join([envelope.name_prefix, *parts] if envelope.name_prefix else parts)


def moment_of(record: Record, envelope: Envelope) -> datetime:
    """Return when a record was created, to the microsecond."""
    written = value_at(record, envelope.created_at)
    if envelope.unit.per_second is None:
        moment = datetime.fromisoformat(written)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    microseconds = round(Fraction(str(written)) * 1_000_000 / envelope.unit.per_second)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def value_at(record: Record, path: FieldPath) -> Any:
    """Return the value of a field, None where it is absent."""
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
