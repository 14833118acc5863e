"""`_rescued` texts → counts of their fields: unknown to the schema, of a wrong type, or expected there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

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

#: In the place of each key of a map: the keys are data, and there may be any number of them.
ANY_KEY = "*"


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
        values = _rescued_values(fields, known, ())
        for path, why in dict.fromkeys((path, _why(column, value)) for path, column, value in values):
            getattr(drift, why)[path] += 1
    return drift


def _why(column: Column | None, value: msgspec.Raw) -> str:
    """Return the field of Drift in which a value counts."""
    if column is None:
        return "unknown"
    return "expected" if column.kind is Kind.UNTYPED or _type_name(value) in column.mixed else "misfits"


class _Known:
    """The properties of an object by key, nested objects and maps included. All keys of a map are one, ANY_KEY."""

    def __init__(self, columns: tuple[Column, ...], *, is_map: bool = False) -> None:
        self.is_map = is_map
        self.columns = {column.field: column for column in columns}
        self.below = {column.field: _below(column) for column in columns if column.kind in (Kind.OBJECT, Kind.MAP)}


def _below(column: Column) -> _Known:
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
