"""`_rescued` texts → counts of their fields: unknown to the schema, of a wrong type, or expected there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from event_platform.events.columns import Column, Kind
from event_platform.events.rescue import WHOLE_RECORD, rescued_fields

_TYPE_NAMES = {
    ord("{"): "object",
    ord("["): "array",
    ord('"'): "string",
    ord("t"): "boolean",
    ord("f"): "boolean",
}

Path = tuple[str, ...]


@dataclass
class Drift:
    """In how many texts each field occurs, by its path of keys."""

    unknown: Counter[Path] = field(default_factory=Counter)
    misfits: Counter[Path] = field(default_factory=Counter)
    expected: Counter[Path] = field(default_factory=Counter)  # untyped, or of a type that `x-mixed` lists
    whole_records: int = 0


def count_drift(rescued: Iterable[str], columns: tuple[Column, ...]) -> Drift:
    """Count the fields in `_rescued` texts of an event type with these columns."""
    drift = Drift()
    known = _Known(columns)
    for text in rescued:
        fields = rescued_fields(text)
        drift.whole_records += fields.pop(WHOLE_RECORD, None) is not None
        for path, column, value in _rescued_values(fields, known, ()):
            if column is None:
                drift.unknown[path] += 1
            elif column.kind is Kind.UNTYPED or _type_name(value) in column.mixed:
                drift.expected[path] += 1
            else:
                drift.misfits[path] += 1
    return drift


class _Known:
    """The properties of an object by key, nested objects included."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = {column.field: column for column in columns}
        self.below = {column.field: _Known(column.fields) for column in columns if column.kind is Kind.OBJECT}


def _rescued_values(
    fields: Mapping[str, msgspec.Raw], known: _Known, path: Path
) -> Iterator[tuple[Path, Column | None, msgspec.Raw]]:
    """Yield path, column (None if unknown to the schema) and value of each rescued field."""
    for key, value in fields.items():
        below = known.below.get(key)
        if below is not None and _type_name(value) == "object":
            yield from _rescued_values(rescued_fields(bytes(value).decode()), below, (*path, key))
        else:
            yield (*path, key), known.columns.get(key), value


def _type_name(value: msgspec.Raw) -> str:
    text = bytes(value)
    number = "integer" if text.lstrip(b"-").isdigit() else "number"
    return _TYPE_NAMES.get(text[0], number)
