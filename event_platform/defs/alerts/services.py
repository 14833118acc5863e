"""What EVENT_PLATFORM_ALERT_URLS names, as apprise takes it. Without Dagster, which to look at it does not need."""

import logging
import re
from collections.abc import Sequence

import apprise

from event_platform.events.errors import SettingError

_ENTRY = re.compile(r"(?:(?P<tags>[\w:.@+,-]+)=)?(?P<url>[A-Za-z][A-Za-z0-9+.-]*://\S*)")

#: An entry, its tags, and the service that its URL is of.
Service = tuple[str, frozenset[str], apprise.NotifyBase]


def services(urls: Sequence[str]) -> tuple[list[Service], list[str]]:
    """Return the services of `[tag,tag=]url` entries, and a line for each that cannot be used.

    A line never shows the URL: it may hold a password or a token. Raises SettingError where not one can be used.
    """
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages quote what it could not read
    found, faults = list[Service](), list[str]()
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
        found.append((entry, frozenset((match["tags"] or "").split(",")) - {""}, service))
    if not found:
        raise SettingError("\n".join(faults) + "\nNo alert was sent, and none is lost: mend it, and they are sent.")
    return found, faults
