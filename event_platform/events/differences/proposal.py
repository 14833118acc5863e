"""A difference between what arrives and what the catalog says, and the edits of a schema that would fit."""

from collections.abc import Iterable, MutableMapping, MutableSequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from event_platform.events.names import plain_name


class Finding(StrEnum):
    """How what arrives differs from the catalog."""

    NEW_NAME = "new name"  # of events, which the catalog lacks
    LIKE_KNOWN = "like a known name"
    NEW_FIELD = "new field"  # or one that had no values when its schema was drafted
    CHANGED_TYPE = "changed type"
    BROKEN_RULE = "broken rule"
    UNSEEN = "unseen field"  # for thirty days
    REBUILD = "rebuild"  # the values have a place since; their days are due

    @property
    def needs_user(self) -> bool:
        """Whether the catalog, or the producer, has to change."""
        return self not in {Finding.UNSEEN, Finding.REBUILD}


class How(StrEnum):
    """What an edit does."""

    SET = "set"
    APPEND = "append"  # to a list, unless it is in there
    REMOVE = "remove"  # from a list, which goes with its last item
    DELETE = "delete"  # a key


@dataclass(frozen=True)
class Edit:
    """An edit of a schema: where, by keys, what it does, and with which value."""

    pointer: tuple[str, ...]  # empty: the value is a new schema
    value: Any = None
    how: How = How.SET


@dataclass(frozen=True)
class Proposal:
    """A difference between what arrives and what the catalog says.

    Names, keys and examples are data: show them by `quality.text.shown`.
    """

    finding: Finding
    event_type: str  # its name; of a name that is like a known one, the known one
    path: str  # of the property, such as device.os or scores.*; of a name like a known one, that name; else empty
    events: int
    share: float  # of the events of the type on the days looked at; of a name, of all events of these days
    first: date | None  # day with such an event, of the days looked at
    last: date | None
    example: str
    before: str  # what the catalog says; empty where that is nothing
    after: str  # the change that would fit; empty where there is none
    action: str
    edits: tuple[Edit, ...] = ()
    file: str = ""  # of the schema; empty for a new one
    names: tuple[str, ...] = ()  # of events that have it, and are not in the table of the type yet

    @property
    def is_judgement(self) -> bool:
        """Whether it may as well be a fault of the producer, or another event: it is accepted by its path only."""
        if self.finding is Finding.LIKE_KNOWN:
            return plain_name(self.path) != plain_name(self.event_type)
        return self.finding in {Finding.BROKEN_RULE, Finding.UNSEEN}


def apply_edits(document: MutableMapping[str, Any], edits: Iterable[Edit]) -> None:
    """Edit a schema, whatever kind of mapping it is, what is outside of something else first."""
    for edit in sorted(edits, key=lambda each: len(each.pointer)):
        *parents, key = edit.pointer
        inner = document
        for parent in parents:
            inner = inner.setdefault(parent, {})
        _apply(inner, key, edit)


def _apply(inner: MutableMapping[str, Any], key: str, edit: Edit) -> None:
    match edit.how:
        case How.SET:
            inner[key] = _updated(inner.get(key), edit.value)
        case How.DELETE:
            inner.pop(key, None)
        case How.APPEND:
            values = inner.setdefault(key, [])
            if edit.value not in values:
                values.append(edit.value)
        case How.REMOVE:
            values = inner.get(key, [])
            if edit.value in values:
                values.remove(edit.value)
            if not values:
                inner.pop(key, None)


def _updated(old: Any, new: Any) -> Any:
    """Return the new value; mappings are changed in place, so that what is equal stays as it is written."""
    if not isinstance(old, MutableMapping) or not isinstance(new, dict):
        return old if old == new and not isinstance(old, MutableSequence) else new
    for key in [key for key in old if key not in new]:
        del old[key]
    for key, value in new.items():
        if key not in old or old[key] != value:
            old[key] = _updated(old.get(key), value)
    return old
