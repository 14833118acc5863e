"""A bounded sample of landing: the beginnings of some objects, of days from the first to the last."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import TypeVar

from event_platform.events.errors import UnreadableError
from event_platform.landing.landing import LandedObject, Landing
from event_platform.landing.objects import pieces
from event_platform.landing.omissions import Omissions
from event_platform.landing.pieces import Limits

#: Maximum number of days, of objects on all of them, and of objects without a date in their path.
_DAYS, _OBJECTS, _OUTSIDE = 5, 30, 12

#: Maximum bytes to read of an object, and maximum bytes of text to keep of one object and of all.
_MOST_READ, _LEAST_TEXT, _MOST_TEXT = 32 << 20, 200_000, 24 << 20

#: A wrapper is kept whole up to this size, because a part of it cannot be parsed.
_LIMITS = Limits(task_bytes=1 << 30, object_bytes=256 << 20, record_bytes=64 << 20)

T = TypeVar("T")


@dataclass(frozen=True)
class SampledObject:
    """The beginning of a landed object as text, and the reason why reading stopped early (empty if it did not)."""

    landed_object: LandedObject
    data: bytes
    fault: str = ""


def sample(landing: Landing, omissions: Omissions) -> Iterator[SampledObject]:
    """Yield the beginnings of some objects. Objects that are deleted meanwhile are skipped. Raises LandingError."""
    objects = list(_choose(landing, omissions))
    max_bytes = max(_LEAST_TEXT, _MOST_TEXT // max(1, len(objects)))
    for landed_object in objects:
        try:
            sampled_object = _read_beginning(landing, landed_object, max_bytes)
        except UnreadableError:
            if not landing.is_deleted(landed_object.name):
                raise
        else:
            yield sampled_object


def _choose(landing: Landing, omissions: Omissions) -> Iterator[LandedObject]:
    survey = landing.survey(omissions)
    yield from spread(sorted(survey.outside, key=lambda landed_object: landed_object.name), _OUTSIDE)
    days = spread(sorted(survey.days), _DAYS)
    for _, objects in landing.list_days(days, omissions, survey):
        yield from spread(sorted(objects, key=lambda landed_object: landed_object.name), _OBJECTS // len(days))


def spread(items: Sequence[T], limit: int) -> list[T]:
    """Return some of the items, the first and the last among them."""
    if len(items) <= limit:
        return list(items)
    return [items[number * (len(items) - 1) // (limit - 1)] for number in range(limit)]


def _read_beginning(landing: Landing, landed_object: LandedObject, max_bytes: int) -> SampledObject:
    size = min(landed_object.size, _MOST_READ)
    data = (
        landing.read(landed_object.name)
        if size == landed_object.size
        else landing.read_range(landed_object.name, 0, size)
    )
    texts: list[bytes] = []
    fault = ""
    for piece in islice(pieces(landed_object.name, BytesIO(data), _LIMITS), 2):
        texts.append(piece.data)
        fault = piece.text if piece.reason and size == landed_object.size else fault
    text = b"\n".join(texts)
    if len(text) > max_bytes:
        text = text[: text.rfind(b"\n", 0, max_bytes) + 1] or text
    return SampledObject(landed_object, text, fault)
