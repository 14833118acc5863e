"""People are told of what fails: once, whoever they are, whatever is in the way, and in words they can act upon."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster import DagsterEvent, DagsterEventType
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from deltalake import DeltaTable, write_deltalake

from event_platform.definitions import build_definitions
from event_platform.events.errors import SettingError
from event_platform.operations.causes import CAUSES
from event_platform_tests.mail import Hook, mail_server, web_hook
from event_platform_tests.world import MONDAY, SCHEMAS, TUESDAY, World, event

LESSON = "events/lesson_started"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A team owns one of the event types."""
    return World(tmp_path, {**SCHEMAS, "lesson_started": {**SCHEMAS["lesson_started"], "x-owner": "team:learning"}})


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web hook that takes everything."""
    with web_hook() as hook:
        yield hook


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Dagster, with nothing recorded."""
    return dg.DagsterInstance.ephemeral()


class Alerts:
    """The sensor, tick after tick, as the daemon evaluates it."""

    def __init__(self, world: World, instance: dg.DagsterInstance, *urls: str) -> None:
        """Begin without a cursor."""
        self.environment = replace(world.environment, alert_urls=urls)
        self.world, self.instance = world, instance
        self.cursor: str | None = None

    def tick(self) -> str:
        """Evaluate it once; return what it says."""
        definitions = build_definitions(self.environment, self.world.catalog)
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=definitions)
        data = definitions.resolve_sensor_def("alerts_sensor").evaluate_tick(context)
        self.cursor = data.cursor
        return data.skip_message or ""

    def wait_over(self) -> None:
        """Let the time pass that an address which failed is left alone."""
        memory = json.loads(self.cursor or "{}")
        for waiting in memory["outbox"].values():
            waiting["not_before"] = 0
        self.cursor = json.dumps(memory)


