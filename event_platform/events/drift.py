"""`_rescued` texts → counts of their fields: unknown to the schema, of a wrong type, or expected there."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

import msgspec

from event_platform.events.columns import Column, Kind
from event_platform.events.rescued import WHOLE_RECORD, rescued_fields

_TYPE_NAMES = {
    ord("{"): "object",
    ord("["): "array",
    ord('"'): "string",
    ord("t"): "boolean",
    ord("f"): "boolean",
}

Path = tuple[str, ...]

#: In the place of each key of a map: the keys are data, and there may be any number of them.
ANY_KEY = "*"


class Outcome(StrEnum):
    """Why a field is in a `_rescued` text."""

    UNKNOWN = "unknown"
    MISFIT = "misfit"
    EXPECTED = "expected"  # untyped, or of a type that `x-mixed` lists
    WHOLE_RECORD = "whole record"  # with a repeated key; its path is empty


#: In how many texts each field occurs, by its path of keys.
Drift = Counter[tuple[Outcome, Path]]


def count_drift(rescued: Iterable[str], columns: tuple[Column, ...]) -> Drift:
    """Count the fields in `_rescued` texts of an event type with these columns."""
    drift, reader = Drift(), RescuedReader(columns)
    for text in rescued:
        # All keys of a map are one path, which counts once.
        drift.update({(outcome, path) for outcome, path, _ in reader.read(text)})
    return drift


class RescuedReader:
    """Reads `_rescued` texts of an event type."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        """Take the columns of the type."""
        self._known = _Known(columns)

    def read(self, text: str) -> Iterator[tuple[Outcome, Path, msgspec.Raw]]:
        """Yield the outcome, the path of keys and the value of each field in a text."""
        fields = rescued_fields(text)
        record = fields.pop(WHOLE_RECORD, None)
        if record is not None:
            yield Outcome.WHOLE_RECORD, (), record
        for path, column, value in _rescued_values(fields, self._known, ()):
            yield _outcome(column, value), path, value


def drift_digest(columns: tuple[Column, ...]) -> int:
    """Return a digest of everything that the counts depend on besides the texts."""
    return zlib.crc32(repr(_shape(columns)).encode())


def _shape(columns: tuple[Column, ...]) -> list[Any]:
    return [
        (
            column.field,
            column.kind.value,
            sorted(column.mixed),
            _shape(column.fields or _values_of_map(column)),
            *column.was,
        )
        for column in columns
    ]


def _values_of_map(column: Column) -> tuple[Column, ...]:
    return (column.item,) if column.kind is Kind.MAP and column.item else ()


def _outcome(column: Column | None, value: msgspec.Raw) -> Outcome:
    if column is None:
        return Outcome.UNKNOWN
    is_expected = column.kind is Kind.UNTYPED or _type_name(value) in column.mixed
    return Outcome.EXPECTED if is_expected else Outcome.MISFIT


class _Known:
    """The properties of an object by key, nested objects and maps included. All keys of a map are one, ANY_KEY."""

    def __init__(self, columns: tuple[Column, ...], *, is_map: bool = False) -> None:
        self.is_map = is_map
        self.columns = {key: column for column in columns for key in column.keys}
        self.below = {
            key: _nested_known(column) for key, column in self.columns.items() if column.kind in (Kind.OBJECT, Kind.MAP)
        }


def _nested_known(column: Column) -> _Known:
    if column.item is None:
        return _Known(column.fields)
    return _Known((replace(column.item, field=ANY_KEY),), is_map=True)


def _rescued_values(
    fields: Mapping[str, msgspec.Raw], known: _Known, path: Path
) -> Iterator[tuple[Path, Column | None, msgspec.Raw]]:
    """Yield path, column (None if unknown to the schema) and value of each rescued field."""
    for key, value in fields.items():
        name = ANY_KEY if known.is_map else key
        below = known.below.get(name)
        if below is not None and _type_name(value) == "object":
            yield from _rescued_values(rescued_fields(bytes(value).decode()), below, (*path, name))
        else:
            yield (*path, name), known.columns.get(name), value


def _type_name(value: msgspec.Raw) -> str:
    text = bytes(value)
    number = "integer" if text.lstrip(b"-").isdigit() else "number"
    return _TYPE_NAMES.get(text[0], number)
