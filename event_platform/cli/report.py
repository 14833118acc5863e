"""`event-platform report`: the address of a page of the quality report."""

import webbrowser
from datetime import date, timedelta

from event_platform.cli.output import ERR
from event_platform.environment import Environment
from event_platform.events.errors import MissingError
from event_platform.pipeline.opening import open_lake
from event_platform.storage.storage import Storage

#: How long a signed address is valid.
_LIFETIME = timedelta(hours=1)


def show_report(environment: Environment, day: date | None, *, in_browser: bool) -> int:
    """Print the address of a page, of all days without a `day`, and open it on request; return the exit code."""
    storage = open_lake(environment.lake).storage
    page = f"{day.isoformat() if day else 'index'}.html"
    uri = storage.uri("reports", "quality", page)
    if storage.tag(uri) is None:
        days = f"--from {day} --to {day}" if day else "--from <day> --to <day>"
        raise MissingError(
            f"{uri}: there is no such page; event-platform run writes it with the report of a day. Where it was "
            f"deleted: event-platform run --rebuild {days}"
        )
    link = _link(environment, storage, uri, page)
    print(uri if link.startswith("file:") else link)  # noqa: T201 - rich would wrap it
    if in_browser and not webbrowser.open(link):
        ERR.print("no browser could be opened: open the address in one", style="red")
        return 1
    return 0


def _link(environment: Environment, storage: Storage, uri: str, page: str) -> str:
    if environment.report_url:
        return f"{environment.report_url}/{page}"
    return storage.link(uri, _LIFETIME)
