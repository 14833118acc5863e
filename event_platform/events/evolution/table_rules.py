"""The rules behind the rows of an event table, and the effects of changing them.

Rules are JSON values: `storage_shape` of the columns, followed by lists that begin with a word: `["names", …]` if the
type has other names, and `["derived", name, digest]` for each derived column.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from event_platform.events.catalog import EventType
from event_platform.events.columns import storage_shape
from event_platform.events.envelope import Envelope

_NAMES, _WAS = "names", "was"

#: Positions in a shape: the name of the column, its name and kind, the fields of an object, the item of an array or
#: map, and the rest (the digits of a decimal, and lists that begin with a word).
_NAME, _TYPE, _FIELDS, _ITEM, _REST = 1, slice(1, 3), 3, 4, slice(5, None)


def table_rules(event_type: EventType) -> list[Any]:
    """Return the rules of the table of an event type."""
    names = [[_NAMES, *event_type.other_names]] if event_type.other_names else []
    derived = (["derived", *each] for each in event_type.derivations)
    return [*storage_shape(event_type.columns), *names, *derived]


def envelope_rules(envelope: Envelope) -> list[Any]:
    """Return the part of the envelope that affects rows of event tables: non-payload fields, and path columns.

    The rest of the envelope takes effect when records are loaded.
    """
    return [sorted(envelope.consumed), list(envelope.path_columns)]


@dataclass(frozen=True)
class Difference:
    """The differences between the rules of two builds of an event table."""

    #: JSON keys: the body of every row that may differ contains one of them.
    keys: frozenset[str]
    #: Top-level fields that differ.
    fields: frozenset[str]
    #: Top-level columns whose values may differ, sorted by name, and those among them that were dropped.
    columns: tuple[str, ...]
    dropped_columns: tuple[str, ...]
    #: Names whose events belong to the table under only one of both catalogs.
    names: frozenset[str]
    #: All rows and columns may differ, because the envelope differs, or a rule that is not analyzed here.
    is_whole: bool

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return bool(self.keys or self.names or self.is_whole)


#: The difference if the rules of a build are not known.
FULL_DIFFERENCE = Difference(frozenset(), frozenset(), (), (), frozenset(), is_whole=True)


def compare_rules(old: str, new: str) -> Difference:
    """Compare two texts: JSON arrays of a release, `table_rules`, the text of the envelope, and `envelope_rules`."""
    before, after = _Rules(*json.loads(old)), _Rules(*json.loads(new))
    fields = before.shapes.keys() | after.shapes.keys()
    changed_fields = {field for field in fields if before.shapes.get(field) != after.shapes.get(field)}
    columns = {
        rules.shapes[field][_NAME] for field in changed_fields for rules in (before, after) if field in rules.shapes
    }
    new_columns = {shape[_NAME] for shape in after.shapes.values()}
    names = set(before.rules_by_word[_NAMES]) ^ set(after.rules_by_word[_NAMES])
    other_rules = [
        {word: values for word, values in rules.rules_by_word.items() if word != _NAMES} for rules in (before, after)
    ]
    earlier_keys = {
        key for field in changed_fields for rules in (before, after) for key in _earlier_keys(rules.shapes.get(field))
    }
    return Difference(
        frozenset(_differing_keys(before.shapes, after.shapes)),
        frozenset(changed_fields | earlier_keys),
        tuple(sorted(columns)),
        tuple(sorted(columns - new_columns)),
        frozenset(names),
        is_whole=before.envelope_rules != after.envelope_rules or other_rules[0] != other_rules[1],
    )


@dataclass(frozen=True)
class _Rules:
    release: str
    rules: Sequence[Any]
    envelope: str
    envelope_rules: Sequence[Any]

    @cached_property
    def shapes(self) -> Mapping[str, Any]:
        """The shape of each property by its field."""
        return _by_field(rule for rule in self.rules if _is_shape(rule))

    @cached_property
    def rules_by_word(self) -> Mapping[str, list[Any]]:
        """The lists of the other rules, by their first word; empty for words that no rule has."""
        lists = defaultdict[str, list[Any]](list)
        for word, *values in (rule for rule in self.rules if not _is_shape(rule)):
            lists[word] += values
        return lists


def _is_shape(rule: Sequence[Any]) -> bool:
    return len(rule) > _ITEM and isinstance(rule[_FIELDS], list)


def _by_field(shapes: Iterable[Any]) -> dict[str, Any]:
    return {shape[0]: shape for shape in shapes}


def _differing_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that the shapes read differently: both read a value without these keys in the same way."""
    for field in old.keys() | new.keys():
        if old.get(field) != new.get(field):
            yield from _keys_of(field, old.get(field), new.get(field))


def _keys_of(key: str, old: Any, new: Any) -> Iterator[str]:
    """Yield the keys that differ in the value of `key`, or `key` itself if its type differs."""
    if old is None or new is None or old[_TYPE] != new[_TYPE] or old[_REST] != new[_REST]:
        yield from {key, *_earlier_keys(old), *_earlier_keys(new)}
        return
    yield from _differing_keys(_by_field(old[_FIELDS]), _by_field(new[_FIELDS]))
    if old[_ITEM] != new[_ITEM]:
        yield from _keys_of(key, old[_ITEM][0], new[_ITEM][0])


def _earlier_keys(shape: Any) -> list[str]:
    """Return the keys that a property had before (`x-was`)."""
    return [key for word, *keys in map(_as_list, shape[_REST]) if word == _WAS for key in keys] if shape else []


def _as_list(rest: Any) -> list[Any]:
    return rest if isinstance(rest, list) else [rest]
