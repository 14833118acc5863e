"""Alerts on their way: to whom each goes, what could not be delivered yet, and when that is tried again."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import apprise

from event_platform.defs.alerts.memory import Waiting
from event_platform.defs.alerts.services import services
from event_platform.defs.alerts.wording import FLOOD, Alert, Level, summary

_LEVELS = frozenset({Level.ERROR.value, Level.WARN.value})
_NOTIFY_TYPES = {
    Level.ERROR: apprise.NotifyType.FAILURE,
    Level.WARN: apprise.NotifyType.WARNING,
    Level.RECOVERED: apprise.NotifyType.SUCCESS,
}

#: An address that cannot be reached is tried again after 15 s, 30 s, 60 s … and then every quarter of an hour.
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 900.0
#: What waits for one address, at most; of what came before only the number is kept.
_WAITING = 100

#: Sends (title, body, level) and says whether it arrived.
Send = Callable[[str, str, Level], bool]


@dataclass(frozen=True)
class Address:
    """Where alerts go. Tags limit it: `error` and `warn` to a severity, others to the owners of that name."""

    key: str  # stands for the URL, which may hold a secret
    tags: frozenset[str]
    send: Send = field(repr=False)

    def takes_severity(self, alert: Alert) -> bool:
        """Say whether an alert is severe enough, or the recovery of one that was."""
        return alert.severity.value in (self.tags & _LEVELS or _LEVELS)

    def takes_owner(self, alert: Alert) -> bool:
        """Say whether an alert is about something that these owners own."""
        return not self.tags - _LEVELS or alert.owner in self.tags


def addresses(urls: Sequence[str]) -> tuple[list[Address], list[str]]:
    """Return the addresses of entries, and a line for each that cannot be used; see `services`."""
    found, faults = services(urls)
    return [
        Address(hashlib.sha256(entry.encode()).hexdigest()[:16], tags, _sender(service))
        for entry, tags, service in found
    ], faults


def _sender(service: apprise.NotifyBase) -> Send:
    def send(title: str, body: str, level: Level) -> bool:
        try:
            sent = service.notify(
                body=body, title=title, notify_type=_NOTIFY_TYPES[level], body_format=apprise.NotifyFormat.TEXT
            )
        except Exception:  # noqa: BLE001 - whatever a service raises, the alert has not arrived, and the others must
            return False
        return bool(sent)

    return send


def post(outbox: dict[str, Waiting], alerts: Iterable[Alert], to: Sequence[Address]) -> None:
    """Put alerts to what waits for each address that takes them; those of an owner without one go to all.

    What waits for an address that is there no more is posted anew.
    """
    keys = {address.key for address in to}
    left = [alert for key in [*outbox] if key not in keys for alert in _in_short(outbox.pop(key))]
    for alert in [*left, *alerts]:
        severe = [address for address in to if address.takes_severity(alert)]
        for address in [address for address in severe if address.takes_owner(alert)] or severe:
            waiting = outbox.setdefault(address.key, Waiting())
            waiting.alerts.append(alert)
            if len(waiting.alerts) > _WAITING:
                waiting.more += waiting.alerts.pop(0).findings


def deliver(
    outbox: dict[str, Waiting], to: Sequence[Address], shown: Callable[[Alert], tuple[str, str]], now: float
) -> int:
    """Send what waits, to all addresses at once; return the messages that arrived. What did not stays in `outbox`.

    An address is left alone after its first failure: the others do not wait for it.
    """
    due = [(address, outbox[address.key]) for address in to if address.key in outbox]
    due = [(address, waiting) for address, waiting in due if waiting.not_before <= now]
    with ThreadPoolExecutor(max_workers=max(len(due), 1)) as threads:
        sending = [threads.submit(_send_all, address, waiting, shown, now) for address, waiting in due]
    sent = sum(each.result() for each in sending)
    for key in [key for key, waiting in outbox.items() if not waiting.alerts]:
        del outbox[key]
    return sent


def _send_all(address: Address, waiting: Waiting, shown: Callable[[Alert], tuple[str, str]], now: float) -> int:
    waiting.alerts, waiting.more, sent = _in_short(waiting), 0, 0
    while waiting.alerts:
        alert = waiting.alerts[0]
        if not address.send(*shown(alert), alert.level):
            waiting.failures += 1
            waiting.not_before = now + min(_FIRST_PAUSE * 2 ** (waiting.failures - 1), _LONGEST_PAUSE)
            return sent
        waiting.alerts.pop(0)
        waiting.failures, sent = 0, sent + 1
    return sent


def _in_short(waiting: Waiting) -> list[Alert]:
    if len(waiting.alerts) > FLOOD or waiting.more:
        return [summary(waiting.alerts, waiting.more)]
    return waiting.alerts
