"""The exact way to read one body, as plainly as it can be written: what the fast ones have to agree with."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any

import msgspec

from event_platform.events.columns import Column, Kind, typed
from event_platform.events.rescue import DATE, RFC3339
from event_platform.events.rescued import WHOLE_RECORD
from event_platform.events.wire import EXACT_INTEGERS, INT64

Rescued = dict[str, Any]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_DECODERS: dict[Kind, msgspec.json.Decoder[Any]] = {
    Kind.STRING: msgspec.json.Decoder(str),
    Kind.INTEGER: msgspec.json.Decoder(int | float),
    Kind.NUMBER: msgspec.json.Decoder(int | float),
    Kind.BOOLEAN: msgspec.json.Decoder(bool),
    Kind.DATE_TIME: msgspec.json.Decoder(str),
    Kind.DATE: msgspec.json.Decoder(str),
}


class MisfitError(Exception):
    """A value that does not fit its column."""


def read_exactly(body: str, columns: tuple[Column, ...], consumed: frozenset[str]) -> tuple[Any, ...]:
    """Return the values of the typed `columns`, in their order, and last `_rescued` as JSON text or None."""
    try:
        values, rescued = _fit_fields(_FIELDS.decode(body), columns, consumed)
        whole = _has_repeated_key(body)
    except RecursionError:  # nested as deep as Python can go, which the first reading just managed
        values, rescued, whole = {column.name: None for column in typed(columns)}, {}, True
    if whole:
        rescued[WHOLE_RECORD] = body
    text = msgspec.json.encode(rescued).decode() if rescued else None
    return (*values.values(), text)


def _fit_fields(
    fields: dict[str, msgspec.Raw], columns: tuple[Column, ...], consumed: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], Rescued]:
    by_field = {column.field: column for column in columns}
    values: dict[str, Any] = {column.name: None for column in typed(columns)}
    rescued: Rescued = {}
    for field, raw in fields.items():
        column = by_field.get(field)
        if field in consumed or bytes(raw) == b"null":
            continue
        if column is None or column.kind is Kind.UNTYPED:
            rescued.update({} if is_empty(json.loads(bytes(raw), parse_int=str)) else {field: raw})
            continue
        try:
            values[column.name], left = _fit(raw, column)
        except MisfitError:
            rescued[field] = raw
        else:
            rescued.update({field: left} if left else {})
    return values, rescued


def _fit(raw: msgspec.Raw, column: Column) -> tuple[Any, Rescued]:
    """Return the value and, of an object, the fields that found no place. Raises MisfitError."""
    try:
        if column.kind is Kind.OBJECT:
            return _fit_fields(_FIELDS.decode(raw), column.fields)
        if column.kind is Kind.MAP and column.item is not None:
            return _fit_entries(_FIELDS.decode(raw), column.item)
        if column.item is not None:
            return [_fit_item(item, column.item) for item in _ITEMS.decode(raw)], {}
        value = _DECODERS[column.kind].decode(raw)
        if column.kind in (Kind.INTEGER, Kind.NUMBER):
            return _fit_number(bytes(raw).decode(), column.kind), {}
        return _fit_scalar(value, column.kind), {}
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise MisfitError from error


def _fit_entries(entries: dict[str, msgspec.Raw], column: Column) -> tuple[Any, Rescued]:
    values: dict[str, Any] = {}
    rescued: Rescued = {}
    left: Any
    for key, raw in entries.items():
        try:
            values[key], left = _fit(raw, column) if bytes(raw) != b"null" else (None, {})
        except MisfitError:
            values[key], left = None, raw
        rescued.update({key: left} if left else {})
    return values, rescued


def _fit_item(raw: msgspec.Raw, column: Column) -> Any:
    # An array is kept whole or rescued whole: a list with gaps would have its places wrong.
    if bytes(raw) == b"null":
        return None
    value, left = _fit(raw, column)
    if left:
        raise MisfitError
    return value


def _fit_scalar(value: Any, kind: Kind) -> Any:
    if kind is Kind.DATE_TIME:
        return datetime.fromisoformat(_shaped(value, RFC3339)).astimezone(UTC)  # years 1 to 9999 there
    if kind is Kind.DATE:
        return date.fromisoformat(_shaped(value, DATE))
    return value


def _fit_number(text: str, kind: Kind) -> int | float:
    number, value = Decimal(text), float(text)
    digits = len("".join(map(str, number.as_tuple().digits)).strip("0"))
    if kind is Kind.INTEGER:
        if number != number.to_integral_value() or int(number) not in INT64:
            raise MisfitError
        return int(number)
    if text.lstrip("-").isdigit() and int(text) not in EXACT_INTEGERS:
        raise MisfitError
    exact = not number or Context(prec=max(digits, 1)).plus(Decimal(value)) == number
    if digits > 17 or (not exact and not 2.0**-1022 <= abs(value) < 2**53):
        raise MisfitError
    return value


def is_empty(value: Any) -> bool:
    """Say whether there is nothing in a JSON value."""
    return value is None or value == [] or (isinstance(value, dict) and all(map(is_empty, value.values())))


def _shaped(text: str, shape: re.Pattern[str]) -> str:
    if not shape.match(text):
        raise MisfitError
    return text


def _has_repeated_key(body: str) -> bool:
    found = False

    def see(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(body, object_pairs_hook=see, parse_int=str, parse_float=str)
    return found
