"""Values at the paths of an envelope: compiled for many records at once, and looked up exactly for a single one."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from event_platform.events.envelope import FieldPath

#: Decodes any value, and the fields of an object without their values.
ANYTHING = msgspec.json.Decoder()
FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def struct_of(kinds: Mapping[FieldPath, Any]) -> type[msgspec.Struct]:
    """Compile paths and their types into nested structs that skip every other field."""
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for index, key in enumerate(dict.fromkeys(path[0] for path in kinds)):
        below = {path[1:]: kind for path, kind in kinds.items() if path[0] == key and len(path) > 1}
        kind = struct_of(below) if below else kinds[(key,)]
        fields.append((f"f{index}", kind | None, None))
        rename[f"f{index}"] = key
    return msgspec.defstruct("Head", fields, rename=rename, gc=False)


def values_at(heads: list[Any], path: FieldPath) -> list[Any]:
    """Return the values at a path of decoded records; null where there is none."""
    values = heads
    for key in path:
        kind = next((type(value) for value in values if value is not None), None)
        if kind is None:
            return values
        get = attrgetter(kind.__struct_fields__[kind.__struct_encode_fields__.index(key)])
        values = (
            [None if value is None else get(value) for value in values] if None in values else list(map(get, values))
        )
    return values


def value_at(fields: dict[str, msgspec.Raw], path: FieldPath) -> Any:
    """Decode one field exactly; a number too large to hold is NaN, an object on the way that is none is absent."""
    raw = fields.get(path[0])
    if raw is None:
        return None
    try:
        return ANYTHING.decode(raw) if len(path) == 1 else value_at(FIELDS.decode(raw), path[1:])
    except msgspec.MsgspecError:
        return float("nan") if len(path) == 1 else None


def joined(parts: Iterable[str | None]) -> str | None:
    """Return the parts of a name that are there, joined with colons; None where there are none."""
    present = [part for part in parts if part is not None]
    return ":".join(present) if present else None


def floats(values: list[Any]) -> pl.Series:
    """Return numbers as Float64: infinity for one that is beyond it."""
    column = pl.Series(values, dtype=pl.Float64, strict=False)
    if column.null_count() == values.count(None):
        return column
    # An integer of hundreds of digits.
    return pl.Series([_float(value) for value in values], dtype=pl.Float64)


def _float(value: float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf")
