"""Personal values, by `x-personal` in the schema: pages show that a property has a value, and not which."""

from collections.abc import Iterator, Mapping
from typing import Any

from event_platform.events.columns import Column, typed
from event_platform.events.event import RESCUED_COLUMN

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


def mask(columns: tuple[Column, ...], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row, or an object in it, with personal values masked; so is `_rescued`, which has those of any field."""
    known = {column.name: column for column in columns}
    return {
        name: MASKED if name == RESCUED_COLUMN and value is not None else _mask(known.get(name), value)
        for name, value in row.items()
    }


def _mask(column: Column | None, value: Any) -> Any:
    if value is None or column is None:
        return value
    if column.is_personal or (column.item is not None and _has_personal(column.item)):
        return MASKED
    return mask(column.fields, value) if column.fields else value


def _has_personal(column: Column) -> bool:
    below = [*column.fields, *([column.item] if column.item else [])]
    return column.is_personal or any(map(_has_personal, below))
