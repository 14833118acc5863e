"""Identifies the events in lines as the lake does: by the same fields, and only in undamaged lines.

For code that needs ids before events land. It only imports msgspec, and reads less than `reader`: lines that it skips
may still contain events, but every id that it returns is the id in the lake.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

import msgspec

from event_platform.events.corruption import MAX_RECORD_BYTES, MAX_UUID_LENGTH, WRONG_TYPE, is_name
from event_platform.events.envelope import NUMBER, Envelope, TimeUnit, unit_by_magnitude
from event_platform.events.envelope_fields import EnvelopeFields
from event_platform.events.records import WHITESPACE
from event_platform.events.unwrapping import Unwrapper

#: Texts without an offset are read as UTC, although zones are up to 14 hours away. The lake accepts a created date up
#: to a day after arrival, so a time at most this much ahead is accepted in every zone, whenever it arrives again.
_MAX_SECONDS_AHEAD = 3600

_BLANKS = WHITESPACE.encode()
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class IdentifiedEvent:
    """An event: its id, and its body as the lake stores it."""

    event_uuid: str
    body: bytes


class EventIdentifier:
    """Finds the ids of events. Holds compiled decoders: create it once."""

    def __init__(self, envelope: Envelope) -> None:
        """Compile the paths of `envelope`."""
        self._fields = EnvelopeFields(envelope)
        self._envelope = envelope
        self._unwrapper = Unwrapper(envelope.records) if envelope.records else None

    def identify(self, lines: list[bytes], arrived_at: float) -> list[tuple[IdentifiedEvent, ...]] | None:
        """Return the events of each line; no events for a line that is blank or has a corrupt record.

        None if any line is neither one whole object nor blank. `arrived_at` is Unix time: events created later are
        corrupt for now, and may be sound when they arrive again.
        """
        present = [number for number, line in enumerate(lines) if line.strip(_BLANKS)]
        objects = [lines[number].strip(_BLANKS) for number in present]
        read = self._events(objects, arrived_at) if self._unwrapper is None else self._unwrapped(objects, arrived_at)
        if read is None:
            return None
        by_number = dict(zip(present, read, strict=True))
        return [by_number.get(number, ()) for number in range(len(lines))]

    def _unwrapped(self, wrappers: list[bytes], arrived_at: float) -> list[tuple[IdentifiedEvent, ...]] | None:
        events = [self._in_wrapper(wrapper, arrived_at) for wrapper in wrappers]
        return None if None in events else [event for event in events if event is not None]

    def _in_wrapper(self, wrapper: bytes, arrived_at: float) -> tuple[IdentifiedEvent, ...] | None:
        """Return the events of a wrapper, all or none; None if it is no whole object."""
        if self._unwrapper is None or not _is_object(wrapper):
            return None
        records = list(self._unwrapper.unwrap(wrapper.decode()))
        texts = [record.text.replace("\n", " ").encode("utf-8", "surrogateescape") for record in records]
        read = None if any(record.fault for record in records) else self._events(texts, arrived_at)
        return () if read is None or () in read else tuple(event for events in read for event in events)

    def _events(self, objects: list[bytes], arrived_at: float) -> list[tuple[IdentifiedEvent, ...]] | None:
        if not all(map(_may_be_record, objects)):
            return None
        try:
            bodies = [text.decode() for text in objects]
            heads = self._fields.decoder.decode_lines(b"\n".join(objects))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if len(heads) != len(objects):
            return None
        values = self._fields.of_structs(heads)
        columns = (self._fields.uuids(values, bodies), self._fields.names(values, len(bodies)))
        times = self._fields.times(values)
        return [
            (IdentifiedEvent(uuid, body),)
            if _is_id(uuid) and _is_named(name) and self._is_past(time, arrived_at)
            else ()
            for uuid, name, time, body in zip(*columns, times, objects, strict=True)
        ]

    def _is_past(self, created_at: Any, arrived_at: float) -> bool:
        seconds = created_seconds(created_at, self._envelope)
        return seconds is not None and seconds <= arrived_at + _MAX_SECONDS_AHEAD


def _is_id(uuid: str | None) -> TypeGuard[str]:
    return bool(uuid) and uuid is not None and uuid != WRONG_TYPE and len(uuid) <= MAX_UUID_LENGTH


def _is_named(name: str | None) -> bool:
    return name is not None and is_name(name)


def created_seconds(value: Any, envelope: Envelope) -> float | None:
    """Return a value of created_at as Unix time; None if it is invalid, or in a rare format.

    It differs from the lake's value by at most the offset of the envelope's time zone.
    """
    unit = envelope.unit
    try:
        if isinstance(value, str) and (unit.is_text or (unit is TimeUnit.AUTO and not NUMBER.match(value))):
            return _seconds_of_text(value, envelope.time_format)
        if unit.is_text or isinstance(value, bool) or not (isinstance(value, int | float) or NUMBER.match(value)):
            return None
        number = float(value)
        return number / ((unit if unit.per_second else unit_by_magnitude(number)).per_second or 1)
    except (ValueError, TypeError, OverflowError):
        return None


def _seconds_of_text(text: str, time_format: str | None) -> float:
    """Return the Unix time of a text. Raises ValueError or OverflowError."""
    moment = datetime.strptime(text, time_format) if time_format else datetime.fromisoformat(text)  # noqa: DTZ007
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _may_be_record(text: bytes) -> bool:
    return text.startswith(b"{") and text.endswith(b"}") and len(text) <= MAX_RECORD_BYTES


def _is_object(text: bytes) -> bool:
    try:
        text.decode()
        _OBJECT.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
