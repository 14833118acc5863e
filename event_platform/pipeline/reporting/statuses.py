"""The worst result of the checks of each day, in a file: so that the calendar of a long lake need not judge all days.

A day that it lacks is judged again. The file can be deleted at any time.
"""

from collections.abc import Mapping
from datetime import date

import msgspec

from event_platform.events.errors import MissingError
from event_platform.lake.names import PAGES_FOLDER
from event_platform.quality.failures import Status
from event_platform.storage.storage import Storage


def read_statuses(storage: Storage) -> dict[date, Status]:
    """Return the status of each day in the file; none where it cannot be used."""
    try:
        return msgspec.json.decode(storage.read(_address(storage)), type=dict[date, Status])
    except (MissingError, msgspec.MsgspecError):
        return {}


def store_statuses(storage: Storage, statuses: Mapping[date, Status]) -> None:
    """Write the status of each day."""
    storage.write_whole(_address(storage), msgspec.json.encode(dict(sorted(statuses.items()))))


def _address(storage: Storage) -> str:
    return storage.uri(PAGES_FOLDER, "quality", "history", "statuses.json")
