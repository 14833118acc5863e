"""Runs publish their tables in the Iceberg catalog, and never fail over it; the rest is published later."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from event_platform.checks.faults import Fault
from event_platform.defs.alerts.sensor import finding_of
from event_platform.defs.alerts.wording import check_alerts
from event_platform.defs.checks.publication import PUBLISHED
from event_platform.doctor.finding import Verdict
from event_platform.doctor.iceberg import check_iceberg
from event_platform.doctor.settings import read_settings
from event_platform.environment import Environment
from event_platform.lake.tables import Table
from event_platform.metrics.gauges import Gauge
from event_platform.publishing.iceberg import IcebergCatalog
from event_platform_tests.defs.automation.requests.ticking import reconcile, said, tick
from event_platform_tests.metrics.conftest import scrape
from event_platform_tests.support.command import call, use
from event_platform_tests.support.world import MONDAY, World, event

PAGE = Path(__file__).parents[2] / "docs/how-to/iceberg.md"
TABLES = {"raw_events", "corrupt_events", "deduplicated_events", "duplicate_events", "unregistered_events"}
EVENT_TABLES = {"events/account_created", "events/lesson_started", "events/payment_order_completed"}
EVERYTHING = {*TABLES, *EVENT_TABLES, "quality_report"}
RAW = dg.AssetSelection.assets("raw_events", "corrupt_events")


class PublishingWorld(World):
    """A world whose tables are published in a catalog in a file of the lake."""

    @property
    def environment(self) -> Environment:
        """The local environment, with a catalog."""
        return replace(super().environment, iceberg="sql")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that publishes, also by commands."""
    world = PublishingWorld(tmp_path / "world")
    use(monkeypatch, world)
    monkeypatch.setenv("EVENT_PLATFORM_ICEBERG", "sql")
    return world


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with all tables built and none published, as after a run that was killed after its last commit."""
    world = World(tmp_path_factory.mktemp("built"))
    world.deliver(MONDAY, "a", event("u1"), event("l1", name="lesson:started", user="usr_1"))
    world.build(MONDAY)
    return PublishingWorld(world.root)


def unavailable(world: World) -> Path:
    """Have a file where the folder of the catalog is, and return it: the catalog cannot be opened."""
    folder = world.root / "lake" / "_iceberg"
    if folder.is_dir():
        folder.rename(world.root / "moved")
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("", encoding="utf-8")
    return folder


def told(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Return the metadata of each materialization about the catalog, by asset."""
    found = {}
    for each in result.get_asset_materialization_events():
        assert each.asset_key is not None
        found[each.asset_key.to_user_string()] = str(each.materialization.metadata["iceberg"].value)
    return found


def check_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    """Return the evaluation of the check."""
    (finding,) = (
        evaluation for evaluation in result.get_asset_check_evaluations() if evaluation.check_name == PUBLISHED.name
    )
    return finding


def add_commit(world: World) -> None:
    """Commit to a table what nobody publishes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PublishingWorld, "environment", World.environment)
        world.materialize(MONDAY, selection=dg.AssetSelection.assets("quality_report"))


def as_json(*arguments: str) -> Any:
    """Call a command with --json, and return what it prints."""
    return json.loads(call(*arguments, "--json").splitlines()[-1])


def iceberg_rows(world: World, table: str) -> pl.DataFrame:
    """Read a table as somebody does who has pyiceberg and the catalog."""
    catalog = SqlCatalog("event_platform", uri=f"sqlite:///{world.root}/lake/_iceberg/catalog.db")
    try:
        return catalog.load_table(f"event_platform.{table.replace('/', '_')}").scan().to_polars()
    finally:
        catalog.close()


def test_a_run_publishes_its_tables_and_what_they_gain(world: World) -> None:
    """Each materialization has the outcome of its table; one check covers all tables."""
    world.deliver(MONDAY, "a", event("u1"), event("l1", name="lesson:started", user="usr_1"))
    first = world.materialize(MONDAY)
    assert told(first) == dict.fromkeys(EVERYTHING, "created")
    assert (check_of(first).passed, check_of(first).description) == (True, "9 tables are published")
    world.deliver(MONDAY, "b", event("u2", plan="free"))
    assert told(world.materialize(MONDAY)) == dict.fromkeys(EVERYTHING, "caught up")
    assert iceberg_rows(world, "events/account_created")["event_uuid"].sort().to_list() == ["u1", "u2"]


def test_a_run_whose_tables_cannot_be_published_succeeds_and_says_so(world: World) -> None:
    """The tables are written, the check fails with its cause, an alert has it, and the next run publishes them."""
    world.deliver(MONDAY, "a", event("u1"))
    folder = unavailable(world)
    failed = world.materialize(MONDAY)
    assert failed.success
    assert world.events("account_created").height == 1
    assert all(reason.startswith("failed: ") for reason in told(failed).values())
    (alert,) = check_alerts([finding_of(check_of(failed))], failed.run_id, {})
    assert alert.subject == "quality_report: published failed"
    assert "the Iceberg catalog cannot be used" in alert.lines[1]
    assert Fault.UNPUBLISHED_TABLES.remedy in alert.lines[2]
    folder.unlink()
    healed = world.materialize(MONDAY, selection=RAW)
    assert set(told(healed).values()) == {"created"}
    assert "Iceberg: 9 tables, none behind" in call("run")  # what the second run did not write
    assert iceberg_rows(world, "events/account_created").height == 1


def test_what_a_killed_run_left_is_published_by_the_sensor(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It requests a run of the check alone, and so does the daily reconciliation; during a run, it waits."""
    use(monkeypatch, built)
    instance = dg.DagsterInstance.ephemeral()
    for requests in (tick(built, "publishing_sensor", instance).run_requests, reconcile(built, instance).run_requests):
        assert requests
        assert [(request.asset_selection, request.asset_check_keys) for request in requests] == [([], [PUBLISHED.key])]
    job = built.definitions().resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection={PUBLISHED.key})
    assert check_of(alone.execute_in_process(instance=instance)).passed
    assert said(tick(built, "publishing_sensor", instance)) == "Iceberg: 9 tables, none behind"
    assert iceberg_rows(built, "events/lesson_started").height == 1


