"""What `event-platform metrics` exposes, and that it says so where something is wrong."""

import logging
import shutil
import socket
import sys
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo
from deltalake import DeltaTable
from prometheus_client import CollectorRegistry, generate_latest

from event_platform.checks.thresholds import DEFAULT_THRESHOLDS
from event_platform.defs.instance.opening import open_instance
from event_platform.events.corruption import CorruptionReason
from event_platform.events.event import DuplicateKind
from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.metrics import collector
from event_platform.metrics.check_samples import check_samples
from event_platform.metrics.collector import PlatformCollector
from event_platform.metrics.gauges import Gauge, Sample, Samples
from event_platform.metrics.lake_samples import landing_samples
from event_platform.metrics.run_samples import run_samples
from event_platform_tests.metrics.conftest import Built, Scrape, environment_of, scrape
from event_platform_tests.support.command import call, start, use, use_copy
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, noon

START = date(2025, 1, 1)

pytestmark = pytest.mark.xdist_group("metrics")


@pytest.fixture(scope="module")
def served(built: Built) -> Iterator[tuple[int, Scrape]]:
    """The port of a running exporter, and what it answered."""
    process = start(environment_of(built), "metrics", "--port", "0")
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if line.startswith("Serving metrics on "))
        url = line.removeprefix("Serving metrics on ").strip()
        with urllib.request.urlopen(url, timeout=300) as response:  # noqa: S310 - our own http address
            assert response.headers["Content-Type"].startswith("text/plain; version=")
            yield int(url.split(":")[2].partition("/")[0]), Scrape(response.read().decode())
    finally:
        process.kill()  # it only reads
        process.communicate()


def test_a_scrape_over_http_has_the_totals_of_the_lake(built: Built, served: tuple[int, Scrape]) -> None:
    """Those of `status`, by reason, kind and table; what there is none of is 0."""
    totals, (_, found) = lake_totals(built.world.lake, built.world.catalog), served
    names = {"landed": "landed_records", "sound": "sound_records", "deduplicated": "deduplicated_events"}
    names |= {"typed": "typed_events", "unregistered": "unregistered_events"}
    assert {name: found.value(metric) for name, metric in names.items()} == {name: totals[name] for name in names}
    reasons = {reason: found.value("corrupt_records", reason) for reason in CorruptionReason}
    assert reasons == dict.fromkeys(CorruptionReason, 0) | totals["corrupt_by_reason"]
    assert {kind: found.value("duplicate_records", kind) for kind in DuplicateKind} == totals["duplicates"]
    assert {found.value("balanced", layer) for layer in ("raw", "deduplicated", "typed")} == {1}
    assert {found.value("up", source) for source in ("lake", "landing", "checks", "dagster")} == {1}


def test_a_scrape_has_the_size_and_the_age_of_each_table(built: Built, served: tuple[int, Scrape]) -> None:
    """Ages are given as times, of the last commit and of the newest event; a table without rows has a size of 0."""
    _, found = served
    lake, catalog = built.world.lake, built.world.catalog
    for table in lake.tables(catalog.event_types):
        snapshot = table.snapshot()
        assert found.value("table_rows", table.name) == sum(snapshot.rows_by_date().values())
        assert found.value("table_size_bytes", table.name) == sum(file.size for file in snapshot.files())
        assert found.value("table_files", table.name) == len(snapshot.files())
        if snapshot.delta is not None:
            committed = snapshot.delta.history(1)[0]["timestamp"] / 1000
            assert found.value("table_last_commit_timestamp_seconds", table.name) == committed
    assert found.value("table_newest_event_timestamp_seconds", "events/lesson_started") == noon(TUESDAY)
    assert found.value("table_rescued_rows", "events/lesson_started") == 2
    assert found.value("table_rescued_rows", "events/account_created") == 0
    assert found.value("table_rescued_rows", "raw_events") is None


def test_only_this_machine_reaches_the_exporter(served: tuple[int, Scrape]) -> None:
    """127.0.0.2 is another address of it, which a server on all addresses answers, too."""
    port, _ = served
    socket.create_connection(("127.0.0.1", port), timeout=60).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=60)


def test_a_killed_run_is_seen(built: Built) -> None:
    """Nobody has to push anything for it: the run has not ended, and what it loaded is due and does not balance."""
    killed = built.after_kill
    assert killed.value("runs", "started") == 1
    assert killed.value("oldest_run_timestamp_seconds") is not None
    assert killed.value("table_last_commit_timestamp_seconds", "deduplicated_events") is None
    assert (killed.value("balanced", "raw"), killed.value("balanced", "deduplicated")) == (1, 0)
    assert killed.value("balance_difference_records", "deduplicated") == killed.value("sound_records") == 5
    assert killed.value("due_partitions", "platform") == 1
    later = scrape(built.world, built.home)
    assert later.value("due_partitions", "platform") == 0
    loaded, built_at = (each.value("last_run_timestamp_seconds", "success") for each in (killed, later))
    assert loaded is not None  # the run before, which raw_events is loaded by
    assert built_at is not None
    assert built_at > loaded
    assert later.value("last_run_duration_seconds", "success")


