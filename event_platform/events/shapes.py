"""Sample records → shapes: statistics of the values at each path of an event type's records."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from event_platform.events.columns import MAX_DEPTH, Kind
from event_platform.events.numbers import fits_double, may_lose_digits
from event_platform.events.rescue import MOMENTS, is_empty_value, is_moment
from event_platform.events.surrogates import mask_half_surrogates
from event_platform.events.wire import EXACT_INTEGERS, INT64

#: An object with more keys, over all records, is a map: its keys are data and get no columns. The same holds for one
#: with more than _MAX_IDENTIFIERS keys that look like identifiers or dates, if these are the majority, and for one with
#: _MANY_KEYS, if one type holds all its values.
_MAX_KEYS, _MAX_IDENTIFIERS, _MANY_KEYS = 1_000, 100, 200
_IDENTIFIER = re.compile(r"\d+|.*(\d{4}|[0-9a-fA-F]{8}).*", re.DOTALL)


@dataclass
class Shape:
    """Statistics of the values at one path: number, kinds, and the shapes of nested values.

    An array fits its column entirely or not at all, so its values are counted once per outermost array.
    """

    seen: int = 0
    objects: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    fields: dict[str, "Shape"] = field(default_factory=dict)
    item: "Shape | None" = None
    value: "Shape | None" = None  # of an object with too many keys: the shape of all its values together
    last: dict[str, int] = field(default_factory=dict)  # number of the last array counted, by kind

    def add(self, value: Any, depth: int = 0, array: int | None = None) -> None:
        """Add a value from `decode`. `array` is the number of the outermost array that contains it."""
        self.seen += 1
        kind = _kind_of(value)
        if array is None or self.last.get(kind) != array:
            self.kinds[kind] += 1
            self.last.update({} if array is None else {kind: array})
        self.objects += isinstance(value, dict)
        if depth > MAX_DEPTH:  # too deep for a type: its values go to `_rescued`
            return
        if isinstance(value, dict):
            for key, below in value.items():
                (self.value or self.fields.setdefault(key, Shape())).add(below, depth + 1, array)
            if depth:
                self._limit_fields()
        elif isinstance(value, list):
            self.item = self.item or Shape()
            for below in value:
                self.item.add(below, depth + 1, self.seen if array is None else array)

    def include(self, other: "Shape") -> None:
        """Add the statistics of another path."""
        self.seen += other.seen
        self.objects += other.objects
        self.kinds.update(other.kinds)
        for key, below in other.fields.items():
            self.fields.setdefault(key, Shape()).include(below)
        if other.item:
            self.item = self.item or Shape()
            self.item.include(other.item)
        if other.value:
            self.value = self.value or Shape()
            self.value.include(other.value)
        self._limit_fields()

    def _limit_fields(self) -> None:
        """Keep only the values, not the keys, of an object with too many keys."""
        if self.fields and (self.value or len(self.fields) > _MAX_KEYS):
            self.value = value_shape(self)
            self.fields.clear()


def value_shape(shape: Shape) -> Shape:
    """Return the shape of all values of an object, under any keys."""
    whole = shape.value or Shape()
    for below in shape.fields.values():
        whole.include(below)
    return whole


def identifier_keys(fields: Iterable[str]) -> set[str]:
    """Return the keys that look like identifiers, if they are too many to be field names."""
    identifiers = {key for key in fields if _IDENTIFIER.fullmatch(key)}
    return identifiers if len(identifiers) > _MAX_IDENTIFIERS else set()


def is_map(shape: Shape) -> bool:
    """Return whether the keys of an object are data."""
    return shape.value is not None or 2 * len(identifier_keys(shape.fields)) > len(shape.fields)


def has_many_keys(shape: Shape) -> bool:
    """Return whether the keys of an object are data, provided that one type holds all its values."""
    return len(shape.fields) >= _MANY_KEYS


def decode(body: str) -> Any:
    """Decode a body, with a `_Misfit` for each number and text that no column holds."""
    text, mask = mask_half_surrogates(body)
    try:
        if not mask and not may_lose_digits(text.encode()):
            return msgspec.json.decode(text)
    # A number beyond the range of a double, or a value too deep to decode: decode the fields one by one.
    except (msgspec.MsgspecError, RecursionError):
        pass
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    # A schema cannot name a key with half a surrogate pair.
    return {key: _decode_exactly(raw, mask) for key, raw in fields.items() if not mask or mask not in key}


def _decode_exactly(raw: msgspec.Raw, mask: str) -> Any:
    """Decode a value, with a `_Misfit` for each number and text that no column holds."""
    try:
        value = json.loads(bytes(raw), parse_float=_float, parse_int=_integer)
    except RecursionError:
        return _Misfit("misfit integer")
    return _replace_masked(value, mask) if mask else value


@dataclass(frozen=True)
class _Misfit:
    """A value that no column holds."""

    kind: str


def _float(text: str) -> Any:
    return float(text) if fits_double(text) else _Misfit("misfit number")


def _integer(text: str) -> Any:
    # Python limits the digits of an integer to some thousands.
    return int(text) if len(text) <= len(str(INT64.start)) else _Misfit("misfit integer")


def _replace_masked(value: Any, mask: str) -> Any:
    """Replace masked texts by a misfit, and drop masked keys."""
    if isinstance(value, dict):
        return {key: _replace_masked(below, mask) for key, below in value.items() if mask not in key}
    if isinstance(value, list):
        return [_replace_masked(below, mask) for below in value]
    return _Misfit("misfit text") if isinstance(value, str) and mask in value else value


def _kind_of(value: Any) -> str:  # noqa: PLR0911 - one for each kind
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer" if value in EXACT_INTEGERS else "long" if value in INT64 else "misfit integer"
        case float():
            return "number"
        case str():
            kinds = (kind for kind in MOMENTS if is_moment(value, kind))
            return next(kinds, Kind.STRING).value
        case dict():
            return "empty object" if is_empty_value(value) else "object"
        case list():
            return "array" if value else "empty array"
        case _Misfit():
            return value.kind
        case _:
            raise TypeError(type(value))
