"""The slow path for one body: every field is looked at by itself, and what does not fit is kept as it was written."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from event_platform.events.columns import Column, Kind, kinds_below, typed
from event_platform.events.numbers import as_decimal, as_integer, doubtful, fits_double
from event_platform.events.surrogates import covered, uncovered
from event_platform.events.wire import is_wide, value_decoder

#: A moment with its offset and no more than microseconds, which is what a timestamp column holds. No leap second.
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:[0-5]\d)$")
DATE = re.compile(r"^\d{4}-\d\d-\d\d$")

#: Where a record is kept whole, as text: it has a key twice, and a JSON object cannot hold both.
WHOLE_RECORD = "$record"

#: What is a text in JSON.
MOMENTS = (Kind.DATE_TIME, Kind.DATE)

#: What a decoder takes for right that may be wrong.
_LOOKED_AT = (*MOMENTS, Kind.DECIMAL)
_NOT_DECODED = (msgspec.MsgspecError, UnicodeError, RecursionError)

_ANYTHING = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = b"null"

#: Where these are, the keys of a body cannot be counted by what stands behind them.
_HIDES_A_KEY = re.compile(r'"[ \t\r\n]+:|\\u')


class Rescuer:
    """Splits bodies of one event type into what its columns hold and what they do not."""

    def __init__(self, columns: tuple[Column, ...], consumed: frozenset[str]) -> None:
        """Compile the columns. Fields that are `consumed` are neither held nor left over."""
        self._known = {column.field: _Fitter(column) for column in typed(columns)}
        self._consumed = consumed

    def split(self, body: str) -> tuple[str, str | None]:
        """Return a body that fits the columns, with each key once, and the rest (`_rescued`), or None."""
        text, cover = covered(body)
        try:
            twice = _has_key_twice(text)
            fields = {field: raw for field, raw in _FIELDS.decode(text).items() if field not in self._consumed}
            held, left = _split(fields, self._known, _Reading(twice, cover.encode()))
        except RecursionError:  # nested as deep as Python can go, which the first reading just managed
            held, left, twice = {}, None, True
        if twice:
            left = {**(left or {}), WHOLE_RECORD: body}
        rest = uncovered(msgspec.json.encode(left).decode(), cover) if left else None
        return msgspec.json.encode(held).decode(), rest


def count_fields(rescued: Iterable[str]) -> Counter[str]:
    """Return how many of the `_rescued` texts hold each field; WHOLE_RECORD is one of them."""
    return Counter(field for text in rescued for field in rescued_fields(text))


def rescued_fields(text: str) -> dict[str, msgspec.Raw]:
    """Return the fields of a `_rescued` text, or of an object in one; a half of a character is an escape in a key."""
    readable, cover = covered(text)
    fields = _FIELDS.decode(readable)
    if not cover:
        return fields
    return {
        uncovered(field, cover): msgspec.Raw(uncovered(str(raw, "utf-8"), cover).encode())
        for field, raw in fields.items()
    }


@dataclass(frozen=True)
class _Reading:
    """How a body is read: what is held has each key once where that has not, and texts with a `cover` fit nowhere."""

    each_key_once: bool
    cover: bytes


class _Fitter:
    """Takes what its column holds of a value, as it is written."""

    def __init__(self, column: Column) -> None:
        self._decode = None if is_wide([column]) else value_decoder(column).decode
        self._column = column
        self._fields = {field.field: _Fitter(field) for field in typed(column.fields)}
        self._item = _Fitter(column.item) if column.item else None
        kinds = set(kinds_below([column]))
        self._tells, self._has_numbers = kinds.isdisjoint(_LOOKED_AT), Kind.NUMBER in kinds

    def take(self, raw: msgspec.Raw, reading: _Reading) -> tuple[Any, Any]:
        """Return what the column holds, and what it does not; each is None where there is nothing."""
        value = self._decoded(raw)
        if value is None and bytes(raw) == _NULL:
            return None, None
        if value is not None and self._tells and self._holds_text(raw, reading):
            return value if reading.each_key_once else raw, None
        if self._item is not None:
            return self._take_items(raw, self._item, reading)
        if self._fields:
            fields = _decoded(_FIELDS, raw)
            return (None, raw) if fields is None else _split(fields, self._fields, reading)
        held = self._scalar(raw, value)
        return (None, raw) if held is None else (held, None)

    def _decoded(self, raw: msgspec.Raw) -> Any:
        """Return what the decoder takes a value for; None where it does not take it."""
        if self._decode is None:
            return None
        try:
            return self._decode(raw)
        except _NOT_DECODED:
            return None

    def _holds_text(self, raw: msgspec.Raw, reading: _Reading) -> bool:
        """Say whether a value that the decoder takes is as it was written."""
        return not (reading.cover and reading.cover in bytes(raw)) and not (self._has_numbers and doubtful(raw))

    def _take_items(self, raw: msgspec.Raw, item: "_Fitter", reading: _Reading) -> tuple[Any, Any]:
        """Take an array whole or not at all: a list with gaps would have its places wrong."""
        items = _decoded(_ITEMS, raw)
        if items is None:
            return None, raw
        taken = [item.take(each, reading) for each in items]
        return (None, raw) if any(left is not None for _, left in taken) else ([held for held, _ in taken], None)

    def _scalar(self, raw: msgspec.Raw, value: Any) -> Any:
        """Return what a column without fields and items holds where its decoder cannot tell, or None."""
        kind, text = self._column.kind, bytes(raw).decode()
        if kind is Kind.INTEGER:
            return as_integer(text)
        if kind is Kind.DECIMAL:
            digits = as_decimal(text, *self._column.digits)
            return None if digits is None else msgspec.Raw(digits.encode())
        if value is None:
            return None
        fits = fits_double(text) if kind is Kind.NUMBER else kind in MOMENTS and is_moment(value, kind)
        return value if fits else None


def _split(
    fields: dict[str, msgspec.Raw], known: dict[str, _Fitter], reading: _Reading
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the fields that are held, and the others, but for those that are empty; None where there are none."""
    held: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for field, raw in fields.items():
        fitter = known.get(field)
        if fitter is not None:
            value, rest = fitter.take(raw, reading)
        else:
            value, rest = None, None if _is_empty(raw) else raw
        if value is not None:
            held[field] = value
        if rest is not None:
            left[field] = rest
    return held, left or None


