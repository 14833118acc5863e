"""Route alerts to addresses, deliver them, and retry undelivered ones."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import apprise

from event_platform.defs.alerts.cursor import Waiting
from event_platform.defs.alerts.services import parse_services
from event_platform.defs.alerts.wording import MAX_ALERTS_AT_ONCE, Alert, Level, summary

_LEVELS = frozenset({Level.ERROR.value, Level.WARN.value})
_NOTIFY_TYPES = {
    Level.ERROR: apprise.NotifyType.FAILURE,
    Level.WARN: apprise.NotifyType.WARNING,
    Level.RECOVERED: apprise.NotifyType.SUCCESS,
}

#: Seconds after which an unreachable address is retried: doubled each time up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 900.0
#: Maximum number of alerts waiting for one address. Older ones are dropped and counted.
_MAX_WAITING = 100

#: Sends (title, body, level). Returns whether it was delivered.
Send = Callable[[str, str, Level], bool]


@dataclass(frozen=True)
class Address:
    """A destination of alerts. Its tags filter them: `error` and `warn` by severity, others by owner."""

    key: str  # hash of the URL, which may contain a secret
    tags: frozenset[str]
    send: Send = field(repr=False)

    def takes_severity(self, alert: Alert) -> bool:
        """Return whether the severity tags match; a recovery has the severity of its failure."""
        return alert.severity.value in (self.tags & _LEVELS or _LEVELS)

    def takes_owner(self, alert: Alert) -> bool:
        """Return whether the owner tags match."""
        return not self.tags - _LEVELS or alert.owner in self.tags


def parse_addresses(urls: Sequence[str]) -> tuple[list[Address], list[str]]:
    """Return the addresses of EVENT_PLATFORM_ALERT_URLS, and a line for each invalid entry (see `parse_services`)."""
    services, faults = parse_services(urls)
    return [
        Address(hashlib.sha256(entry.encode()).hexdigest()[:16], tags, _sender(service))
        for entry, tags, service in services
    ], faults


def _sender(service: apprise.NotifyBase) -> Send:
    def send(title: str, body: str, level: Level) -> bool:
        try:
            sent = service.notify(
                body=body, title=title, notify_type=_NOTIFY_TYPES[level], body_format=apprise.NotifyFormat.TEXT
            )
        except Exception:  # noqa: BLE001 - a service may raise anything; other addresses must still be served
            return False
        return bool(sent)

    return send


def post(outbox: dict[str, Waiting], alerts: Iterable[Alert], to: Sequence[Address]) -> None:
    """Queue alerts for the addresses that accept them; if no address takes an owner, all addresses get its alerts.

    Alerts queued for an address that no longer exists are routed again.
    """
    keys = {address.key for address in to}
    unrouted = [alert for key in [*outbox] if key not in keys for alert in _summarize(outbox.pop(key))]
    for alert in [*unrouted, *alerts]:
        severe = [address for address in to if address.takes_severity(alert)]
        for address in [address for address in severe if address.takes_owner(alert)] or severe:
            waiting = outbox.setdefault(address.key, Waiting())
            waiting.alerts.append(alert)
            if len(waiting.alerts) > _MAX_WAITING:
                waiting.more += waiting.alerts.pop(0).findings


def deliver(
    outbox: dict[str, Waiting], to: Sequence[Address], render: Callable[[Alert], tuple[str, str]], now: float
) -> int:
    """Send waiting alerts to all addresses in parallel. Return the number delivered; the others stay in `outbox`.

    After a failed delivery, the address is skipped until its next retry.
    """
    due = [(address, outbox[address.key]) for address in to if address.key in outbox]
    due = [(address, waiting) for address, waiting in due if waiting.not_before <= now]
    with ThreadPoolExecutor(max_workers=max(len(due), 1)) as threads:
        sending = [threads.submit(_send_all, address, waiting, render, now) for address, waiting in due]
    sent = sum(delivery.result() for delivery in sending)
    for key in [key for key, waiting in outbox.items() if not waiting.alerts]:
        del outbox[key]
    return sent


def _send_all(address: Address, waiting: Waiting, render: Callable[[Alert], tuple[str, str]], now: float) -> int:
    waiting.alerts, waiting.more, sent = _summarize(waiting), 0, 0
    while waiting.alerts:
        alert = waiting.alerts[0]
        if not address.send(*render(alert), alert.level):
            waiting.failures += 1
            waiting.not_before = now + min(_FIRST_PAUSE * 2 ** (waiting.failures - 1), _LONGEST_PAUSE)
            return sent
        waiting.alerts.pop(0)
        waiting.failures, sent = 0, sent + 1
    return sent


def _summarize(waiting: Waiting) -> list[Alert]:
    if len(waiting.alerts) > MAX_ALERTS_AT_ONCE or waiting.more:
        return [summary(waiting.alerts, waiting.more)]
    return waiting.alerts
