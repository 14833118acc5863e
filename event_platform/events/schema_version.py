"""The version of a schema, as SchemaVer has it: model-revision-addition, such as 1-0-2; and the list of its changes.

A schema without `x-version` has the first version.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from event_platform.events.evolution.change import Impact

_VERSION = re.compile(r"([1-9]\d{0,8})-(0|[1-9]\d{0,8})-(0|[1-9]\d{0,8})")
_ENTRY = frozenset({"version", "date", "change"})


class SchemaVersion(NamedTuple):
    """A version: of three numbers, the first says most."""

    model: int = 1  # another one after a breaking change
    revision: int = 0  # after a change that needs a back-fill
    addition: int = 0  # after a compatible change

    def __str__(self) -> str:
        """Return the version as it is written."""
        return f"{self.model}-{self.revision}-{self.addition}"

    def after(self, impact: Impact) -> "SchemaVersion":
        """Return the version after a change."""
        match impact:
            case Impact.BREAKING:
                return SchemaVersion(self.model + 1)
            case Impact.BACKFILL:
                return SchemaVersion(self.model, self.revision + 1)
            case Impact.COMPATIBLE:
                return SchemaVersion(self.model, self.revision, self.addition + 1)


@dataclass(frozen=True)
class NotedChange:
    """A change that is noted in a schema."""

    version: str
    date: str
    change: str


def changes_of(document: Mapping[str, Any]) -> tuple[NotedChange, ...]:
    """Return the changes that are noted in a schema without faults, the newest first."""
    return tuple(NotedChange(**entry) for entry in reversed(document.get("x-changes", [])))


def version_of(document: Mapping[str, Any]) -> SchemaVersion:
    """Return the version of a schema without faults."""
    return _parse(document.get("x-version")) or SchemaVersion()


def version_fault(document: Mapping[str, Any]) -> str | None:
    """Return the fault in the version or the changes of a schema; None if there is none."""
    written = document.get("x-version")
    if written is not None and _parse(written) is None:
        return f"x-version: expected model-revision-addition, such as 1-0-2, got {written!r}"
    changes = document.get("x-changes", [])
    if not isinstance(changes, list):
        return f"x-changes: expected a list of changes, the last one last, got {changes!r}"
    versions = [SchemaVersion()]
    for number, entry in enumerate(changes):
        if not _is_entry(entry):
            expected = "{version: 1-0-2, date: '2025-06-01', change: what was changed}"
            return f"x-changes.{number}: expected {expected}, got {entry!r}"
        versions.append(_parse(entry["version"]) or SchemaVersion())
    if versions != sorted(versions):
        return "x-changes: expected the last change last, and versions that rise"
    if changes and versions[-1] != version_of(document):
        return f"x-version: expected the version of the last change in x-changes, {versions[-1]}, got {written!r}"
    return None


def _parse(written: Any) -> SchemaVersion | None:
    match = _VERSION.fullmatch(written) if isinstance(written, str) else None
    return SchemaVersion(*map(int, match.groups())) if match else None


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, Mapping) or entry.keys() != _ENTRY or _parse(entry["version"]) is None:
        return False
    texts = entry["date"], entry["change"]
    return all(isinstance(text, str) and text for text in texts) and _is_date(entry["date"])


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
