"""What the names of landed objects say: the date of arrival, whether one is hidden, and how one is shown."""

import re
from datetime import date
from enum import Enum, auto

#: A polars pattern: the folder of an hour, and of the day that it is in, anywhere in a path.
HOUR_IN_PATH = "(?:^|/)(?<day>[0-9]{4}/[0-9]{2}/[0-9]{2})/(?<hour>[01][0-9]|2[0-3])/"

_DATE_IN_PATH = re.compile(r"(?:^|(?<=/))([0-9]{4})/([0-9]{2})/([0-9]{2})/")
#: A year, a month and a day, as folders from the root of landing.
_TO_A_DAY = [re.compile(path) for path in ("[0-9]{4}", "[0-9]{4}/[0-9]{2}", "[0-9]{4}/[0-9]{2}/[0-9]{2}")]

#: Hidden names that no data has: what writers leave beside it.
_MARKERS = {"_SUCCESS", "_temporary", "_delta_log"}
_MARKER_SUFFIXES = (".crc", ".tmp")

#: Where Python puts the bytes of a file's name that are not UTF-8.
_SURROGATES, _LAST_BYTE = 0xDC00, 0xFF


class FolderKind(Enum):
    """What a folder is on the way from the root of landing to a day's objects."""

    YEAR_OR_MONTH = auto()
    DAY = auto()
    OTHER = auto()


def folder_kind(path: str) -> FolderKind:
    """Return what a folder is by its path below the root."""
    depth = path.count("/")
    if depth >= len(_TO_A_DAY) or not _TO_A_DAY[depth].fullmatch(path):
        return FolderKind.OTHER
    if depth + 1 < len(_TO_A_DAY):
        return FolderKind.YEAR_OR_MONTH
    return FolderKind.OTHER if date_in(f"{path}/") is None else FolderKind.DAY


def date_in(name: str) -> date | None:
    """Return the first date in a path: of the folders of days at the root, it is theirs."""
    for match in _DATE_IN_PATH.finditer(name):
        try:
            return date(*map(int, match.groups()))
        except ValueError:  # no such day
            continue
    return None


def is_hidden(name: str) -> bool:
    """Return whether a name is hidden: any part begins with `.` or `_` and holds no `=`, or it ends with a slash."""
    return any(part.startswith((".", "_")) and "=" not in part for part in name.split("/")) or name.endswith("/")


def is_marker(name: str) -> bool:
    """Return whether a hidden name is one that writers leave beside data, and no data has."""
    return any(part in _MARKERS or part.endswith(_MARKER_SUFFIXES) for part in name.split("/"))


def is_utf8(name: str) -> bool:
    """Return whether the name of a file is UTF-8, so that a table can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """Return a name or a message as it can be shown: control characters and bytes that are not UTF-8 are escaped."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    byte = ord(character) - _SURROGATES
    return f"\\x{byte:02x}" if 0 <= byte <= _LAST_BYTE else character.encode("unicode_escape").decode()
