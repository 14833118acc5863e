"""A difference between arriving events and the catalog, and the schema edits that resolve it."""

from collections.abc import Iterable, MutableMapping, MutableSequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from event_platform.events.names import plain_name


class Finding(StrEnum):
    """How arriving events differ from the catalog."""

    NEW_NAME = "new name"  # the catalog has no event type of this name
    LIKE_KNOWN = "like a known name"
    NEW_FIELD = "new field"  # or a field whose schema was drafted without values
    CHANGED_TYPE = "changed type"
    BROKEN_RULE = "broken rule"
    UNSEEN = "unseen field"  # for thirty days
    REBUILD = "rebuild"  # the values have a column now; their days are due

    @property
    def needs_user(self) -> bool:
        """Whether the catalog, or the producer, has to change."""
        return self not in {Finding.UNSEEN, Finding.REBUILD}


class Operation(StrEnum):
    """The operation of an edit."""

    SET = "set"
    APPEND = "append"  # to a list, unless the list has the value
    REMOVE = "remove"  # from a list; the last item is removed with the list
    DELETE = "delete"  # a key


@dataclass(frozen=True)
class Edit:
    """An edit of a schema: its path of keys, its operation and its value."""

    pointer: tuple[str, ...]  # empty: the value is a new schema
    value: Any = None
    operation: Operation = Operation.SET


@dataclass(frozen=True)
class Proposal:
    """A difference between arriving events and the catalog.

    Names, keys and examples are data: show them through `quality.text.shown`.
    """

    finding: Finding
    event_type: str  # its name; for a name similar to a known one, the known one
    path: str  # of the property, such as device.os or scores.*; of a name similar to a known one, the name; else empty
    events: int
    share: float  # of the events of the type on the examined days; for a name: of all events of these days
    first: date | None  # first examined day with such an event
    last: date | None
    example: str
    before: str  # what the catalog has; empty if nothing
    after: str  # the proposed change; empty without one
    action: str
    edits: tuple[Edit, ...] = ()
    file: str = ""  # of the schema; empty for a new one
    names: tuple[str, ...] = ()  # of events that have it, and are not in the table of the type yet

    @property
    def is_judgement(self) -> bool:
        """Whether it may be a fault of the producer or another event.

        Such a difference is accepted only by its path.
        """
        if self.finding is Finding.LIKE_KNOWN:
            return plain_name(self.path) != plain_name(self.event_type)
        return self.finding in {Finding.BROKEN_RULE, Finding.UNSEEN}


def apply_edits(document: MutableMapping[str, Any], edits: Iterable[Edit]) -> None:
    """Edit a schema (any kind of mapping), outer paths first."""
    for edit in sorted(edits, key=lambda each: len(each.pointer)):
        *parents, key = edit.pointer
        inner = document
        for parent in parents:
            inner = inner.setdefault(parent, {})
        _apply_edit(inner, key, edit)


def _apply_edit(inner: MutableMapping[str, Any], key: str, edit: Edit) -> None:
    match edit.operation:
        case Operation.SET:
            inner[key] = _update(inner.get(key), edit.value)
        case Operation.DELETE:
            inner.pop(key, None)
        case Operation.APPEND:
            values = inner.setdefault(key, [])
            if edit.value not in values:
                values.append(edit.value)
        case Operation.REMOVE:
            values = inner.get(key, [])
            if edit.value in values:
                values.remove(edit.value)
            if not values:
                inner.pop(key, None)


def _update(old: Any, new: Any) -> Any:
    """Return the new value; mappings are changed in place, so that equal parts keep their formatting."""
    if not isinstance(old, MutableMapping) or not isinstance(new, dict):
        return old if old == new and not isinstance(old, MutableSequence) else new
    for key in [key for key in old if key not in new]:
        del old[key]
    for key, value in new.items():
        if key not in old or old[key] != value:
            old[key] = _update(old.get(key), value)
    return old
