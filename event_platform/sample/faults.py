"""Faults for the sample stream: corrupt records for each reason, and events that do not fit their schema."""

import random
import re
from collections.abc import Callable

from event_platform.events.corruption import MAX_RECORD_BYTES, CorruptionReason


def _record(uuid: str, name: str, created_at: str) -> str:
    return f'{{"event_uuid":"{uuid}","event_name":{name},"created_at":{created_at}}}'


#: Makes corrupt records of each reason from a uuid and a time.
_LOOKS: dict[CorruptionReason, list[Callable[[str, int], bytes]]] = {
    CorruptionReason.NOT_UTF8: [
        lambda uuid, at: _record(uuid, '"lesson:started"', str(at)).encode()[:-1] + b',"text":"caf\xe9"}',
    ],
    CorruptionReason.NOT_JSON: [
        lambda uuid, at: _record(uuid, '"lesson:completed"', str(at)).encode()[:-9],
        lambda uuid, at: _record(uuid, '"lesson:completed"', str(at)).encode()[:-1] + b',"score":NaN}',
    ],
    CorruptionReason.NOT_AN_OBJECT: [lambda uuid, at: f'["{uuid}",{at}]'.encode(), lambda _uuid, _at: b"null"],
    CorruptionReason.MISSING_EVENT_UUID: [
        lambda _uuid, at: f'{{"event_name":"app:started","created_at":{at}}}'.encode(),
        lambda _uuid, at: _record("", '"app:started"', str(at)).encode(),
    ],
    CorruptionReason.INVALID_EVENT_UUID: [
        lambda uuid, at: _record(uuid.ljust(300, "0"), '"app:started"', str(at)).encode(),
        lambda _uuid, at: f'{{"event_uuid":0.5,"event_name":"app:started","created_at":{at}}}'.encode(),
    ],
    CorruptionReason.MISSING_EVENT_NAME: [lambda uuid, at: _record(uuid, "null", str(at)).encode()],
    CorruptionReason.INVALID_EVENT_NAME: [
        lambda uuid, at: _record(uuid, r'"lesson\u0000started"', str(at)).encode(),
        lambda uuid, at: _record(uuid, '["lesson","started"]', str(at)).encode(),
    ],
    CorruptionReason.MISSING_CREATED_AT: [lambda uuid, _at: _record(uuid, '"goal:set"', "null").encode()],
    CorruptionReason.INVALID_CREATED_AT: [lambda uuid, at: _record(uuid, '"goal:set"', f'"{at} s"').encode()],
    CorruptionReason.CREATED_AT_OUT_OF_RANGE: [
        lambda uuid, at: _record(uuid, '"goal:set"', f"{at}000").encode(),
        lambda uuid, _at: _record(uuid, '"goal:set"', "0").encode(),
    ],
}

#: What no single record of the usual size shows: an object of its own is made for each.
_OF_WHOLE_OBJECTS = {
    CorruptionReason.RECORD_TOO_LARGE,
    CorruptionReason.UNREADABLE_OBJECT,
    CorruptionReason.UNSUPPORTED_FORMAT,
}

#: What only streams with another envelope have.
OF_OTHER_STREAMS = {CorruptionReason.MISSING_RECORDS}

if {*_LOOKS, *_OF_WHOLE_OBJECTS, *OF_OTHER_STREAMS} != {*CorruptionReason}:
    raise TypeError(f"no example of {', '.join({*CorruptionReason} - _LOOKS.keys() - _OF_WHOLE_OBJECTS)}")

REASONS = list(_LOOKS)

_HEARTS = re.compile(r'"hearts_left":\d+')


def corrupt_record(reason: CorruptionReason, uuid: str, created_at: int, rng: random.Random) -> bytes:
    """Return a record that is corrupt for this reason."""
    return rng.choice(_LOOKS[reason])(uuid, created_at)


def oversized_record(uuid: str, created_at: int) -> bytes:
    """Return a record that is sound except for its size."""
    return _record(uuid, '"app:started"', str(created_at)).encode()[:-1] + b',"log":"' + b"x" * MAX_RECORD_BYTES + b'"}'


def drifted_payload(inside: str) -> str:
    """Return a payload as a newer app sends it: with an additional field, and a text instead of a number."""
    return _HEARTS.sub('"hearts_left":"five"', inside) + ',"app_build":"2025.11"'
