"""The slow path for one body: each field is checked by itself, and what fits no column is kept as it was written."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from event_platform.events.columns import Column, Kind, inner_columns, kinds_below, typed
from event_platform.events.numbers import as_decimal, as_integer, fits_double, is_integer, may_lose_digits
from event_platform.events.rescued import WHOLE_RECORD
from event_platform.events.surrogates import mask_half_surrogates, unmask
from event_platform.events.wire import is_wide, value_decoder

#: What a timestamp column holds: with an offset, up to microseconds, without leap seconds.
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:[0-5]\d)$")
DATE = re.compile(r"^\d{4}-\d\d-\d\d$")

#: Kinds that are texts in JSON.
MOMENTS = (Kind.DATE_TIME, Kind.DATE)

#: Kinds for which the decoder accepts values that may not fit, or does not keep them as they were written.
_LOOKED_AT = (*MOMENTS, Kind.DECIMAL, Kind.VARIANT)
NOT_DECODED = (msgspec.MsgspecError, UnicodeError, RecursionError)

_ANYTHING = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = b"null"

#: In such a body, keys cannot be counted by the `":` behind them.
_HIDES_A_KEY = re.compile(r'"[ \t\r\n]+:|\\u')


class Rescuer:
    """Splits bodies of one event type into what fits its columns and what does not."""

    def __init__(self, columns: tuple[Column, ...], consumed: frozenset[str]) -> None:
        """Compile the columns. `consumed` fields are dropped."""
        self._known = _Known(columns)
        self._consumed = consumed

    def split(self, body: str) -> tuple[str, str | None]:
        """Return a body that fits the columns and has each key once, and the text of `_rescued` (None if empty)."""
        text, mask = mask_half_surrogates(body)
        try:
            twice = has_key_twice(text)
            fields = {field: raw for field, raw in _FIELDS.decode(text).items() if field not in self._consumed}
            held, left = _split(fields, self._known, _Reading(twice, mask.encode()))
        except RecursionError:  # nested deeper than Python can recurse
            held, left, twice = {}, None, True
        if twice:
            left = {**(left or {}), WHOLE_RECORD: body}
        rest = unmask(msgspec.json.encode(left).decode(), mask) if left else None
        return msgspec.json.encode(held).decode(), rest


@dataclass(frozen=True)
class _Reading:
    """How to read a body: `each_key_once` drops repeated keys of nested values; masked texts fit no column."""

    each_key_once: bool
    mask: bytes


class _Fitter:
    """Splits a value into what its column holds and the rest."""

    def __init__(self, column: Column) -> None:
        self._decode = None if is_wide([column]) else value_decoder(column).decode
        self._column = column
        self._fields = _Known(column.fields) if typed(column.fields) else None
        self._item = _Fitter(column.item) if column.item else None
        kinds = set(kinds_below([column]))
        below = inner_columns([*column.fields, *([column.item] if column.item else [])])
        # Its own earlier keys are its parent's matter: see `_Known`.
        reads_earlier = bool(column.was_types) or any(each.was or each.was_types for each in below)
        self._tells = kinds.isdisjoint(_LOOKED_AT) and not reads_earlier
        self._has_numbers = Kind.NUMBER in kinds

    def take(self, raw: msgspec.Raw, reading: _Reading) -> tuple[Any, Any]:
        """Return what fits the column and what does not. Each is None if there is nothing."""
        value = self._decoded(raw)
        if value is None and bytes(raw) == _NULL:
            return None, None
        if value is not None and self._tells and self._holds_text(raw, reading):
            return value if reading.each_key_once else raw, None
        if self._item is not None:
            take = self._take_entries if self._column.kind is Kind.MAP else self._take_items
            return take(raw, self._item, reading)
        if self._fields is not None:
            fields = _decoded(_FIELDS, raw)
            return (None, raw) if fields is None else _split(fields, self._fields, reading)
        held = self._as_text(raw, reading) if self._column.has_json_texts else self._scalar(raw, value)
        return (None, raw) if held is None else (held, None)

    def _decoded(self, raw: msgspec.Raw) -> Any:
        """Return the decoded value, or None if the decoder rejects it."""
        if self._decode is None:
            return None
        try:
            return self._decode(raw)
        except NOT_DECODED:
            return None

    def _holds_text(self, raw: msgspec.Raw, reading: _Reading) -> bool:
        """Return whether a decoded value is exactly what was written."""
        return not (reading.mask and reading.mask in bytes(raw)) and not (self._has_numbers and may_lose_digits(raw))

    def _take_items(self, raw: msgspec.Raw, item: "_Fitter", reading: _Reading) -> tuple[Any, Any]:
        """Take an array whole or not at all: gaps would shift its items."""
        items = _decoded(_ITEMS, raw)
        if items is None:
            return None, raw
        taken = [item.take(each, reading) for each in items]
        return (None, raw) if any(left is not None for _, left in taken) else ([held for held, _ in taken], None)

    def _take_entries(self, raw: msgspec.Raw, item: "_Fitter", reading: _Reading) -> tuple[Any, Any]:
        """Take the values of a map that fit. A key whose value does not fit has null; a masked key is left out."""
        entries = _decoded(_FIELDS, raw)
        if entries is None:
            return None, raw
        held: dict[str, Any] = {}
        left: dict[str, Any] = {}
        for key, each in entries.items():
            if reading.mask and reading.mask in key.encode():
                left[key] = each
                continue
            held[key], rest = item.take(each, reading)
            if rest is not None:
                left[key] = rest
        return held, left or None

    def _as_text(self, raw: msgspec.Raw, reading: _Reading) -> Any:
        """Return the value of a column that has it as a text, or None if it does not fit."""
        text = bytes(raw).decode()
        if reading.mask and reading.mask.decode() in text:
            return None
        if self._column.kind is not Kind.VARIANT:
            return raw if holds_as_text(text, self._column) else None
        return _decoded(_ANYTHING, raw) if reading.each_key_once and has_key_twice(text) else raw

    def _scalar(self, raw: msgspec.Raw, value: Any) -> Any:
        """Return the value of a scalar column where the decoder is not exact enough, or None if it does not fit."""
        kind, text = self._column.kind, bytes(raw).decode()
        if kind is Kind.INTEGER:
            return as_integer(text)
        if kind is Kind.DECIMAL:
            digits = as_decimal(text, *self._column.digits)
            return None if digits is None else msgspec.Raw(digits.encode())
        if value is None:
            return None
        fits = fits_double(text) if kind is Kind.NUMBER else kind in MOMENTS and self._is_moment(value)
        return value if fits else None

    def _is_moment(self, text: str) -> bool:
        kinds = (self._column.kind, *map(Kind, self._column.was_types))
        return any(is_moment(text, kind) for kind in kinds)


class _Known:
    """The properties of an object that have a column, by key."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._fitters = {key: fitter for each in typed(columns) for fitter in [_Fitter(each)] for key in each.keys}
        self._renamed = [column.keys for column in columns if column.was]

    def of(self, fields: dict[str, msgspec.Raw]) -> dict[str, _Fitter]:
        """Return what takes the value of each key: of the keys of one column, only that of the first with a value."""
        unread = {key for keys in self._renamed for key in _keys_with_value(fields, keys)[1:]}
        return {key: each for key, each in self._fitters.items() if key not in unread} if unread else self._fitters


