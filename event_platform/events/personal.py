"""Personal values, by `x-personal` in the schema: pages show that a property has a value, and not which."""

from collections.abc import Iterator, Mapping
from typing import Any

from event_platform.events.catalog import EventType
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


def mask(event_type: EventType, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the table of a type with personal values masked.

    So are `_rescued`, which has values of any field, and what the catalog does not know any more: it may be personal.
    """
    payload = {column.name for column in event_type.columns} | {RESCUED_COLUMN}
    of_every_event = event_type.schema.keys() - payload
    masked = _mask_fields(event_type.columns, row)
    return {name: value if name in of_every_event else masked[name] for name, value in row.items()}


def _mask_fields(columns: tuple[Column, ...], row: Mapping[str, Any]) -> dict[str, Any]:
    known = {column.name: column for column in columns}
    return {name: _mask(known.get(name), value) for name, value in row.items()}


def _mask(column: Column | None, value: Any) -> Any:
    if value is None:
        return value
    if column is None or column.is_personal or (column.item is not None and _has_personal(column.item)):
        return MASKED
    return _mask_fields(column.fields, value) if column.fields else value


def _has_personal(column: Column) -> bool:
    below = [*column.fields, *([column.item] if column.item else [])]
    return column.is_personal or any(map(_has_personal, below))
