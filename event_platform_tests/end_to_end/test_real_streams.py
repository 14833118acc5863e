"""Two real streams, each with a catalog drafted from it: every field of every record is found again.

They are in a folder `shared/data` beside the project, and not part of it.
"""

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from event_platform.checks import conformance
from event_platform.cli.main import main
from event_platform.environment import load_environment
from event_platform.events.catalog import load_catalog
from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.storage.storage import Storage
from event_platform_tests.support.command import DONE
from event_platform_tests.support.fidelity import lost

STREAMS = Path(__file__).parents[3] / "shared" / "data"

GITHUB: dict[str, Any] = {
    "event_uuid": "id",
    "event_name": ["type", "payload.action"],
    "created_at": {"field": "created_at", "unit": "iso8601"},
}
CLOUDTRAIL: dict[str, Any] = {
    "event_uuid": "eventID",
    "event_name": ["eventSource", "eventName"],
    "created_at": {"field": "eventTime", "unit": "iso8601"},
}

pytestmark = pytest.mark.skipif(not STREAMS.is_dir(), reason="the real streams are not beside the project")


@pytest.mark.parametrize(("stream", "envelope"), [("github", GITHUB), ("cloudtrail", CLOUDTRAIL)])
def test_init_finds_the_envelope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str, envelope: dict[str, Any]
) -> None:
    """From a sample of each stream, without a question."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["init", "--yes", "--landing", str(STREAMS / stream / "landing")])
    assert result.exit_code == 0, result.output
    assert yaml.safe_load((tmp_path / "catalog" / "envelope.yaml").read_text()) == envelope


@pytest.mark.parametrize(
    ("stream", "envelope", "start", "every", "landed", "names"),
    [
        pytest.param("github", GITHUB, "2017-07-01", 4, 3_042, 16, id="github"),
        pytest.param("cloudtrail", CLOUDTRAIL, "2023-07-01", 1, 2_900, 262, id="cloudtrail"),
    ],
)
def test_every_field_of_every_record_is_found_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stream: str,
    envelope: dict[str, Any],
    start: str,
    every: int,
    landed: int,
    names: int,
) -> None:
    """Drafted, checked and run by the commands; each record is then compared with its row, and no check fails.

    Of the longer stream each fourth record, and those that are rare or long: it has all of the names, and the longest.
    """
    landing = STREAMS / stream / "landing" if every == 1 else sliced(STREAMS / stream / "landing", tmp_path, every)
    monkeypatch.setenv("EVENT_PLATFORM_LANDING", str(landing))
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("EVENT_PLATFORM_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("EVENT_PLATFORM_START_DATE", start)
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "envelope.yaml").write_text(yaml.safe_dump(envelope), encoding="utf-8")
    for command in (["catalog", "draft"], ["catalog", "check"], ["run"]):
        outcome = CliRunner().invoke(main, command)
        assert outcome.exit_code in DONE, outcome.output
    environment = load_environment()
    catalog = load_catalog(environment.catalog)
    totals = lake_totals(Lake(Storage(environment.lake)), catalog)
    assert totals["balanced"]
    assert (totals["landed"], totals["typed"], totals["event_tables"]) == (landed, landed, names)
    assert (totals["corrupt"], totals["unregistered"], totals["duplicates"]) == (0, 0, {"redelivery": 0, "conflict": 0})
    records = landed_records(landing, envelope["event_uuid"])
    for event_type in catalog.event_types:
        for row in pl.scan_delta(f"{environment.lake}/events/{event_type.key}").collect().iter_rows(named=True):
            record = records.pop(row["event_uuid"])
            created_at = datetime.fromisoformat(record[envelope["created_at"]["field"]])
            assert (row["event_name"], row["created_datetime"]) == (event_type.name, created_at)
            payload = {field: value for field, value in record.items() if field not in catalog.envelope.consumed}
            assert lost(payload, row, event_type.columns) == [], row["event_uuid"]
        if event_type.name == "ReleaseEvent:published":
            payloads = pl.scan_delta(f"{environment.lake}/events/{event_type.key}").select("payload").collect()
            releases = payloads.to_series().struct.field("release")
            assert releases.struct.field("assets").list.len().sort().to_list() == [0, 0, 0, 2]
        table = Lake(Storage(environment.lake)).table(f"events/{event_type.key}").snapshot()
        figures = conformance.check_dates(event_type, table, sorted(table.rows_by_date()))
        assert [verdict.description for _, verdict in figures if not verdict.passed] == []
    assert not records


def sliced(landing: Path, folder: Path, every: int) -> Path:
    """Land some of the records of each object in `folder` as well; return where."""
    for path in landing.rglob("*.gz"):
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        taken = [line for number, line in enumerate(lines) if number % every == 0 or is_rare(line)]
        copy = folder / "landing" / path.relative_to(landing)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(gzip.compress(b"".join(taken), compresslevel=1))
    return folder / "landing"


def is_rare(line: bytes) -> bool:
    """Say whether there is hardly another record like it."""
    return len(line) > 60_000 or b'"ReleaseEvent"' in line or b'"MemberEvent"' in line


def landed_records(landing: Path, identifier: str) -> dict[str, dict[str, Any]]:
    """Return the records as they landed, by their identifier."""
    lines = [line for path in sorted(landing.rglob("*.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return {record[identifier]: record for record in map(json.loads, lines)}