def _keys_with_value(fields: dict[str, msgspec.Raw], keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if key in fields and bytes(fields[key]) != _NULL]


def _split(
    fields: dict[str, msgspec.Raw], known_columns: _Known, reading: _Reading
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the fields that fit, and the others without empty ones (None if there are none)."""
    known = known_columns.of(fields)
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


def holds_as_text(raw: str, column: Column) -> bool:
    """Return whether a column of texts holds a JSON value, which is no null: a text, or of a type that it had."""
    if raw.startswith('"'):
        return True
    if raw in ("true", "false"):
        return "boolean" in column.was_types
    if raw.startswith(("{", "[")):
        return False
    return "number" in column.was_types or ("integer" in column.was_types and is_integer(raw))


def _is_empty(raw: msgspec.Raw) -> bool:
    if not bytes(raw).startswith((b"n", b"[", b"{")):
        return False
    try:
        return is_empty_value(_ANYTHING.decode(raw))
    except msgspec.MsgspecError:  # a number that is too large to decode
        return False


def is_empty_value(value: Any) -> bool:
    """Return whether a JSON value is empty: null, `[]`, or an object with only empty fields."""
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
    """Return whether a text is a timestamp or a date, as `kind` says."""
    shape, parse = (RFC3339, _utc) if kind is Kind.DATE_TIME else (DATE, date.fromisoformat)
    try:
        return bool(shape.match(text) and parse(text))
    except (ValueError, OverflowError):
        return False


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)  # must stay in years 1 to 9999


def has_key_twice(body: str) -> bool:
    """Return whether an object in a body has a key twice."""
    if not _HIDES_A_KEY.search(body):
        # The decoder keeps one of two equal keys, so the counts differ.
        try:
            return body.count('":') != msgspec.json.encode(_ANYTHING.decode(body)).count(b'":')
        except msgspec.MsgspecError:  # a number that is too large to decode
            pass
    found = False

    def see(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(body, object_pairs_hook=see, parse_int=str, parse_float=str)
    return found
