"""The path to records within objects that hold several."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from event_platform.events.envelope import FieldPath, RecordsPath
from event_platform.events.proposing.fields import fields_of
from event_platform.events.proposing.ids import rank_ids
from event_platform.events.proposing.times import rank_times
from event_platform.events.unwrapping import unpack

#: Arrays and texts within each other that are looked into.
_DEPTH = 4

#: Minimum share of objects with the field, and of an object's bytes in it if the object has a time.
_COVERAGE, _MOST_BYTES = 0.6, 0.8

#: A time of a record has at least this score: another may be in the settings of a wrapper.
_SCORE = 0.35

#: Maximum size in bytes of a field around the records that is copied to them.
_SMALL = 2_000

#: Keys of an object that is an entry of a map.
_PAIRS = ({"key", "value"}, {"key"})

#: Keys of what secures a transport: no part of what happened, and a link may be a right.
_OF_TRANSPORT = re.compile("url|signature|cert", re.IGNORECASE)

Object = Mapping[str, Any]


def find_records(objects: Sequence[Object], arrivals: Sequence[date]) -> RecordsPath | None:
    """Return the path to the records within objects; None if the objects are the records."""
    steps: list[tuple[str, bool]] = []
    context: dict[str, FieldPath] = {}
    inside, days = list(objects), list(arrivals)
    for _ in range(_DEPTH):
        step = _text_step(inside) or _array_step(inside, days)
        if step is None:
            break
        key, is_array = step
        context |= {name: (name,) for name in _surrounding_fields(inside, key)}
        steps.append(step)
        below = [
            (item, day)
            for content, day in zip(inside, days, strict=True)
            for item in _items(content.get(key), is_array)
        ]
        inside, days = [item for item, _ in below], [day for _, day in below]
    if not steps:
        return None
    own = {key for content in inside for key in content}
    # A text that holds whole records is an envelope of the transport.
    is_transport = not steps[-1][1] and _has_time(inside, days) and rank_ids(fields_of(inside), [])[0].fields
    around = () if is_transport else tuple((name, path) for name, path in context.items() if name not in own)
    return RecordsPath(tuple(steps), around)


def _items(value: Any, is_array: bool) -> Iterable[Object]:  # noqa: FBT001 - of a step
    values = value if is_array and isinstance(value, list) else [value]
    for entry in values:
        item = _as_object(entry) if isinstance(entry, str) else entry
        if isinstance(item, Mapping):
            yield item


def _as_object(text: str) -> Any:
    try:
        document = msgspec.json.decode(unpack(text).strip().partition("\n")[0] or "null")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return document if isinstance(document, Mapping) else None


def _text_step(objects: Sequence[Object]) -> tuple[str, bool] | None:
    """Return the field with a text that is JSON, in base64 or not, in most objects."""
    counts: dict[str, int] = {}
    for record in objects:
        for key, value in record.items():
            if isinstance(value, str) and len(value) > 1 and _as_object(value) is not None:
                counts[key] = counts.get(key, 0) + 1
    likely = [key for key, count in counts.items() if count >= _COVERAGE * len(objects)]
    return (max(likely, key=lambda key: _size(objects, key)), False) if likely else None


def _array_step(objects: Sequence[Object], arrivals: Sequence[date]) -> tuple[str, bool] | None:
    """Return the field with an array of objects that are the records, rather than parts of one record."""
    keys = {
        key
        for record in objects
        for key, value in record.items()
        if isinstance(value, list) and value and all(isinstance(item, Mapping) and not _is_pair(item) for item in value)
    }
    counts = {key: sum(isinstance(record.get(key), list) for record in objects) for key in keys}
    likely = [key for key, count in counts.items() if count >= _COVERAGE * len(objects)]
    if not likely:
        return None
    key = max(likely, key=lambda key: _size(objects, key))
    if not _has_time(objects, arrivals):
        return key, True
    items = [
        (item, day)
        for record, day in zip(objects, arrivals, strict=True)
        for item in _items(record.get(key), is_array=True)
    ]
    whole = sum(len(json.dumps(record)) for record in objects)
    is_most = _size(objects, key) >= _MOST_BYTES * whole and len(items) > len(objects)
    return (key, True) if is_most and _has_time([item for item, _ in items], [day for _, day in items]) else None


def _is_pair(item: Object) -> bool:
    """Return whether an object is a key and its value, in a map written as a list: attributes, tags."""
    return {key.lower() for key in item} in _PAIRS


def _has_time(objects: Sequence[Object], arrivals: Sequence[date]) -> bool:
    return bool(objects) and any(time.score >= _SCORE for time in rank_times(fields_of(objects), arrivals))


def _size(objects: Sequence[Object], key: str) -> int:
    return sum(len(json.dumps(record.get(key))) for record in objects)


def _surrounding_fields(objects: Sequence[Object], key: str) -> list[str]:
    """Return the small fields beside the records that most objects have."""
    counts: dict[str, int] = {}
    for record in objects:
        for other, value in record.items():
            is_plain = value not in (None, "", [], {}) and not _OF_TRANSPORT.search(other)
            if other != key and is_plain and len(json.dumps(value)) <= _SMALL:
                counts[other] = counts.get(other, 0) + 1
    return [other for other, count in counts.items() if count >= _COVERAGE * len(objects)]