def _is_empty(raw: msgspec.Raw) -> bool:
    if not bytes(raw).startswith((b"n", b"[", b"{")):
        return False
    try:
        return is_nothing(_ANYTHING.decode(raw))
    except msgspec.MsgspecError:  # a number beyond any
        return False


def is_nothing(value: Any) -> bool:
    """Say whether there is nothing in a JSON value: null, `[]`, or an object whose fields all are nothing."""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            pending.extend(found.values())
        elif found is not None and found != []:
            return False
    return True


def _decoded(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.MsgspecError:
        return None


def is_moment(text: str, kind: Kind) -> bool:
    """Say whether a text is a timestamp or a date, which `kind` tells."""
    shape, parse = (RFC3339, _utc) if kind is Kind.DATE_TIME else (DATE, date.fromisoformat)
    try:
        return bool(shape.match(text) and parse(text))
    except (ValueError, OverflowError):
        return False


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)  # years 1 to 9999 there


def _has_key_twice(body: str) -> bool:
    if not _HIDES_A_KEY.search(body):
        # What a decoder makes of a key that is there twice is there once.
        try:
            return body.count('":') != msgspec.json.encode(_ANYTHING.decode(body)).count(b'":')
        except msgspec.MsgspecError:  # a number beyond any
            pass
    found = False

    def see(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(body, object_pairs_hook=see, parse_int=str, parse_float=str)
    return found
