"""What a schema says of its own history: `x-version`, and `x-changes`, a list of {version, date, change}."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NotedChange:
    """A change that is noted in a schema. What is not noted of it is empty."""

    version: str
    date: str
    change: str


def version_of(document: Mapping[str, Any]) -> str:
    """Return the version of a schema; empty where it has none."""
    return _text(document.get("x-version"))


def changes_of(document: Mapping[str, Any]) -> tuple[NotedChange, ...]:
    """Return the changes that are noted in a schema, where the last one is last: the newest first.

    What is not in the form of a change is left out.
    """
    noted = document.get("x-changes")
    entries = [each for each in noted if isinstance(each, Mapping)] if isinstance(noted, list) else []
    changes = [NotedChange(*(_text(each.get(key)) for key in ("version", "date", "change"))) for each in entries]
    return tuple(sorted(changes, key=lambda each: each.date))[::-1]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
