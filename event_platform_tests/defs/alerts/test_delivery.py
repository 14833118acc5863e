"""Alerts arrive: at whom they are for, whatever is in the way, and never as a flood."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType

from event_platform.events.errors import SettingError
from event_platform_tests.defs.alerts.conftest import owned_world
from event_platform_tests.defs.alerts.ticking import LESSON, Alerts, fail, mend
from event_platform_tests.support.mail import Hook, mail_server, web_hook
from event_platform_tests.support.world import MONDAY, World

#: Tags of an address, and whether it gets the alerts of a check of the learning team that warns.
_ROUTES = {
    "": True,
    "warn=": True,
    "error=": False,
    "team:learning=": True,
    "team:learning,warn=": True,
    "team:learning,error=": False,
    "team:payment=": False,
}


@dataclass
class Failed:
    """A world in which a check of the learning team warned, and the records of it. Tests only read them."""

    world: World
    instance: dg.DagsterInstance

    def alerts(self, *urls: str) -> Alerts:
        """Return a sensor that has not looked yet."""
        return Alerts(self.world, self.instance, *urls)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Failed:
    """The world of all tests that build nothing themselves."""
    world, instance = owned_world(tmp_path_factory.mktemp("failed")), dg.DagsterInstance.ephemeral()
    fail(world, instance)
    return Failed(world, instance)


def test_alerts_are_routed_by_severity_and_owner(world: World, instance: dg.DagsterInstance) -> None:
    """The failure, and later that it is over; each time their other address takes everything."""
    fail(world, instance)
    with ExitStack() as stack:
        hooks = {tags: stack.enter_context(web_hook()) for tags in _ROUTES}
        other = stack.enter_context(web_hook())
        of_team = f"team:learning={other.url}"
        every = [Alerts(world, instance, f"{tags}{hook.url}", of_team) for tags, hook in hooks.items()]
        for times in (1, 2):
            for alerts in every:
                alerts.tick()
            assert {tags: len(hook.messages) for tags, hook in hooks.items()} == {
                tags: times * is_told for tags, is_told in _ROUTES.items()
            }
            assert len(other.messages) == times * len(every)
            if times == 1:
                mend(world, instance)


def test_an_owner_without_an_address_does_not_silence_an_alert(failed: Failed, hook: Hook) -> None:
    """It goes to everybody."""
    failed.alerts(f"team:payment={hook.url}").tick()
    assert len(hook.messages) == 1


def test_an_address_that_cannot_be_reached_gets_its_alerts_later(failed: Failed, hook: Hook) -> None:
    """The others do not wait for it, and get nothing twice."""
    with web_hook() as other:
        other.status = 500
        alerts = failed.alerts(hook.url, other.url)
        assert alerts.tick() == "1 message sent; addresses not reached: 1, retried later"
        assert alerts.tick() == "0 messages sent; addresses not reached: 1, retried later"
        other.status = 200
        alerts.wait_over()
        assert alerts.tick() == "1 message sent"
        assert hook.titles == other.titles == [f"[local] WARN {LESSON}: schema_conformance failed"]


def test_what_waits_for_an_address_that_was_wrong_goes_to_the_right_one(failed: Failed, hook: Hook) -> None:
    """Somebody has mended the setting."""
    alerts = failed.alerts("json://127.0.0.1:1/nobody")
    alerts.tick()
    alerts.environment = replace(alerts.environment, alert_urls=(hook.url,))
    assert alerts.tick() == "1 message sent"


def test_a_tick_that_was_killed_tells_it_again(failed: Failed, hook: Hook) -> None:
    """Its cursor was not stored: an alert comes twice, rather than not."""
    alerts = failed.alerts(hook.url)
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
def test_a_cursor_that_cannot_be_read_loses_nothing_and_is_told(failed: Failed, hook: Hook, cursor: str) -> None:
    """The last day is news again."""
    alerts = failed.alerts(hook.url)
    alerts.cursor = cursor
    assert "alerts of the last day are sent again" in alerts.tick()
    assert len(hook.messages) == 1


@pytest.mark.parametrize("url", ["slak://token-of-ours", "hello", "error=", "json://"])
def test_a_wrong_url_is_told_without_its_secrets_and_the_others_are_used(failed: Failed, hook: Hook, url: str) -> None:
    """Where no other is left, the tick fails, and what it would have told is not lost."""
    alerts = failed.alerts(url)
    with pytest.raises(SettingError, match=r"EVENT_PLATFORM_ALERT_URLS: entry 1 \(") as raised:
        alerts.tick()
    assert "token-of-ours" not in str(raised.value)
    alerts.environment = replace(alerts.environment, alert_urls=(hook.url, url))
    assert alerts.tick().startswith("1 message sent; EVENT_PLATFORM_ALERT_URLS: entry 2 (")
    assert len(hook.messages) == 1


def test_urls_are_never_shown(world: World) -> None:
    """They hold passwords."""
    environment = replace(world.environment, alert_urls=("mailto://me:secret@example.com",))
    assert "secret" not in repr(environment)


def test_hundreds_of_failures_at_once_are_one_message(world: World, instance: dg.DagsterInstance, hook: Hook) -> None:
    """It counts them, and names the worst."""
    run = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    for number, day in product(range(100), range(4)):
        partition = (MONDAY + timedelta(days=day)).isoformat()
        found = dg.AssetCheckEvaluation(
            dg.AssetKey(["events", f"t{number:03d}"]), "volume", passed=False, partition=partition
        )
        said = DagsterEvent(DagsterEventType.ASSET_CHECK_EVALUATION.value, "any", event_specific_data=found)
        instance.report_dagster_event(said, run.run_id)
    instance.report_dagster_event(DagsterEvent(DagsterEventType.RUN_SUCCESS.value, "any"), run.run_id)
    alerts = Alerts(world, instance, hook.url)
    assert alerts.tick() == "1 message sent"
    (message,) = hook.messages
    assert message["title"] == "[local] ERROR 400 findings at once"
    lines = message["message"].splitlines()
    assert lines[:2] == ["Too many to list: 100 error", "ERROR events/t000: volume failed (4)"]
    assert lines[-2:] == [f"Runs: {run.run_id}", f"http://127.0.0.1:3000/runs/{run.run_id}"]
    assert len(lines) < 20
    assert len(alerts.cursor or "") < 30_000


def test_alerts_come_by_mail(failed: Failed) -> None:
    """As by any other of the services that apprise knows."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with mail_server(port) as inbox:
        url = f"mailto://{inbox.host}?from=platform@example.com&to=ann@example.com"
        assert failed.alerts(url).tick() == "1 message sent"
    (letter,) = inbox.letters
    assert letter["Subject"] == f"[local] WARN {LESSON}: schema_conformance failed"
    assert "1 x rescued: level" in letter.as_string()


def test_without_urls_nothing_is_sent_and_the_sensor_says_so(failed: Failed) -> None:
    """Failures are in the UI all the same."""
    assert failed.alerts().tick().startswith("EVENT_PLATFORM_ALERT_URLS is not set")
