"""A record beside the row that it became: which of its values are neither in a column nor in `_rescued`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from event_platform.events.columns import Column, Kind, typed
from event_platform_tests.support.exact import is_empty

Json = Any


def lost(record: Mapping[str, Json], row: Mapping[str, Any], columns: tuple[Column, ...]) -> list[str]:
    """Return the paths of the values of `record` that its row of an event table does not hold.

    A null is no value; nor is an empty object or array in the place of a field that has no column.
    """
    rescued = json.loads(row["_rescued"] or "{}")
    if "$record" in rescued and "$record" not in record:
        return [] if json.loads(rescued["$record"]) == record else ["$record"]
    return list(_lost(record, row, columns, rescued))


def _lost(
    record: Mapping[str, Json], row: Mapping[str, Any], columns: tuple[Column, ...], rescued: Json
) -> Iterator[str]:
    by_field = {column.field: column for column in typed(columns)}
    for field, value in record.items():
        column = by_field.get(field)
        kept = rescued.get(field) if isinstance(rescued, dict) else None
        if value is None or (column is None and is_empty(value)) or (kept is not None and same_json(kept, value)):
            continue
        stored = row[column.name] if column else None
        is_object = column is not None and column.kind in (Kind.OBJECT, Kind.MAP)
        if column is not None and is_object and stored is not None and isinstance(value, dict):
            yield from (f"{field}.{below}" for below in _lost_below(value, stored, column, kept or {}))
        elif column is None or not holds(stored, value, column):
            yield field


def _lost_below(entries: Mapping[str, Json], stored: Any, column: Column, rescued: Json) -> Iterator[str]:
    """Yield what an object or a map does not hold of `entries`; of a map also the keys that it alone has."""
    if column.item is None:
        yield from _lost(entries, stored, column.fields, rescued)
        return
    yield from stored.keys() - entries.keys()
    item = replace(column.item, field="value", name="value")
    for key, value in entries.items():
        kept = {"value": rescued[key]} if key in rescued else {}
        is_there = key in stored or key in rescued
        if not is_there or any(_lost({"value": value}, {"value": stored.get(key)}, (item,), kept)):
            yield key


def holds(stored: Any, value: Json, column: Column) -> bool:
    """Say whether a column's value is what was written."""
    if value is None or stored is None:
        return value is stored
    if column.kind is Kind.ARRAY and column.item is not None:
        item = column.item
        return len(stored) == len(value) and all(holds(s, v, item) for s, v in zip(stored, value, strict=True))
    if column.kind in (Kind.OBJECT, Kind.MAP):
        return not list(_lost_below(value, stored, column, {}))
    if column.kind is Kind.DATE_TIME:
        return bool(stored == datetime.fromisoformat(value))
    if column.kind is Kind.DATE:
        return bool(stored == date.fromisoformat(value))
    # Of an integer the digits that were written, not the nearest double.
    exact = column.kind is Kind.INTEGER and isinstance(value, float)
    return same_json(stored, Decimal(repr(value)) if exact else value)


def same_json(one: Json, other: Json) -> bool:
    """Compare as JSON does: true is not 1, but 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same_json(*pair) for pair in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