@pytest.fixture
def copy(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of the world, which a test may break."""
    return use_copy(monkeypatch, built.world, tmp_path / "copy")


def test_rows_that_somebody_deletes_are_seen(copy: World) -> None:
    """The days that miss them do not balance, and are due."""
    DeltaTable(copy.lake.deduplicated_events.uri).delete("event_name = 'account:created'")
    found = scrape(copy)
    assert (found.value("balanced", "deduplicated"), found.value("balanced", "typed")) == (0, 0)
    assert found.value("balance_difference_records", "deduplicated") == 2
    assert found.value("due_partitions", "platform") == 2


def test_a_lake_that_cannot_be_read_is_reported_once_until_it_can_be_read(
    copy: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metrics are absent, rather than those of an earlier scrape; landing is still compared with the ledger."""
    monkeypatch.setattr(collector, "_KEPT", -1)
    registry, log = CollectorRegistry(), Path(copy.event_table("lesson_started").uri) / "_delta_log"
    registry.register(PlatformCollector(copy.environment, copy.catalog, DEFAULT_THRESHOLDS, None))
    log.rename(log.with_name("hidden"))
    log.mkdir()
    (log / f"{0:020}.json").write_text("{\u202e", encoding="utf-8")
    with caplog.at_level(logging.WARNING, collector.LOG.name):
        broken = [Scrape(generate_latest(registry).decode()) for _ in range(2)]
        shutil.rmtree(log)
        log.with_name("hidden").rename(log)
        repaired = Scrape(generate_latest(registry).decode())
    for found in broken:
        assert (found.value("up", "lake"), found.value("up", "landing")) == (0, 1)
        assert found.value("landed_records") is None
        assert found.value("waiting_objects") == 0
    assert (repaired.value("up", "lake"), repaired.value("landed_records")) == (1, 12)
    messages = [record.getMessage() for record in caplog.records if record.name == collector.LOG.name]
    assert len(messages) == 2
    assert "lesson_started" in messages[0]
    assert messages[1] == "lake: can be read again"
    assert all(message.isprintable() for message in messages)


def test_records_that_cannot_be_opened_hide_no_lake(copy: World, tmp_path: Path) -> None:
    """Nor does it take DAGSTER_HOME."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("storage: {nowhere: 1}", encoding="utf-8")
    found = scrape(copy, tmp_path / "home")
    assert (found.value("up", "lake"), found.value("up", "dagster")) == (1, 0)
    assert scrape(copy).value("up", "dagster") is None


def test_an_object_that_waits_is_counted(copy: World) -> None:
    """Of today and yesterday: landing is not listed from its first day on. And what cannot be loaded is counted."""
    for day, name in ((MONDAY, "c"), (TUESDAY, "d"), (MONDAY.replace(month=5), "e")):
        copy.deliver(day, name, "{broken")
    (copy.root / "landing" / f"{TUESDAY:%Y/%m/%d}" / "dangling").symlink_to("nowhere")
    samples = {each.gauge: each.value for each in landing_samples(copy.lake, copy.landing, MONDAY, TUESDAY)}
    assert samples == {Gauge.WAITING: 2, Gauge.LEFT_OUT: 1}


def test_a_failed_check_is_counted_by_day(built: Built) -> None:
    """Those of the last week, also of a day on which nothing sound arrived."""
    lake, catalog = built.world.lake, built.world.catalog
    counted = {each.labels: each.value for each in check_samples(lake, catalog, DEFAULT_THRESHOLDS, START, TUESDAY)}
    assert counted == {
        ("error", "raw_events", "corruption_rate"): 2,
        ("warn", "deduplicated_events", "duplicate_rate"): 2,
        ("warn", "unregistered_events", "unregistered_names"): 2,
        ("warn", "events/lesson_started", "schema_conformance"): 2,
    }
    week_later = MONDAY + timedelta(days=7)
    assert {each.value for each in check_samples(lake, catalog, DEFAULT_THRESHOLDS, START, week_later)} == {1}
    assert not [*check_samples(lake, catalog, DEFAULT_THRESHOLDS, START, week_later + timedelta(days=1))]


def test_a_day_without_a_report_has_a_failed_check(copy: World) -> None:
    """Nothing sound arrived on it."""
    copy.deliver(WEDNESDAY, "a", "{broken")
    copy.load(WEDNESDAY)
    (counted,) = (
        each.value
        for each in check_samples(copy.lake, copy.catalog, DEFAULT_THRESHOLDS, START, WEDNESDAY)
        if each.labels == ("error", "raw_events", "corruption_rate")
    )
    assert counted == 3


def test_no_label_comes_from_data(built: Built) -> None:
    """Names of events that the catalog lacks, and texts that somebody wrote into a table, are no labels."""
    tables = {table.name for table in built.world.lake.tables(built.world.catalog.event_types)}
    closed: dict[str, set[str]] = {
        "source": {"lake", "landing", "checks", "dagster"},
        "layer": {"raw", "deduplicated", "typed"},
        "scope": {"corrupt_events", "platform", "event_tables", "quality_report", "own"},
        "reason": set(CorruptionReason),
        "kind": set(DuplicateKind),
        "table": tables,
        "status": {status.value.lower() for status in dg.DagsterRunStatus},
    }
    found = scrape(built.world, built.home)
    assert "beta" not in found.text
    for labels in found.labels.values():
        for name, values in labels.items():
            assert values <= closed[name]


def test_a_reason_that_is_none_is_no_label(copy: World) -> None:
    """Whoever writes to a table of the lake by other means chooses no label of a metric."""
    table = DeltaTable(copy.lake.corrupt_events.uri)
    table.update(new_values={"corruption_reason": "beta"}, predicate=f"arrival_date = '{MONDAY}'")
    found = scrape(copy)
    assert found.value("corrupt_records", "not_json") == 1
    assert found.labels["event_platform_corrupt_records"]["reason"] == set(CorruptionReason)


def test_the_last_tick_of_each_sensor_is_exposed(tmp_path: Path) -> None:
    """With its time, and whether it failed. One that is at work, or has not ticked yet, does not count."""
    with open_instance(str(tmp_path), "lake") as instance:
        tick(instance, "landing_sensor", (100.0, TickStatus.FAILURE), (200.0, TickStatus.SKIPPED))
        tick(instance, "alerts_sensor", (150.0, TickStatus.FAILURE), (180.0, TickStatus.STARTED))
        tick(instance, "changed_dates_sensor")
        samples = {(each.gauge, *each.labels): each.value for each in run_samples(instance)}
    found = {each: value for each, value in samples.items() if each[0] in {Gauge.TICK, Gauge.TICK_FAILED}}
    assert found == {
        (Gauge.TICK, "landing_sensor"): 200,
        (Gauge.TICK_FAILED, "landing_sensor"): 0,
        (Gauge.TICK, "alerts_sensor"): 150,
        (Gauge.TICK_FAILED, "alerts_sensor"): 1,
    }


def tick(instance: dg.DagsterInstance, name: str, *ticks: tuple[float, TickStatus]) -> None:
    """Record a sensor and its ticks, as the daemon does."""
    location = RegisteredCodeLocationOrigin("event_platform")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    data = SensorInstigatorData(min_interval=30)
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(state)
    for moment, status in ticks:
        known = (state.instigator_origin_id, name, InstigatorType.SENSOR, status, moment)
        error = SerializableErrorInfo("it failed", [], None) if status is TickStatus.FAILURE else None
        instance.create_tick(TickData(*known, error=error, selector_id=state.selector_id))


def test_two_servers_that_scrape_cost_as_much_as_one(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read some seconds ago is exposed again."""
    reads = list[Lake]()

    def read(lake: Lake, *_: object) -> Samples:
        reads.append(lake)
        return [Sample(Gauge.LANDED, len(reads))]

    monkeypatch.setattr(collector, "lake_samples", read)
    registry = CollectorRegistry()
    registry.register(PlatformCollector(built.world.environment, built.world.catalog, DEFAULT_THRESHOLDS, None))
    monkeypatch.setattr(collector, "_KEPT", 3600)
    assert generate_latest(registry) == generate_latest(registry)
    assert len(reads) == 1


def test_metrics_are_printed_once(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the textfile collector of node_exporter."""
    use(monkeypatch, built.world)
    printed = Scrape(call("metrics", "--once"))
    assert printed.value("landed_records") == 12


def test_what_metrics_lack_is_said(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is in use, and the library that is an extra."""
    use(monkeypatch, built.world)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = " ".join(call("metrics", "--port", str(port), code=2).split())
        assert f"127.0.0.1:{port}: Address already in use; choose another port with --port" in message
    monkeypatch.delitem(sys.modules, "event_platform.cli.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert "pip install 'event-platform[metrics]'" in call("metrics", "--once", code=2)
