"""Parse EVENT_PLATFORM_ALERT_URLS for apprise. Does not import Dagster, so that `doctor` can use it."""

import logging
import re
from collections.abc import Sequence

import apprise

from event_platform.events.errors import SettingError

_ENTRY = re.compile(r"(?:(?P<tags>[\w:.@+,-]+)=)?(?P<url>[A-Za-z][A-Za-z0-9+.-]*://\S*)")

#: An entry, its tags, and the service of its URL.
Service = tuple[str, frozenset[str], apprise.NotifyBase]


def parse_services(urls: Sequence[str]) -> tuple[list[Service], list[str]]:
    """Return the services of `[tag,tag=]url` entries, and a line for each entry that is invalid.

    A line never shows the URL, which may contain a secret. Raises SettingError if no entry is valid.
    """
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages quote invalid URLs
    services, faults = list[Service](), list[str]()
    for number, entry in enumerate(urls, start=1):
        match = _ENTRY.fullmatch(entry)
        service = apprise.Apprise.instantiate(match["url"]) if match else None
        if match is None or service is None:
            scheme = f"{match['url'].partition(':')[0]}://…" if match else "no URL"
            faults.append(
                f"EVENT_PLATFORM_ALERT_URLS: entry {number} ({scheme}) cannot be used; expected [tag,tag=]url as "
                "apprise writes it, such as error=slack://… or team:learning=mailto://…"
            )
            continue
        services.append((entry, frozenset((match["tags"] or "").split(",")) - {""}, service))
    if not services:
        raise SettingError(
            "\n".join(faults) + "\nNo alert was sent and none is lost: they are sent once an entry is valid."
        )
    return services, faults
