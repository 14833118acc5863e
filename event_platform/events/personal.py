"""Personal values (`x-personal` in the schema): pages show that a property has a value, but not the value."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from event_platform.events.columns import Column, inner_columns, typed

MASKED = "\N{BULLET}" * 3


def personal_paths(
    columns: tuple[Column, ...], path: tuple[str, ...] = (), *, inside: bool = False
) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the personal columns, and of all that is in a personal object."""
    for column in typed(columns):
        own, is_personal = (*path, column.name), inside or column.is_personal
        if is_personal:
            yield own
        yield from personal_paths(column.fields, own, inside=is_personal)


def mask(columns: tuple[Column, ...], row: Mapping[str, Any], shown: Collection[str]) -> dict[str, Any]:
    """Return a row of an event table with personal values masked, except in `shown` columns.

    `_rescued`, which has values of any field, and columns that left the catalog are masked as well: they may be
    personal.
    """
    masked = _mask_fields(columns, row)
    return {name: value if name in shown else masked[name] for name, value in row.items()}


def _mask_fields(columns: tuple[Column, ...], row: Mapping[str, Any]) -> dict[str, Any]:
    known = {column.name: column for column in columns}
    return {name: _mask(known.get(name), value) for name, value in row.items()}


def _mask(column: Column | None, value: Any) -> Any:
    if value is None:
        return value
    if column is None or _is_masked(column):
        return MASKED
    return _mask_fields(column.fields, value) if column.fields else value


def _is_masked(column: Column) -> bool:
    """Return whether a column is masked as a whole: it is personal, or an array or map of personal values."""
    return column.is_personal or (column.item is not None and _has_personal(column.item))


def _has_personal(column: Column) -> bool:
    return any(inner.is_personal for inner in inner_columns([column]))


def mask_text(fields: Collection[str], text: str) -> str:
    """Return the text of a record, damaged or not, with the values of personal `fields` masked, at any depth."""
    names = "|".join(re.escape(json.dumps(field, ensure_ascii=False)) for field in sorted(fields))
    if not names:
        return text
    parts, position = list[str](), 0
    for key in re.finditer(rf"(?:{names})\s*:\s*", text):
        if key.start() >= position:
            parts += [text[position : key.end()], MASKED]
            position = _end_of_value(text, key.end())
    return "".join([*parts, text[position:]])


def personal_fields(columns: tuple[Column, ...]) -> Iterator[str]:
    """Yield the JSON keys whose values are masked, at any depth, including earlier keys of properties."""
    for column in columns:
        yield from column.keys if _is_masked(column) else ()
        yield from personal_fields(column.innermost.fields)


def _end_of_value(text: str, start: int) -> int:
    """Return the end of a JSON value; for a damaged value, whose end is unknown, the end of the text."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return len(text)
