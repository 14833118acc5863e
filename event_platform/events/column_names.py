"""Valid names of columns, and unique column names for JSON keys."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from itertools import chain, count
from typing import Any

#: Letters of any script, with their marks composed.
_COLUMN_NAME = re.compile(r"[^\W\d]\w*")

#: Words for signs of keys that would otherwise be alike: `a.b` and `a-b`.
_WORDS = {".": "dot", "-": "dash", " ": "space", "/": "slash", ":": "colon", "$": "dollar", "@": "at", "#": "number"}
_MOST_SIGNS = 4
_SIGNS = re.compile("|".join(map(re.escape, _WORDS)))


def is_column_name(name: Any) -> bool:
    """Return whether a column can have this name."""
    return isinstance(name, str) and bool(_COLUMN_NAME.fullmatch(name)) and unicodedata.is_normalized("NFC", name)


def name_fault(name: Any, taken: Collection[str]) -> str | None:
    """Return why a name is not valid for a column; None if it is valid. `taken` are the case-folded names in use."""
    if not is_column_name(name):
        return f"{name!r} is not a column name (letters, digits and _)"
    if name.casefold() in taken:
        return f"the column name {name!r} is taken (case is ignored)"
    return None


class UniqueNames:
    """Assigns unique column names."""

    def __init__(self, reserved: frozenset[str]) -> None:
        """Take the names that are not free, with case folded."""
        self.taken = set(reserved)
        self._numbers: dict[str, Iterable[int]] = {}

    def free(self, key: str) -> str:
        """Return an unused column name for a key, ignoring case.

        In this order: the key itself if it is valid; with `_` for invalid characters; with words for them; with a
        number.
        """
        name = key if is_column_name(key) else _readable(key)
        numbers = self._numbers.setdefault(name.casefold(), count(2))
        spelled = [_readable(_SIGNS.sub(_spell, key))] if 0 < len(_SIGNS.findall(key)) <= _MOST_SIGNS else []
        candidates = chain([name, *spelled], (f"{name}_{number}" for number in numbers))
        free = next(candidate for candidate in candidates if candidate.casefold() not in self.taken)
        self.taken.add(free.casefold())
        return free


def _readable(key: str) -> str:
    """Return a column name like a key: letters of any script, digits and `_`."""
    name = re.sub(r"[^\w]+", "_", unicodedata.normalize("NFC", key)).strip("_") or "field"
    name = f"_{name}" if not is_column_name(name) else name
    return name if is_column_name(name) else "field"


def _spell(sign: re.Match[str]) -> str:
    return f"_{_WORDS[sign[0]]}_"
