"""Names of tables: valid names, and names reserved for the platform."""

import re

from event_platform.events.errors import TableError
from event_platform.lake.registry import EVENTS_FOLDER, FILTERED_EVENTS, PLATFORM_TABLES

#: Valid names of a table's folders: none that leads out of the lake, or into a table's internal folders.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")

#: The folder of the pages that reports are.
PAGES_FOLDER = "reports"

#: What no table of somebody's own is called, or is inside of.
_PLATFORM_NAMES = frozenset({EVENTS_FOLDER, PAGES_FOLDER, *(spec.name for spec in (*PLATFORM_TABLES, FILTERED_EVENTS))})


def is_table_name(name: str) -> bool:
    """Return whether a table may have this name."""
    return bool(_NAME.fullmatch(name))


def may_be_part_of_name(folder: str) -> bool:
    """Return whether a folder may be a table, or contain one. Date folders are those of a landing zone in the lake."""
    return is_table_name(folder) and not folder.isdecimal()


def is_of_platform(name: str) -> bool:
    """Return whether a table is, or can only be, one of the platform itself."""
    return name.split("/", maxsplit=1)[0] in _PLATFORM_NAMES


def checked_name(name: str) -> str:
    """Return a valid table name. Raises TableError for a name that could lead outside the lake's tables."""
    if not is_table_name(name):
        raise TableError(
            f"{name!r} is not a table name; expected an asset key such as events/lesson_started, of letters, digits, "
            "-, _ and ., each part beginning with a letter or a digit"
        )
    return name