def fail(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Materialize Monday and Tuesday with a lesson whose level is no number."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"{day}", day, "lesson:started", user="usr_1", level="<b>@channel"))
    return world.materialize(MONDAY, TUESDAY, instance=instance)


def mend(world: World, instance: dg.DagsterInstance) -> None:
    """Land both objects again, as they should have been."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"{day}", day, "lesson:started", user="usr_1", level=1))
    world.materialize(MONDAY, TUESDAY, instance=instance)


def test_a_failed_check_is_told_with_figures_partitions_cause_and_link(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """One message for a run and an asset, however many partitions failed."""
    run = fail(world, instance)
    assert Alerts(world, instance, hook.url).tick() == "1 messages sent"
    (message,) = hook.messages
    assert (message["title"], message["type"]) == (f"[local] WARN {LESSON}: schema_conformance failed", "warning")
    assert message["message"].splitlines() == [
        "WARN schema_conformance on 2025-06-02 to 2025-06-03",
        "  1 x rescued: level (2025-06-03)",
        f"  Likely cause: {CAUSES['schema_conformance']}",
        f"http://127.0.0.1:3000/runs/{run.run_id}",
    ]


def test_a_check_that_goes_on_failing_is_told_once_and_so_is_its_recovery(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """However often it is evaluated in between."""
    alerts = Alerts(world, instance, hook.url)
    for _ in range(3):
        fail(world, instance)
        alerts.tick()
        alerts.tick()
    mend(world, instance)
    alerts.tick()
    world.materialize(MONDAY, TUESDAY, instance=instance)
    alerts.tick()
    assert hook.titles == [
        f"[local] WARN {LESSON}: schema_conformance failed",
        f"[local] RECOVERED {LESSON}: schema_conformance passes again",
    ]
    assert hook.messages[1]["message"].splitlines()[0] == "schema_conformance passes again on 2025-06-02 to 2025-06-03"


def test_a_blocking_check_is_told_and_its_run_not_once_more(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """The message about the check says it all."""
    world.deliver(MONDAY, "a", event("u1"), event("u2"))
    world.build(MONDAY)
    DeltaTable(world.lake.raw_events.uri).delete("event_uuid = 'u1'")
    checks = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("raw_events"), "conservation"))
    world.materialize(MONDAY, selection=checks, instance=instance, raise_on_error=False)
    Alerts(world, instance, hook.url).tick()
    assert hook.titles == ["[local] ERROR raw_events: conservation failed"]
    assert "1 objects have lost or repeated a record" in hook.messages[0]["message"]


def test_an_asset_that_fails_is_told_with_its_error(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """Somebody else's table is where it should be."""
    table = world.event_table("lesson_started")
    write_deltalake(table.uri, pl.DataFrame({"created_date": [MONDAY], "level": [1.5]}), partition_by=["created_date"])
    world.deliver(MONDAY, "a", event("l1", MONDAY, "lesson:started", user="usr_1"))
    world.materialize(MONDAY, instance=instance, raise_on_error=False)
    Alerts(world, instance, hook.url).tick()
    assert f"[local] ERROR {LESSON}: not materialized" in hook.titles
    assert "the table has double, the catalog says long" in hook.messages[0]["message"]


def test_a_run_that_was_killed_is_told(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """No step of it has said anything."""
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    instance.report_run_failed(run, "the run worker unexpectedly exited")
    Alerts(world, instance, hook.url).tick()
    assert hook.titles == ["[local] ERROR run failed: run"]
    assert hook.messages[0]["message"].startswith("run: the run worker unexpectedly exited\n")


def test_missed_freshness_is_told_and_so_is_its_end(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """As the daemon records it."""
    alerts = Alerts(world, instance, hook.url)
    states = [FreshnessState.PASS, FreshnessState.WARN, FreshnessState.FAIL, FreshnessState.FAIL, FreshnessState.PASS]
    for before, after in zip([FreshnessState.UNKNOWN, *states], states, strict=False):
        change = FreshnessStateChange(
            key=dg.AssetKey("raw_events"), previous_state=before, new_state=after, state_change_timestamp=1.0
        )
        instance._report_runless_asset_event(change)
        alerts.tick()
    assert hook.titles == [
        "[local] WARN raw_events: not fresh",
        "[local] ERROR raw_events: not fresh",
        "[local] RECOVERED raw_events: fresh again",
    ]


def test_text_from_events_is_no_markup_and_mentions_nobody(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """Names of fields are quoted in messages."""
    field = "<!channel> @everyone [x](http://x) `\u202e"
    world.deliver(MONDAY, "a", event("l1", MONDAY, "lesson:started", user="usr_1", **{field: 1}))
    world.materialize(MONDAY, instance=instance)
    Alerts(world, instance, hook.url).tick()
    assert "1 x unknown field: (!channel) @\u2060everyone (x)(http://x) '" in hook.messages[0]["message"]


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ("", True),
        ("warn=", True),
        ("error=", False),
        ("team:learning=", True),
        ("team:learning,warn=", True),
        ("team:learning,error=", False),
        ("team:payment=", False),
    ],
)
def test_alerts_are_routed_by_severity_and_owner(
    world: World, instance: dg.DagsterInstance, hook: Hook, tags: str, told: bool
) -> None:
    """Of a check of the learning team that warns; their other address takes everything."""
    fail(world, instance)
    with web_hook() as other:
        alerts = Alerts(world, instance, f"{tags}{hook.url}", f"team:learning={other.url}")
        alerts.tick()
        mend(world, instance)
        alerts.tick()
        assert (len(hook.messages), len(other.messages)) == (2 if told else 0, 2)


def test_an_owner_without_an_address_does_not_silence_an_alert(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """It goes to everybody."""
    fail(world, instance)
    Alerts(world, instance, f"team:payment={hook.url}").tick()
    assert len(hook.messages) == 1


def test_an_address_that_cannot_be_reached_gets_its_alerts_later(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """The others do not wait for it, and get nothing twice."""
    fail(world, instance)
    with web_hook() as other:
        other.status = 500
        alerts = Alerts(world, instance, hook.url, other.url)
        assert alerts.tick() == "1 messages sent; 1 addresses cannot be reached: tried again later"
        assert alerts.tick() == "0 messages sent; 1 addresses cannot be reached: tried again later"
        other.status = 200
        alerts.wait_over()
        assert alerts.tick() == "1 messages sent"
        assert hook.titles == other.titles == [f"[local] WARN {LESSON}: schema_conformance failed"]


def test_what_waits_for_an_address_that_was_wrong_goes_to_the_right_one(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    """Somebody has mended the setting."""
    fail(world, instance)
    alerts = Alerts(world, instance, "json://127.0.0.1:1/nobody")
    alerts.tick()
    alerts.environment = replace(alerts.environment, alert_urls=(hook.url,))
    assert alerts.tick() == "1 messages sent"


def test_a_tick_that_was_killed_tells_it_again(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """Its cursor was not stored: an alert comes twice, rather than not."""
    fail(world, instance)
    alerts = Alerts(world, instance, hook.url)
    alerts.tick()
    alerts.cursor = None
    alerts.tick()
    assert len(hook.messages) == 2


@pytest.mark.parametrize("cursor", ["nonsense", "{}", '{"since": 0, "version": 99}', '{"since": "never"}'])
def test_a_cursor_that_cannot_be_read_loses_nothing_and_is_told(
    world: World, instance: dg.DagsterInstance, hook: Hook, cursor: str
) -> None:
    """The last day is news again."""
    fail(world, instance)
    alerts = Alerts(world, instance, hook.url)
    alerts.cursor = cursor
    assert "alerts of the last day are sent again" in alerts.tick()
    assert len(hook.messages) == 1


@pytest.mark.parametrize("url", ["slak://token-of-ours", "hello", "error=", "json://"])
def test_a_wrong_url_is_told_without_its_secrets_and_the_others_are_used(
    world: World, instance: dg.DagsterInstance, hook: Hook, url: str
) -> None:
    """Where no other is left, the tick fails, and what it would have told is not lost."""
    fail(world, instance)
    alerts = Alerts(world, instance, url)
    with pytest.raises(SettingError, match=r"EVENT_PLATFORM_ALERT_URLS: entry 1 \(") as raised:
        alerts.tick()
    assert "token-of-ours" not in str(raised.value)
    alerts.environment = replace(alerts.environment, alert_urls=(hook.url, url))
    assert alerts.tick().startswith("1 messages sent; EVENT_PLATFORM_ALERT_URLS: entry 2 (")
    assert len(hook.messages) == 1


def test_urls_are_never_shown(world: World) -> None:
    """They hold passwords."""
    environment = replace(world.environment, alert_urls=("mailto://me:secret@example.com",))
    assert "secret" not in repr(environment)


def test_ten_thousand_failures_at_once_are_one_message(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """It counts them, and names the worst."""
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    for number, day in product(range(100), range(100)):
        partition = (MONDAY + timedelta(days=day)).isoformat()
        found = dg.AssetCheckEvaluation(
            dg.AssetKey(["events", f"t{number:03d}"]), "volume", passed=False, partition=partition
        )
        said = DagsterEvent(DagsterEventType.ASSET_CHECK_EVALUATION.value, "any", event_specific_data=found)
        instance.report_dagster_event(said, run.run_id)
    instance.report_dagster_event(DagsterEvent(DagsterEventType.RUN_SUCCESS.value, "any"), run.run_id)
    alerts = Alerts(world, instance, hook.url)
    assert alerts.tick() == "1 messages sent"
    (message,) = hook.messages
    assert message["title"] == "[local] ERROR 10,000 findings at once"
    lines = message["message"].splitlines()
    assert lines[:2] == ["Too many to tell one by one: 100 error", "ERROR events/t000: volume failed (100)"]
    assert lines[-2:] == [f"Runs: {run.run_id}", f"http://127.0.0.1:3000/runs/{run.run_id}"]
    assert len(lines) < 20
    assert len(alerts.cursor or "") < 30_000


def test_alerts_come_by_mail(world: World, instance: dg.DagsterInstance) -> None:
    """As by any other of the services that apprise knows."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fail(world, instance)
    with mail_server(port) as inbox:
        url = f"mailto://{inbox.host}?from=platform@example.com&to=ann@example.com"
        assert Alerts(world, instance, url).tick() == "1 messages sent"
    (letter,) = inbox.letters
    assert letter["Subject"] == f"[local] WARN {LESSON}: schema_conformance failed"
    assert "1 x rescued: level" in letter.as_string()


def test_without_urls_nothing_is_sent_and_the_sensor_says_so(world: World, instance: dg.DagsterInstance) -> None:
    """Failures are in the UI all the same."""
    fail(world, instance)
    assert Alerts(world, instance).tick().startswith("EVENT_PLATFORM_ALERT_URLS is not set")
