"""The shape of records: what was seen at each place of them, with the values that no column holds told apart."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from event_platform.events.columns import DEEPEST, Kind
from event_platform.events.numbers import doubtful, fits_double
from event_platform.events.rescue import MOMENTS, is_moment, is_nothing
from event_platform.events.surrogates import covered
from event_platform.events.wire import EXACT_INTEGERS, INT64

#: An object with more keys, in all records together, is a map: its keys are data.
MOST_KEYS = 1_000

#: Texts and numbers that no column holds, with their JSON types.
MISFITS = {"misfit text": "string", "misfit integer": "integer", "misfit number": "number"}


@dataclass
class Shape:
    """What was seen at one place of the records: how often, which kinds of values, and what was below them.

    An array finds its column whole or not at all. So what is in one is counted once for each outermost array.
    """

    seen: int = 0
    objects: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    fields: dict[str, "Shape"] = field(default_factory=dict)
    item: "Shape | None" = None
    is_map: bool = False
    last: dict[str, int] = field(default_factory=dict)  # array that was counted, by kind

    def add(self, value: Any, depth: int = 0, array: int | None = None) -> None:
        """Widen the shape by one value, as `decode` gives it, in the outermost `array` of this number."""
        self.seen += 1
        kind = _kind_of(value)
        if array is None or self.last.get(kind) != array:
            self.kinds[kind] += 1
            self.last.update({} if array is None else {kind: array})
        self.objects += isinstance(value, dict)
        if depth > DEEPEST:  # it gets no type, and lives in `_rescued`
            return
        if isinstance(value, dict) and not self.is_map:
            for key, below in value.items():
                self.fields.setdefault(key, Shape()).add(below, depth + 1, array)
            if len(self.fields) > MOST_KEYS and depth:
                self.is_map = True
                self.fields.clear()
        elif isinstance(value, list):
            self.item = self.item or Shape()
            for below in value:
                self.item.add(below, depth + 1, self.seen if array is None else array)


def decode(body: str) -> Any:
    """Return a record with a `_Misfit` for each value that no column holds."""
    text, cover = covered(body)
    try:
        if not cover and not doubtful(text.encode()):
            return msgspec.json.decode(text)
    # A number beyond what a double can hold, or a value too deep to decode: decode the fields one by one.
    except (msgspec.MsgspecError, RecursionError):
        pass
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    # No schema names a key with half of a character in it.
    return {key: _decode_exactly(raw, cover) for key, raw in fields.items() if not cover or cover not in key}


def _decode_exactly(raw: msgspec.Raw, cover: str) -> Any:
    """Return a value with a `_Misfit` for each number and text that no column holds."""
    try:
        value = json.loads(bytes(raw), parse_float=_float, parse_int=_integer)
    except RecursionError:
        return _Misfit("misfit integer")
    return _marked(value, cover) if cover else value


@dataclass(frozen=True)
class _Misfit:
    """A value that no column holds."""

    kind: str


def _float(text: str) -> Any:
    return float(text) if fits_double(text) else _Misfit("misfit number")


def _integer(text: str) -> Any:
    # Python takes no more than some thousand digits for an integer.
    return int(text) if len(text) <= len(str(INT64.start)) else _Misfit("misfit integer")


def _marked(value: Any, cover: str) -> Any:
    """Put a misfit in the place of each text that is covered, and leave out such keys."""
    if isinstance(value, dict):
        return {key: _marked(below, cover) for key, below in value.items() if cover not in key}
    if isinstance(value, list):
        return [_marked(below, cover) for below in value]
    return _Misfit("misfit text") if isinstance(value, str) and cover in value else value


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
            found = (kind for kind in MOMENTS if is_moment(value, kind))
            return next(found, Kind.STRING).value
        case dict():
            return "empty object" if is_nothing(value) else "object"
        case list():
            return "array" if value else "empty array"
        case _Misfit():
            return value.kind
        case _:
            raise TypeError(type(value))
