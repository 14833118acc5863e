"""The longer way for one body: every field is fitted by itself, and what does not fit is kept as it was written."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from event_platform.events.columns import Column, Kind, typed

INT64 = range(-(2**63), 2**63)

#: Integers that a Float64 column holds without loss.
EXACT_INTEGERS = range(-(2**53), 2**53 + 1)

#: A moment with its offset and no more than microseconds, which is what a timestamp column holds. No leap second.
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:[0-5]\d)$")
DATE = re.compile(r"^\d{4}-\d\d-\d\d$")

#: Where a record is kept whole, as text: it has a key twice, and a JSON object cannot hold both.
WHOLE_RECORD = "$record"

Rescued = dict[str, Any]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_DECODERS: dict[Kind, msgspec.json.Decoder[Any]] = {
    Kind.STRING: msgspec.json.Decoder(str),
    Kind.INTEGER: msgspec.json.Decoder(int),
    Kind.NUMBER: msgspec.json.Decoder(int | float),
    Kind.BOOLEAN: msgspec.json.Decoder(bool),
    Kind.DATE_TIME: msgspec.json.Decoder(str),
    Kind.DATE: msgspec.json.Decoder(str),
}


class _MisfitError(Exception):
    """A value that does not fit its column."""


def rescue(body: str, columns: tuple[Column, ...], consumed: frozenset[str]) -> tuple[Any, ...]:
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


def count_fields(rescued: Iterable[str]) -> Counter[str]:
    """Return how many of the `_rescued` texts hold each field; WHOLE_RECORD is one of them."""
    return Counter(field for text in rescued for field in _FIELDS.decode(text))


def _fit_fields(
    fields: dict[str, msgspec.Raw], columns: tuple[Column, ...], consumed: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], Rescued]:
    by_field = {column.field: column for column in columns}
    values: dict[str, Any] = {column.name: None for column in typed(columns)}
    rescued: Rescued = {}
    for field, raw in fields.items():
        if field in consumed or bytes(raw) == b"null":
            continue
        column = by_field.get(field)
        if column is None or column.kind is Kind.UNTYPED:
            rescued[field] = raw
            continue
        try:
            values[column.name], left = _fit(raw, column)
        except _MisfitError:
            rescued[field] = raw
        else:
            rescued.update({field: left} if left else {})
    return values, rescued


def _fit(raw: msgspec.Raw, column: Column) -> tuple[Any, Rescued]:
    """Return the value and, of an object, the fields that found no place. Raises _MisfitError."""
    try:
        if column.kind is Kind.OBJECT:
            return _fit_fields(_FIELDS.decode(raw), column.fields)
        if column.item is not None:
            return [_fit_item(item, column.item) for item in _ITEMS.decode(raw)], {}
        return _fit_scalar(_DECODERS[column.kind].decode(raw), column.kind), {}
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise _MisfitError from error


def _fit_item(raw: msgspec.Raw, column: Column) -> Any:
    # An array is kept whole or rescued whole: a list with gaps would have its places wrong.
    if bytes(raw) == b"null":
        return None
    value, left = _fit(raw, column)
    if left:
        raise _MisfitError
    return value


def _fit_scalar(value: Any, kind: Kind) -> Any:
    if kind is Kind.DATE_TIME:
        return datetime.fromisoformat(_shaped(value, RFC3339)).astimezone(UTC)  # years 1 to 9999 there
    if kind is Kind.DATE:
        return date.fromisoformat(_shaped(value, DATE))
    if type(value) is int and value not in (INT64 if kind is Kind.INTEGER else EXACT_INTEGERS):
        raise _MisfitError
    return float(value) if kind is Kind.NUMBER else value


def _shaped(text: str, shape: re.Pattern[str]) -> str:
    if not shape.match(text):
        raise _MisfitError
    return text


def _has_repeated_key(body: str) -> bool:
    found = False

    def see(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(body, object_pairs_hook=see, parse_int=str, parse_float=str)
    return found
