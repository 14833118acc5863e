"""Open landing and the lake, with the standard variables and profiles of their stores."""

from pathlib import Path

from event_platform.lake.lake import Lake
from event_platform.landing.bucket import BucketLanding
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import Landing
from event_platform.landing.zones import time_zone
from event_platform.storage.bucket import BucketStore
from event_platform.storage.opening import find_options
from event_platform.storage.storage import Storage


def open_landing(uri: str, timezone: str = "UTC") -> Landing:
    """Open landing: a folder, or <scheme>://<bucket>/<prefix>. Raises SettingError without credentials.

    `timezone` is the IANA name of the time zone of dates and hours in its paths.
    """
    zone = time_zone(timezone)
    return BucketLanding(BucketStore(uri, find_options(uri)), zone) if "://" in uri else FolderLanding(Path(uri), zone)


def open_lake(uri: str) -> Lake:
    """Open a lake: a folder, or <scheme>://<bucket>/<prefix>. Raises SettingError without credentials."""
    return Lake(Storage(uri, find_options(uri) if "://" in uri else {}))