def test_commands_say_what_is_behind_and_publish_it(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`status`, `doctor` and metrics say so; `publish` ends with 1 where a table cannot be published."""
    use(monkeypatch, built)
    lake = {"EVENT_PLATFORM_LAKE": built.environment.lake, "EVENT_PLATFORM_CATALOG": str(built.environment.catalog)}
    assert "iceberg" not in as_json("status")
    assert check_iceberg(read_settings(lake)).verdict is Verdict.LEFT_OUT
    monkeypatch.setenv("EVENT_PLATFORM_ICEBERG", "sql")
    settings = read_settings({**lake, "EVENT_PLATFORM_ICEBERG": "sql"})
    assert call("publish").splitlines()[-1].startswith(f"sql sqlite:///{built.root}/lake/_iceberg/catalog.db")
    assert check_iceberg(settings).verdict is Verdict.GOOD
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # else polars warns that another one is faster
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(snippet.replace("data/lake", built.environment.lake), {})  # noqa: S102 - our own document
    add_commit(built)
    since = built.lake.quality_report.snapshot().commits_since(-1)[-1]["timestamp"]
    moment = f"{datetime.fromtimestamp(since / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    sentence = f"Iceberg: 9 tables, 1 behind: quality_report by 1 version, since {moment}; run `event-platform publish`"
    assert sentence in call("status")
    (behind,) = as_json("status")["iceberg"]["behind"]
    assert (behind["table"], behind["version"] - behind["published_version"]) == ("quality_report", 1)
    assert sentence in check_iceberg(settings).found
    assert scrape(built).values[Gauge.BEHIND.value.name] == {
        (table,): float(table == "quality_report") for table in EVERYTHING
    }
    published = as_json("publish", "quality_report", "raw_events")["tables"]
    assert [(each["table"], each["outcome"]) for each in published] == [
        ("quality_report", "caught up"),
        ("raw_events", "unchanged"),
    ]
    assert "Iceberg: 9 tables, none behind" in call("status")


def test_a_catalog_that_is_not_there_is_said(world: World) -> None:
    """By each command, without a traceback; `run` has done its work."""
    world.deliver(MONDAY, "a", event("u1"))
    unavailable(world)
    assert "Iceberg: the catalog cannot be read: EVENT_PLATFORM_ICEBERG: sql" in call("run", code=0)
    shown = call("publish", code=1)
    assert "raw_events: " in shown
    assert "9 failed" in shown
    assert as_json("status")["iceberg"]["fault"]
    assert "did you mean raw_events" in call("publish", "raw_event", code=2)


def test_without_a_catalog_nothing_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no check and no sensor, and the command says what is missing."""
    definitions = World(tmp_path).definitions()
    assert PUBLISHED.key not in definitions.resolve_asset_graph().asset_check_keys
    assert "publishing_sensor" not in {sensor.name for sensor in definitions.sensors or []}
    assert "EVENT_PLATFORM_ICEBERG: not set" in call("publish", code=2)


def test_a_vacuum_expires_snapshots_first(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command, and by the job: of every table, before Delta deletes files that Iceberg's snapshots name."""
    use(monkeypatch, built)
    monkeypatch.setenv("EVENT_PLATFORM_ICEBERG", "sql")
    expired = list[tuple[str, bool]]()

    def expire(_: IcebergCatalog, table: Table, __: timedelta, *, dry_run: bool) -> list[str]:
        expired.append((table.name, dry_run))
        return []

    monkeypatch.setattr(IcebergCatalog, "expire", expire)
    call("vacuum", "--dry-run")
    assert built.definitions().resolve_job_def("vacuum").execute_in_process().success
    assert sorted(expired) == [(table, dry_run) for table in sorted(EVERYTHING) for dry_run in (False, True)]
