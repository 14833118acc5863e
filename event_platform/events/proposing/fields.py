"""The fields of sample records: their paths, their share of the records, and their formats."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from event_platform.events.envelope import FieldPath

#: Maximum depth of nested objects, and maximum number of paths: maps may have any number of keys.
_DEPTH, _PATHS = 4, 3_000

#: Words of a key: `eventTime`, `event_time` and `event-time` have the same.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

#: Characters that are shown of an example.
_SHOWN = 6


@dataclass(frozen=True)
class Field:
    """A field of the sample: its values, null and empty ones left out, by the number of their record."""

    path: FieldPath
    values: Mapping[int, Any]
    records: int

    @property
    def name(self) -> str:
        """The path as it is shown."""
        return ".".join(self.path)

    @property
    def key(self) -> str:
        """The words of the last key together: `event-time`, `eventTime` and `event_time` have the same."""
        return "".join(self.words)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the last key, in lower case."""
        return _words_of(self.path[-1])

    @cached_property
    def path_words(self) -> frozenset[str]:
        """The words of all keys of the path: those of `user.id` are `user` and `id`."""
        return frozenset(word for key in self.path for word in _words_of(key))

    @property
    def coverage(self) -> float:
        """The share of records that have the field."""
        return len(self.values) / self.records

    @cached_property
    def distinct(self) -> int:
        """How many values there are."""
        return len({(type(value).__name__, value) for value in self.values.values()})

    @property
    def distinct_share(self) -> float:
        """Distinct values per value: 1 if no two records have the same."""
        return self.distinct / len(self.values)

    @property
    def is_scalar(self) -> bool:
        """Whether all values are texts or integers."""
        return all(isinstance(value, str) or type(value) is int for value in self.values.values())

    @property
    def is_text(self) -> bool:
        """Whether all values are texts."""
        return all(isinstance(value, str) for value in self.values.values())

    def examples(self, *, masked: bool) -> list[str]:
        """Return three values; if `masked`, only their beginnings."""
        texts = list(dict.fromkeys(str(value) for value in self.values.values()))
        shown = [texts[number * (len(texts) - 1) // 2] for number in range(3)] if texts else []
        return [mask(text) if masked else text[:80] for text in dict.fromkeys(shown)]


def _words_of(key: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORDS.findall(key))


def mask(text: str) -> str:
    """Return the beginning of a text and its length: enough to recognize its kind, without identifying a person."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def fields_of(records: Sequence[Mapping[str, Any]]) -> list[Field]:
    """Return the scalar fields of records, the most frequent first."""
    values: dict[FieldPath, dict[int, Any]] = {}
    for number, record in enumerate(records):
        for path, value in _leaves(record, (), 1):
            if path in values or len(values) < _PATHS:
                values.setdefault(path, {})[number] = value
    fields = [Field(path, values_of_path, len(records)) for path, values_of_path in values.items()]
    return sorted(fields, key=lambda field: (-field.coverage, len(field.path)))


def _leaves(record: Mapping[str, Any], path: FieldPath, depth: int) -> Iterator[tuple[FieldPath, Any]]:
    for key, value in record.items():
        if isinstance(value, Mapping):
            if depth < _DEPTH:
                yield from _leaves(value, (*path, key), depth + 1)
        elif key and value is not None and value != "" and not isinstance(value, list):
            yield (*path, key), value


def has_any(field: Field, words: Iterable[str]) -> bool:
    """Return whether the last key of a field has one of some words."""
    return not set(words).isdisjoint(field.words)
