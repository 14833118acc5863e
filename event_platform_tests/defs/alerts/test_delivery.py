"""Alerts arrive: at whom they are for, whatever is in the way, and never as a flood."""

import socket
from dataclasses import replace
from datetime import timedelta
from itertools import product

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType

from event_platform.events.errors import SettingError
from event_platform_tests.defs.alerts.ticking import LESSON, Alerts, fail, mend
from event_platform_tests.support.mail import Hook, mail_server, web_hook
from event_platform_tests.support.world import MONDAY, World


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
        assert alerts.tick() == "1 messages sent; 1 addresses cannot be reached: retried later"
        assert alerts.tick() == "0 messages sent; 1 addresses cannot be reached: retried later"
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


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "{}",
        '{"since": 0, "version": 99}',
        '{"since": 0, "version": 0}',
        '{"since": "never"}',
        '{"since": 1e300}',
        '{"since": 0, "failing": {"raw_events:volume": {"warn": [["monday", "friday"]]}}}',
    ],
)
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


def test_thousands_of_failures_at_once_are_one_message(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """It counts them, and names the worst."""
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    for number, day in product(range(100), range(20)):
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
    assert message["title"] == "[local] ERROR 2,000 findings at once"
    lines = message["message"].splitlines()
    assert lines[:2] == ["Too many to list: 100 error", "ERROR events/t000: volume failed (20)"]
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
