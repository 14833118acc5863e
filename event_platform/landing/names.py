"""Names of landed objects: whether an object is hidden, and how its name is shown."""

#: Hidden names that are never data: markers that writers leave next to data.
_MARKERS = {"_SUCCESS", "_temporary", "_delta_log"}
_MARKER_SUFFIXES = (".crc", ".tmp")

#: Surrogates by which Python represents bytes of a file name that are not UTF-8.
_SURROGATES, _LAST_BYTE = 0xDC00, 0xFF


def is_hidden(name: str) -> bool:
    """Return whether a name is hidden: any part begins with `.` or `_` and holds no `=`, or it ends with a slash."""
    return any(part.startswith((".", "_")) and "=" not in part for part in name.split("/")) or name.endswith("/")


def is_marker(name: str) -> bool:
    """Return whether a hidden name is a marker of a writer, and not data."""
    return any(part in _MARKERS or part.endswith(_MARKER_SUFFIXES) for part in name.split("/"))


def is_utf8(name: str) -> bool:
    """Return whether the name of a file is UTF-8, as tables require."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """Return a name or a message as it can be shown: control characters and bytes that are not UTF-8 are escaped."""
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    byte = ord(character) - _SURROGATES
    return f"\\x{byte:02x}" if 0 <= byte <= _LAST_BYTE else character.encode("unicode_escape").decode()
