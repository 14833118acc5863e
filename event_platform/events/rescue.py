"""The longer way for one body: every field is looked at by itself, and what does not fit is kept as it was written."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from event_platform.events.columns import Column, Kind, typed
from event_platform.events.wire import value_decoder

#: A moment with its offset and no more than microseconds, which is what a timestamp column holds. No leap second.
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:[0-5]\d)$")
DATE = re.compile(r"^\d{4}-\d\d-\d\d$")

#: Where a record is kept whole, as text: it has a key twice, and a JSON object cannot hold both.
WHOLE_RECORD = "$record"

_MOMENTS = (Kind.DATE_TIME, Kind.DATE)
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
        try:
            twice = _has_key_twice(body)
            fields = {field: raw for field, raw in _FIELDS.decode(body).items() if field not in self._consumed}
            held, left = _split(fields, self._known, each_key_once=twice)
        except RecursionError:  # nested as deep as Python can go, which the first reading just managed
            held, left, twice = {}, {}, True
        if twice:
            left[WHOLE_RECORD] = body
        return msgspec.json.encode(held).decode(), msgspec.json.encode(left).decode() if left else None


def count_fields(rescued: Iterable[str]) -> Counter[str]:
    """Return how many of the `_rescued` texts hold each field; WHOLE_RECORD is one of them."""
    return Counter(field for text in rescued for field in _FIELDS.decode(text))


class _Fitter:
    """Says whether a value, as it is written, is one that its column holds."""

    def __init__(self, column: Column) -> None:
        self.fields = {field.field: _Fitter(field) for field in typed(column.fields)}
        self.decode = value_decoder(column).decode
        self._kind = column.kind
        self._item = _Fitter(column.item) if column.item else None
        below = [*self.fields.values(), *([self._item] if self._item else [])]
        self.has_moments: bool = column.kind in _MOMENTS or any(each.has_moments for each in below)

    def fits(self, raw: msgspec.Raw) -> bool:
        try:
            value = self.decode(raw)
        except _NOT_DECODED:
            return False
        if value is None or not self.has_moments:
            return True
        if self._item is not None:
            return all(map(self._item.fits, _ITEMS.decode(raw)))
        if self.fields:
            return all(self.fields[field].fits(below) for field, below in _FIELDS.decode(raw).items())
        return _is_moment(value, self._kind)


def _split(
    fields: dict[str, msgspec.Raw], known: dict[str, _Fitter], *, each_key_once: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    held: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for field, raw in fields.items():
        fitter = known.get(field)
        if fitter is not None and fitter.fits(raw):
            held[field] = fitter.decode(raw) if each_key_once else raw
        elif fitter is not None and fitter.fields and (below := _fields_of(raw)) is not None:
            held[field], rest = _split(below, fitter.fields, each_key_once=each_key_once)
            left.update({field: rest} if rest else {})
        elif bytes(raw) != _NULL:
            # An array is kept whole or rescued whole: a list with gaps would have its places wrong.
            left[field] = raw
    return held, left


def _fields_of(raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        return _FIELDS.decode(raw)
    except msgspec.MsgspecError:
        return None


def _is_moment(text: str, kind: Kind) -> bool:
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
